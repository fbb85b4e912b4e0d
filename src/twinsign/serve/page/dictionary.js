// The dictionary: signs that the model knows, enrolled examples, their playback and deletion.
import { ask } from "./api.js";
import { element } from "./answer.js";
import { calm, Player } from "./skeleton.js";

const at = (id) => document.getElementById(id);

export class Dictionary {
  constructor(problem) {
    this.problem = problem;
    this.glosses = [];
    this.examples = [];
    this.open = null;
    this.player = new Player(at("playback"), (frame) => this.shown(frame), () => this.label());
    at("filter").addEventListener("input", () => this.render());
    at("play").addEventListener("click", () => this.toggle());
    at("slow").addEventListener("change", () => this.hurry());
    at("moment").addEventListener("input", () => {
      this.player.pause();
      this.player.show(Number(at("moment").value));
      this.label();
    });
  }

  async load(glosses = this.glosses) {
    this.glosses = glosses;
    this.examples = (await ask("/dictionary")).signs;
    this.render();
  }

  byGloss() {
    const found = new Map(this.glosses.map((gloss) => [gloss, []]));
    for (const example of this.examples) {
      if (!found.has(example.gloss)) found.set(example.gloss, []);
      found.get(example.gloss).push(example);
    }
    return [...found].sort(([one], [other]) => one.localeCompare(other));
  }

  render() {
    const known = this.byGloss();
    const part = at("filter").value.trim().toLowerCase();
    const shown = known.filter(([gloss]) => gloss.toLowerCase().includes(part));
    at("dictionary-about").textContent =
      `The model knows ${this.glosses.length} signs; ${this.examples.length} examples are enrolled.` +
      (part ? ` ${shown.length} signs match.` : "");
    at("signs").replaceChildren(...shown.map(([gloss, examples]) => this.item(gloss, examples)));
    at("known").replaceChildren(...known.map(([gloss]) => element("option", "", { value: gloss })));
  }

  item(gloss, examples) {
    const item = element("li");
    const button = element("button", gloss, { type: "button" });
    button.append(element("span", examples.length ? ` · ${examples.length}` : "", { className: "count" }));
    const some = examples.length === 1 ? "1 example" : `${examples.length || "no"} examples`;
    button.setAttribute("aria-label", `${gloss}, ${some}`);
    button.setAttribute("aria-expanded", String(this.open === gloss));
    button.addEventListener("click", () => {
      this.open = this.open === gloss ? null : gloss;
      this.render();
      [...at("signs").querySelectorAll(":scope > li > button")].find((one) => one.dataset.gloss === gloss)?.focus();
    });
    button.dataset.gloss = gloss;
    item.append(button);
    if (this.open === gloss) {
      item.className = "open";
      item.append(this.list(gloss, examples));
    }
    return item;
  }

  list(gloss, examples) {
    if (!examples.length) return element("p", "No example of it is enrolled. Sign it, then teach it.");
    const list = element("ul");
    for (const example of examples) {
      const row = element("li");
      const play = element("button", "Play", { type: "button" });
      play.setAttribute("aria-label", `Play ${example.id}`);
      play.addEventListener("click", () => this.play(example.id));
      const remove = element("button", "Delete", { type: "button" });
      remove.setAttribute("aria-label", `Delete ${example.id}`);
      remove.addEventListener("click", () => this.remove(example));
      const about = [example.id, example.signer && `by ${example.signer}`, `${example.frames} frames`].filter(Boolean);
      row.append(play, remove, element("span", about.join(", ")));
      list.append(row);
    }
    return list;
  }

  async play(id) {
    try {
      const clip = await ask(`/dictionary/poses?id=${encodeURIComponent(id)}`);
      this.begin(clip, id);
    } catch (error) {
      this.problem(error);
    }
  }

  begin(clip, name) {
    at("player").hidden = false;
    at("playing").textContent = name;
    at("moment").max = clip.xy.length - 1;
    this.player.load(clip);
    if (!calm.matches) this.player.play();
    this.label();
    at("player").scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  }

  async remove(example) {
    if (!confirm(`Delete the example ${example.id}? It cannot be brought back.`)) return;
    try {
      await ask(`/dictionary?name=${encodeURIComponent(example.id)}`, { method: "DELETE" });
      await this.load();
      at("dictionary-said").textContent = `Deleted ${example.id}.`;
    } catch (error) {
      this.problem(error);
    }
  }

  toggle() {
    if (this.player.playing) this.player.pause();
    else this.player.play();
    this.label();
  }

  hurry() {
    this.player.slow = at("slow").checked;
    if (this.player.playing) this.player.play();
  }

  shown(frame) {
    at("moment").value = frame;
  }

  label() {
    at("play").textContent = this.player.playing ? "Pause" : "Play";
  }
}
