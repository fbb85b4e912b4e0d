// Similarities to confidences with room for unknown signs, fitted on held-out recordings (twinsign.dictionary, docs/dictionary.md).
import { lowerBounds } from "./bounds.js";
import { minimise } from "./lbfgs.js";
import { best } from "./best.js";

const ROUNDING = 1e-9;
const NEVER = 2; // a threshold that no confidence reaches

export function unitMeans(vectors, labels, classes) {
  const width = vectors[0].length;
  const sums = Array.from({ length: classes }, () => new Float32Array(width));
  vectors.forEach((vector, row) => vector.forEach((value, at) => (sums[labels[row]][at] += value)));
  return sums.map(unit);
}

function unit(vector) {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / Math.max(length, 1e-12));
}

export function dot(first, second) {
  let sum = 0;
  for (let at = 0; at < first.length; at += 1) sum += first[at] * second[at];
  return Math.fround(sum);
}

// Entries { id, gloss, signer, vector } of one model, and what is fitted on them. `rule`: model.json's `open_set`.
export class Gallery {
  constructor(entries, rule) {
    Object.assign(this, { entries, rule });
    this.glosses = [...new Set(entries.map(({ gloss }) => gloss))].sort(byCodePoint);
    const number = new Map(this.glosses.map((gloss, index) => [gloss, index]));
    this.labels = entries.map(({ gloss }) => number.get(gloss));
    this.vectors = entries.map(({ vector }) => vector);
    this.prototypes = entries.length ? unitMeans(this.vectors, this.labels, this.glosses.length) : [];
    this.calibration = entries.length ? this.calibrate() : rule.unfitted;
  }

  // The likeliest glosses, whether the first is sure, and the nearest entries.
  search(vector, top = 5) {
    const confidences = confidencesOf(this.prototypes.map((prototype) => dot(vector, prototype)), this.calibration);
    const guesses = best(confidences, top).map((label) => ({ gloss: this.glosses[label], confidence: confidences[label] }));
    const cosines = this.vectors.map((entry) => dot(vector, entry));
    const nearest = best(cosines, top).map((row) => ({
      id: this.entries[row].id,
      gloss: this.entries[row].gloss,
      similarity: Math.min(cosines[row], 1),
    }));
    return { guesses, sure: guesses[0].confidence >= this.calibration.threshold, nearest };
  }

  // Who enrols a sign seldom looks it up: recordings whose gloss another named signer signs, too, are looked up among
  // other named signers' alone where there are enough of them; else each is looked up among all others.
  calibrate() {
    const { rule, labels } = this;
    const rows = [...labels.keys()];
    const named = rows.filter((row) => this.signer(row) !== "");
    const [counts, signers] = [this.glosses.map(() => 0), this.glosses.map(() => new Set())];
    rows.forEach((row) => (counts[labels[row]] += 1));
    named.forEach((row) => signers[labels[row]].add(this.signer(row)));
    const crossing = named.filter((row) => signers[labels[row]].size > 1);
    const several = rows.filter((row) => counts[labels[row]] > 1);
    const ways = [[crossing, (row) => this.byOtherSigners(row)], [several, (row) => this.byAllOthers(row)]];
    for (const [asked, similarity] of ways) {
      const queries = asked.slice(0, rule.queries);
      const found = queries.map((row) => labels[row]);
      if (queries.length >= rule.fewest && new Set(found).size > 1) return fitOpenSet(queries.map(similarity), found, rule);
    }
    return rule.unfitted;
  }

  signer(row) {
    return this.entries[row].signer ?? "";
  }

  // Similarities of an entry to the glosses as other named signers sign them; -1 where none of them does.
  byOtherSigners(row) {
    const signer = this.signer(row);
    this.withoutSigner ??= new Map();
    if (!this.withoutSigner.has(signer)) {
      const kept = [...this.labels.keys()].filter((other) => this.signer(other) !== "" && this.signer(other) !== signer);
      const signed = new Set(kept.map((other) => this.labels[other]));
      const means = unitMeans(kept.map((other) => this.vectors[other]), kept.map((other) => this.labels[other]), this.glosses.length);
      this.withoutSigner.set(signer, means.map((mean, label) => (signed.has(label) ? mean : null)));
    }
    return this.withoutSigner.get(signer).map((mean) => (mean === null ? -1 : dot(this.vectors[row], mean)));
  }

