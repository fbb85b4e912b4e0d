// Signs in a stream of frames: guesses during a sign, the answer when it has ended (twinsign.streaming.stream).
import { Segmenter } from "./segmenter.js";

export class Stream {
  // `predict` answers a clip, perhaps later; `emit` takes { answer, clip, begin, end, ended, delay, seconds }.
  constructor(model, size, estimator, predict, emit) {
    Object.assign(this, { model, size, estimator, predict, emit });
    this.segmenter = new Segmenter(model.segmenter, size);
    this.guessedAt = -Infinity;
    this.busy = false;
  }

  get state() {
    return this.segmenter.state;
  }

  async push(frame) {
    const segment = this.segmenter.push(frame);
    if (segment) return this.answer(segment, frame.time, true);
    const { begin } = this.segmenter;
    if (begin === null || this.busy || frame.time - Math.max(begin, this.guessedAt) < this.model.stream.every) return;
    this.guessedAt = frame.time;
    await this.answer({ frames: this.segmenter.soFar(), begin, end: frame.time }, frame.time, false);
  }

  async finish() {
    const segment = this.segmenter.finish();
    this.guessedAt = -Infinity;
    if (segment) await this.answer(segment, segment.end, true);
  }

  async answer({ frames, begin, end }, now, ended) {
    const clip = { ...resample(frames, this.model.stream.unevenness), size: this.size, estimator: this.estimator };
    const started = performance.now();
    this.busy = true;
    try {
      const answer = await this.predict(clip);
      const seconds = (performance.now() - started) / 1000;
      this.emit({ answer, clip, begin, end, ended, delay: now - end, seconds });
    } finally {
      this.busy = false;
    }
  }
}

// Frames at unequal times as a clip at their median rate, by linear interpolation; at equal times as they are.
export function resample(frames, unevenness) {
  const times = frames.map(({ time }) => time);
  const gaps = times.slice(1).map((time, number) => time - times[number]);
  const gap = gaps.length ? median(gaps) : 0;
  const uneven = gaps.some((value) => Math.abs(value - gap) > unevenness * gap);
  const picked = uneven ? interpolate(frames, times, gap) : frames;
  return { ...stack(picked), fps: gap > 0 ? 1 / gap : null };
}

export function stack(frames) {
  const [joints, values] = [frames[0].score.length, frames[0].xy.length];
  const clip = { frames: frames.length, xy: new Float32Array(frames.length * values), score: new Float32Array(frames.length * joints) };
  frames.forEach(({ xy, score }, number) => {
    clip.xy.set(xy, number * values);
    clip.score.set(score, number * joints);
  });
  return clip;
}

// Between a seen and an unseen joint nothing is interpolated: the nearer of the two frames decides.
function interpolate(frames, times, gap) {
  const [first, last] = [times[0], times.at(-1)];
  const count = Math.max(2, roundHalfEven((last - first) / gap) + 1);
  let after = 1;
  return Array.from({ length: count }, (_, number) => {
    const time = number === count - 1 ? last : first + number * ((last - first) / (count - 1));
    while (after < times.length - 1 && times[after] < time) after += 1;
    const [from, to] = [frames[after - 1], frames[after]];
    const weight = Math.fround((time - from.time) / (to.time - from.time));
    const xy = new Float32Array(from.xy.length);
    const score = new Float32Array(from.score.length);
    for (let joint = 0; joint < score.length; joint += 1) {
      const both = from.score[joint] > 0 && to.score[joint] > 0;
      const share = both ? weight : weight >= 0.5 ? 1 : 0;
      const blend = (start, end) => Math.fround(start + Math.fround(share * Math.fround(end - start)));
      score[joint] = blend(from.score[joint], to.score[joint]);
      for (const at of [2 * joint, 2 * joint + 1]) xy[at] = blend(from.xy[at], to.xy[at]);
    }
    return { time, xy, score };
  });
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}
