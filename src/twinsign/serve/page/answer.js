// The answer to a sign: headline, bars, votes, nearest examples.
const VOTES = {
  hand: "Hands alone",
  trunk: "Arms and head alone",
  joint: "Positions of the joints",
  motion: "Movement of the joints",
};

const at = (id) => document.getElementById(id);

export function percent(fraction) {
  return `${Math.round(100 * fraction)}\u00a0%`; // number and sign stay on one line
}

export function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

// A guess's gloss, and the others that stand for the same sign.
export function words({ gloss, also }) {
  return also?.length ? `${gloss} (or ${also.join(", ")})` : gloss;
}

export function showAnswer(answer, playExample) {
  const [best] = answer.guesses;
  const enrolled = answer.enrolled?.sure ? answer.enrolled.guesses[0] : null;
  const headline = at("headline");
  const sure = answer.sure || enrolled;
  headline.textContent = answer.sure ? words(best) : enrolled ? enrolled.gloss : "Not sure";
  headline.classList.toggle("unsure", !sure);
  at("explained").textContent = explanation(answer, best, enrolled);
  const guesses = at("guesses");
  guesses.classList.toggle("unsure-list", !answer.sure);
  guesses.replaceChildren(...answer.guesses.map(bar));
  at("note").hidden = !answer.note;
  at("note").textContent = answer.note ? `${answer.unlike ? "Not sure, because this differs from the model's training clips" : "Note"}: ${answer.note}.` : "";
  showVotes(answer.votes ?? {});
  showNearest(answer.nearest ?? [], playExample);
  at("details").hidden = false;
}

function explanation(answer, best, enrolled) {
  if (answer.sure && enrolled && enrolled.gloss !== best.gloss) {
    return `The model is sure (${percent(best.confidence)}). Your own examples say otherwise: ${enrolled.gloss} (${percent(enrolled.confidence)}).`;
  }
  if (answer.sure) return `The model is sure: ${percent(best.confidence)}.`;
  if (enrolled) return `From your own examples: ${percent(enrolled.confidence)}. The model alone is not sure.`;
  return `Perhaps ${words(best)} (${percent(best.confidence)}). Do not rely on this: ask, or sign again.`;
}

function bar(guess) {
  const { confidence } = guess;
  const item = element("li");
  const track = element("span", "", { className: "bar" });
  track.setAttribute("aria-hidden", "true");
  const fill = element("span");
  fill.style.width = `${100 * confidence}%`;
  track.append(fill);
  item.append(
    element("span", words(guess), { className: "name" }),
    track,
    element("span", percent(confidence), { className: "percent" }),
  );
  return item;
}

function showVotes(votes) {
  const rows = Object.entries(VOTES).flatMap(([name, label]) => {
    if (!(name in votes)) return [];
    const guesses = votes[name].map((guess) => `${words(guess)} ${percent(guess.confidence)}`).join(", ");
    return [element("dt", label), element("dd", guesses)];
  });
  at("votes").replaceChildren(...(rows.length ? rows : [element("dd", "This model has a single view of a sign.")]));
}

function showNearest(nearest, playExample) {
  const items = nearest.map((match) => {
    const item = element("li");
    const similarity = `similarity ${match.similarity.toFixed(2)}`;
    const button = element("button", `${match.gloss}, ${similarity}`, { type: "button" });
    button.setAttribute("aria-label", `Play the example ${match.id}, ${similarity}`);
    button.addEventListener("click", () => playExample(match.id));
    item.append(button);
    return item;
  });
  at("nearest").replaceChildren(...(items.length ? items : [element("li", "No example is enrolled yet.")]));
}