  // Similarities of an entry to all glosses, to its own by its gloss's other recordings.
  byAllOthers(row) {
    const values = this.prototypes.map((prototype) => dot(this.vectors[row], prototype));
    const others = [...this.labels.keys()].filter((other) => other !== row && this.labels[other] === this.labels[row]);
    const gallery = others.map((other) => this.vectors[other]);
    values[this.labels[row]] = dot(this.vectors[row], unitMeans(gallery, gallery.map(() => 0), 1)[0]);
    return values;
  }
}

// Confidences in each gloss; the remainder to 1 is that of "none of them".
export function confidencesOf(similarity, { sharpness, none }) {
  const scaled = [...similarity, Math.fround(none)].map((value) => Math.fround(sharpness) * value);
  const most = Math.max(...scaled);
  const weights = scaled.map((value) => Math.exp(value - most));
  const total = weights.reduce((sum, value) => sum + value, 0);
  return weights.slice(0, -1).map((value) => value / total);
}

export function fitOpenSet(similarity, labels, rule) {
  const classes = similarity[0].length;
  const unknown = similarity.map((values, row) => values.map((value, label) => (label === labels[row] ? -1 : value)));
  const queries = [...similarity, ...unknown];
  const truth = [...labels, ...labels.map(() => classes)];
  const nearest = unknown.map((values) => Math.max(...values));
  const start = [0, nearest.reduce((sum, value) => sum + value, 0) / nearest.length];
  const [free, none] = minimise((point) => lossAndSlope(point, queries, truth, rule.sharpest), start);
  const fitted = { sharpness: rule.sharpest * sigmoid(free), none, threshold: 0, recordings: labels.length };
  const answers = queries.map((values, number) => {
    const confidences = confidencesOf(values, fitted);
    const [guess] = best(confidences, 1);
    return { confidence: confidences[guess], right: number < labels.length && guess === labels[number], known: number < labels.length };
  });
  return { ...fitted, threshold: fitThreshold(answers, labels.length, rule) };
}

function sigmoid(value) {
  return 1 / (1 + Math.exp(-value));
}

// Mean negative log-likelihood of the truth, and its slope, at (logit of the sharpness, similarity of none).
function lossAndSlope([free, none], queries, truth, sharpest) {
  const sharpness = sharpest * sigmoid(free);
  let [loss, slopeSharpness, slopeNone] = [0, 0, 0];
  queries.forEach((values, row) => {
    const all = [...values, none];
    const most = Math.max(...all);
    const weights = all.map((value) => Math.exp(sharpness * (value - most)));
    const total = weights.reduce((sum, value) => sum + value, 0);
    const expected = all.reduce((sum, value, at) => sum + (value * weights[at]) / total, 0);
    loss += Math.log(total) - sharpness * (all[truth[row]] - most);
    slopeSharpness += expected - all[truth[row]];
    slopeNone += sharpness * (weights.at(-1) / total - (truth[row] === values.length ? 1 : 0));
  });
  const count = queries.length;
  return [loss / count, [(slopeSharpness * sharpness * (1 - sigmoid(free))) / count, slopeNone / count]];
}

function fitThreshold(answers, known, { target, level, unknown_share: share }) {
  const sorted = answers.toSorted((a, b) => b.confidence - a.confidence);
  const weights = sorted.map((answer) => (answer.known ? (1 - share) / known : share / (answers.length - known)));
  const bound = lowerBounds(sorted.map(({ right }) => right), weights, level);
  for (let at = sorted.length - 1; at >= 0; at -= 1) {
    const last = at === sorted.length - 1 || sorted[at + 1].confidence < sorted[at].confidence;
    if (last && bound(at) >= target - ROUNDING) return sorted[at].confidence;
  }
  return NEVER;
}

function byCodePoint(first, second) {
  return first < second ? -1 : first > second ? 1 : 0;
}
