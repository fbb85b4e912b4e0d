// The page's back end in a tab: estimator, network and dictionary are this page's own files; nothing is sent.
import { Gallery } from "./dictionary_rule.js";
import { requireSimd } from "./loading.js";
import { drawable, ESTIMATOR, loadEstimator } from "./pose.js";
import { readPoses } from "./pose_file.js";
import { Recogniser } from "./recogniser.js";
import { clipsOf, signsFile } from "./signs_file.js";
import { Store } from "./store.js";
import { stack, Stream } from "./stream.js";
import { eachFrame, VIDEO } from "./video.js";

const TOP = 5;
const MODEL = new URL("../model/model.json", import.meta.url);
let [model, network, store, gallery] = [null, null, null, null];

export async function load() {
  requireSimd();
  model = await (await fetch(MODEL)).json();
  network = Recogniser.load(model);
  network.catch(() => {}); // said where it is first awaited
  store = await Store.open(`twinsign ${new URL(".", location.href).pathname}`);
  await renew();
  return { ...model, enrolled: gallery.entries.length, live: true };
}

// The network, when it is loaded.
export async function ready() {
  requireSimd();
  if (!network) throw new Error("The model could not be loaded. Reload the page.");
  return network;
}

export function privacy() {
  return ["Nothing is sent anywhere.", "Pictures, poses and answers stay in this browser. No sound is taken. Only the signs that you teach it are kept."];
}

// Vectors of another model mean nothing here: they are computed again.
async function renew() {
  const entries = (await store.all()).sort((a, b) => (a.added < b.added ? -1 : 1));
  for (const entry of entries.filter(({ run }) => run !== model.run_hash)) {
    Object.assign(entry, { vector: (await (await network).explain(entry.clip)).vector, run: model.run_hash });
    await store.change((signs) => signs.put(entry));
  }
  gallery = new Gallery(entries, model.open_set);
}

export async function examples() {
  return gallery.entries.map(({ id, gloss, signer, added, clip }) => ({ id, gloss, signer, added, frames: clip.frames }));
}

export async function example(id) {
  return drawn((await store.get(id)).clip);
}

export async function remove(name) {
  const ids = gallery.entries.filter(({ id, gloss }) => id === name || gloss === name).map(({ id }) => id);
  await store.change((signs) => ids.forEach((id) => signs.delete(id)));
  await renew();
}

export async function enrol(gloss, signer, { clip }) {
  return add([{ id: "", gloss, signer, added: "", clip }]);
}

// Adds signs whose very poses are not there yet; says which were added, and which were known.
async function add(signs) {
  const recogniser = await network;
  const keys = new Map(await Promise.all(gallery.entries.map(async ({ id, clip }) => [await keyOf(clip), id])));
  const names = new Set(gallery.entries.map(({ id }) => id));
  const result = { added: [], known: [] };
  const entries = [];
  for (const { id, gloss, signer, added, clip } of signs) {
    const key = await keyOf(clip);
    if (keys.has(key)) {
      result.known.push(keys.get(key));
      continue;
    }
    const entry = { id: free(id || `${gloss}:${new Date().toISOString().slice(0, 19)}`, names), gloss, signer, clip, run: model.run_hash };
    Object.assign(entry, { added: added || new Date().toISOString(), vector: (await recogniser.explain(clip)).vector });
    names.add(entry.id);
    keys.set(key, entry.id);
    entries.push(entry);
    result.added.push(entry.id);
  }
  await store.change((kept) => entries.forEach((entry) => kept.put(entry)));
  await navigator.storage?.persist?.();
  await renew();
  return result;
}

function free(id, names) {
  let [name, number] = [id, 2];
  while (names.has(name)) name = `${id}_${number++}`;
  return name;
}

async function keyOf({ xy, score }) {
  const digests = await Promise.all([xy, score].map((values) => crypto.subtle.digest("SHA-256", values)));
  return digests.map((digest) => new Uint8Array(digest).join()).join();
}

export function exportSigns() {
  return signsFile(gallery.entries);
}

export async function importSigns(file) {
  return add(clipsOf(await file.text(), model.joints.length));
}

// The answer to a pose file or a video, with its poses.
export async function predictFile(file) {
  await ready();
  const clip = VIDEO.test(file.name) || file.type.startsWith("video/") ? await readVideo(file) : await readPoses(file, model.joints.length);
  return { ...(await predict(clip)), poses: drawn(clip) };
}

export async function predict(clip) {
  const { answer, vector } = await (await network).explain(clip, TOP);
  if (!gallery.entries.length) {
    if (model.threshold === null) throw new Error("This model names signs by your own examples, and there is none yet. Teach it some.");
    return answer;
  }
  const found = gallery.search(vector, TOP);
  const enrolled = { guesses: found.guesses, sure: found.sure && !answer.unlike };
  const own = model.threshold === null ? enrolled : { enrolled };
  return { ...answer, ...own, nearest: found.nearest };
}

export async function readVideo(file) {
  const estimator = await loadEstimator(model);
  await estimator.reset();
  const frames = [];
  let size = null;
  await eachFrame(file, async (video, time) => {
    size = [video.videoWidth, video.videoHeight];
    frames.push({ time, ...(await estimator.estimate(video)) });
  });
  const length = frames.at(-1).time - frames[0].time;
  return { ...stack(frames), size, fps: length > 0 ? (frames.length - 1) / length : null, estimator: ESTIMATOR };
}

// A clip as pages draw it, and as `enrol` takes it.
function drawn(clip) {
  const joints = model.joints.length;
  const frame = (_, at) => drawable({ xy: clip.xy.subarray(2 * at * joints), score: clip.score.subarray(at * joints, (at + 1) * joints) });
  return { xy: Array.from({ length: clip.frames }, frame), fps: clip.fps, size: clip.size, clip };
}

export async function openStream(onMessage) {
  const [estimator] = await Promise.all([loadEstimator(model), network]);
  await estimator.reset();
  return new TabStream(estimator, onMessage);
}

class TabStream {
  constructor(estimator, onMessage) {
    Object.assign(this, { estimator, onMessage, stream: null });
  }

  async picture(video, time) {
    this.stream ??= this.begin([video.videoWidth, video.videoHeight]);
    const started = performance.now();
    const frame = await this.estimator.estimate(video);
    const seconds = (performance.now() - started) / 1000;
    await this.stream.push({ time, ...frame });
    this.onMessage({ type: "frame", time, xy: drawable(frame), state: this.stream.state, seconds });
  }

  begin(size) {
    const emit = ({ answer, clip, ended, ...times }) => {
      const poses = ended ? { poses: drawn(clip) } : {};
      this.onMessage({ type: "sign", ended, ...times, ...answer, ...poses });
    };
    // What cannot be answered, such as a clip without a hand, is no sign.
    return new Stream(model, size, ESTIMATOR, predict, emit);
  }

  close() {
    this.onMessage = () => {};
  }
}
