// The RUN's network in this tab: clips to answers, as twinsign.inference.recogniser gives them.
import * as ort from "./vendor/onnxruntime/ort.wasm.min.mjs";
import { best } from "./best.js";
import { fetchPlanes } from "./loading.js";
import { notice } from "./notices.js";

const VENDOR = new URL("./vendor/onnxruntime/", import.meta.url).href;
const MODEL = new URL("../model/model.onnx.planes", import.meta.url).href;
const VOTE = "vote_";
const SHOWS = "shows_";
const EACH = 3; // guesses of a vote

export class Recogniser {
  constructor(model, session) {
    Object.assign(this, { model, session, queue: Promise.resolve() });
  }

  static async load(model) {
    ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send
    ort.env.wasm.wasmPaths = VENDOR;
    ort.env.logLevel = "error";
    const session = await ort.InferenceSession.create(await fetchPlanes(MODEL), { executionProviders: ["wasm"], logSeverityLevel: 3 });
    return new Recogniser(model, session);
  }

  // All outputs by name, as typed arrays. One clip at a time.
  run({ frames, xy, score, size }) {
    const joints = this.model.joints.length;
    const tensor = (values, dims) => new ort.Tensor("float32", values, dims);
    const inputs = {
      xy: tensor(xy, [1, frames, joints, 2]),
      seen: tensor(score, [1, frames, joints]),
      size: tensor(Float32Array.from(size ?? [1, 1]), [1, 2]),
    };
    const done = this.queue.then(() => this.session.run(inputs));
    this.queue = done.catch(() => {});
    return done.then((outputs) => Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data])));
  }

  // The answer to a clip and its unit vector. An Error where no hand is seen.
  async explain(clip, top = 5) {
    const outputs = await this.run(clip);
    if (!outputs.has_hand[0]) throw new Error("Found a clip that shows no hand; wanted one whose hands are in sight.");
    const { note, unlike } = notice(this.model, clip, outputs);
    const answer = { note, unlike, votes: this.votes(outputs), nearest: [], guesses: [], sure: false };
    if (outputs.probabilities) {
      answer.guesses = this.ranked(outputs.probabilities, top);
      answer.sure = answer.guesses[0].confidence >= this.model.threshold && !unlike;
    }
    return { answer, vector: outputs.embedding };
  }

  ranked(probabilities, top) {
    const { glosses, same_signs } = this.model;
    return best(probabilities, top).map((label) => {
      const gloss = glosses[label];
      const guess = { gloss, confidence: probabilities[label] };
      return Object.hasOwn(same_signs, gloss) ? { ...guess, also: same_signs[gloss] } : guess;
    });
  }

  votes(outputs) {
    const names = Object.keys(outputs).filter((name) => name.startsWith(VOTE)).map((name) => name.slice(VOTE.length));
    const shown = names.filter((name) => !(SHOWS + name in outputs) || outputs[SHOWS + name][0]);
    return Object.fromEntries(shown.map((name) => [name, this.ranked(outputs[VOTE + name], EACH)]));
  }
}
