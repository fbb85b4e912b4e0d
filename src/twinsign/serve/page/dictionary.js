// The dictionary: signs that the model knows, enrolled examples, their playback and deletion.
import { element } from "./answer.js";
import * as backend from "./backend.js";
import { Player, reducedMotion } from "./skeleton.js";

const at = (id) => document.getElementById(id);

export function count(number, noun) {
  return `${number || "no"} ${noun}${number === 1 ? "" : "s"}`;
}

export class Dictionary {
  constructor(showProblem) {
    this.showProblem = showProblem;
    this.glosses = [];
    this.examples = [];
    this.open = null;
    this.player = new Player(at("playback"), (frame) => this.showFrame(frame), () => this.updateButton());
    at("filter").addEventListener("input", () => this.render());
    at("play").addEventListener("click", () => this.toggle());
    at("slow").addEventListener("change", () => this.changeSpeed());
    at("moment").addEventListener("input", () => {
      this.player.pause();
      this.player.show(Number(at("moment").value));
      this.updateButton();
    });
  }

  async load(glosses = this.glosses) {
    this.glosses = glosses;
    this.examples = await backend.examples();
    this.render();
  }

  byGloss() {
    const examples = new Map(this.glosses.map((gloss) => [gloss, []]));
    for (const example of this.examples) {
      if (!examples.has(example.gloss)) examples.set(example.gloss, []);
      examples.get(example.gloss).push(example);
    }
    return [...examples].sort(([first], [second]) => first.localeCompare(second));
  }

  render() {
    const all = this.byGloss();
    const part = at("filter").value.trim().toLowerCase();
    const matching = all.filter(([gloss]) => gloss.toLowerCase().includes(part));
    at("dictionary-about").textContent =
      `The model knows ${count(this.glosses.length, "sign")}; ${count(this.examples.length, "example")} enrolled.` +
      (part ? ` ${count(matching.length, "sign")} found.` : "");
    at("signs").replaceChildren(...matching.map(([gloss, examples]) => this.item(gloss, examples)));
    at("known").replaceChildren(...all.map(([gloss]) => element("option", "", { value: gloss })));
  }

  item(gloss, examples) {
    const item = element("li");
    const button = element("button", gloss, { type: "button" });
    button.append(element("span", examples.length ? ` · ${examples.length}` : "", { className: "count" }));
    button.setAttribute("aria-label", `${gloss}, ${count(examples.length, "example")}`);
    button.setAttribute("aria-expanded", String(this.open === gloss));
    button.addEventListener("click", () => {
      this.open = this.open === gloss ? null : gloss;
      this.render();
      [...at("signs").querySelectorAll(":scope > li > button")].find((heading) => heading.dataset.gloss === gloss)?.focus();
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
    if (!examples.length) return element("p", "No example is enrolled. Sign it, then teach it.");
    const list = element("ul");
    for (const example of examples) {
      const row = element("li");
      const play = element("button", "Play", { type: "button" });
      play.setAttribute("aria-label", `Play ${example.id}`);
      play.addEventListener("click", () => this.play(example.id));
      const remove = element("button", "Delete", { type: "button" });
      remove.setAttribute("aria-label", `Delete ${example.id}`);
      remove.addEventListener("click", () => this.remove(example));
      const details = [example.id, example.signer && `by ${example.signer}`, `${example.frames} frames`].filter(Boolean);
      row.append(play, remove, element("span", details.join(", ")));
      list.append(row);
    }
    return list;
  }

  async play(id) {
    try {
      const clip = await backend.example(id);
      this.show(clip, id);
    } catch (error) {
      this.showProblem(error);
    }
  }

  show(clip, name) {
    at("player").hidden = false;
    at("playing").textContent = name;
    at("moment").max = clip.xy.length - 1;
    this.player.load(clip);
    if (!reducedMotion.matches) this.player.play();
    this.updateButton();
    at("player").scrollIntoView({ block: "nearest", behavior: reducedMotion.matches ? "auto" : "smooth" });
  }

  async remove(example) {
    if (!confirm(`Delete the example ${example.id}? This cannot be undone.`)) return;
    try {
      await backend.remove(example.id);
      await this.load();
      at("dictionary-said").textContent = `Deleted ${example.id}.`;
    } catch (error) {
      this.showProblem(error);
    }
  }

  toggle() {
    if (this.player.playing) this.player.pause();
    else this.player.play();
    this.updateButton();
  }

  changeSpeed() {
    this.player.slow = at("slow").checked;
    if (this.player.playing) this.player.play();
  }

  showFrame(frame) {
    at("moment").value = frame;
  }

  updateButton() {
    at("play").textContent = this.player.playing ? "Pause" : "Play";
  }
}
