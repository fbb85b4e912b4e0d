// What was said of a sign: headline, bars, votes, nearest examples.
const VOTES = {
  hand: "Hands alone",
  trunk: "Arms and head alone",
  joint: "Places of the joints",
  motion: "Movement of the joints",
};

const at = (id) => document.getElementById(id);

export function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`; // number and sign stay on one line
}

export function element(kind, text = "", about = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  Object.assign(made, about);
  return made;
}

export function showAnswer(answer, playExample) {
  const [best] = answer.guesses;
  const enrolled = answer.enrolled?.sure ? answer.enrolled.guesses[0] : null;
  const headline = at("headline");
  const sure = answer.sure || enrolled;
  headline.textContent = answer.sure ? best.gloss : enrolled ? enrolled.gloss : "Not sure";
  headline.classList.toggle("unsure", !sure);
  at("explained").textContent = explained(answer, best, enrolled);
  const guesses = at("guesses");
  guesses.classList.toggle("unsure-list", !answer.sure);
  guesses.replaceChildren(...answer.guesses.map(bar));
  at("note").hidden = !answer.note;
  at("note").textContent = answer.note ? `${answer.unlike ? "Not sure, because this differs from the model's training clips" : "Note"}: ${answer.note}.` : "";
  showVotes(answer.votes ?? {});
  showNearest(answer.nearest ?? [], playExample);
  at("details").hidden = false;
}

function explained(answer, best, enrolled) {
  if (answer.sure && enrolled && enrolled.gloss !== best.gloss) {
    return `The model is sure (${percent(best.confidence)}). Your own examples say otherwise: ${enrolled.gloss} (${percent(enrolled.confidence)}).`;
  }
  if (answer.sure) return `The model is sure: ${percent(best.confidence)}.`;
  if (enrolled) return `By your own examples: ${percent(enrolled.confidence)}. The model alone is not sure.`;
  return `Perhaps ${best.gloss} (${percent(best.confidence)}). Better to ask or sign again than to trust this.`;
}

function bar({ gloss, confidence }) {
  const item = element("li");
  const track = element("span", "", { className: "bar" });
  track.setAttribute("aria-hidden", "true");
  const filled = element("span");
  filled.style.width = `${100 * confidence}%`;
  track.append(filled);
  item.append(
    element("span", gloss, { className: "name" }),
    track,
    element("span", percent(confidence), { className: "percent" }),
  );
  return item;
}

function showVotes(votes) {
  const rows = Object.entries(VOTES).flatMap(([name, words]) => {
    if (!(name in votes)) return [];
    const said = votes[name].map(({ gloss, confidence }) => `${gloss} ${percent(confidence)}`).join(", ");
    return [element("dt", words), element("dd", said)];
  });
  at("votes").replaceChildren(...(rows.length ? rows : [element("dd", "This model has one way of looking.")]));
}

function showNearest(nearest, playExample) {
  const items = nearest.map((match) => {
    const item = element("li");
    const button = element("button", `${match.gloss}, likeness ${match.similarity.toFixed(2)}`, { type: "button" });
    button.setAttribute("aria-label", `Play the example ${match.id}, likeness ${match.similarity.toFixed(2)}`);
    button.addEventListener("click", () => playExample(match.id));
    item.append(button);
    return item;
  });
  at("nearest").replaceChildren(...(items.length ? items : [element("li", "No example is enrolled yet.")]));
}
