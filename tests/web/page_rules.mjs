// Runs the page's own rules on what a test sends, and prints what they decide, as JSON.
import { readFileSync } from "node:fs";

const [pages, task] = process.argv.slice(2);
const { Segmenter } = await import(`${pages}/segmenter.js`);
const { resample } = await import(`${pages}/stream.js`);
const { Gallery } = await import(`${pages}/dictionary_rule.js`);
const { incompleteBeta, lowerBounds } = await import(`${pages}/bounds.js`);

const floats = (text) => new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const framesOf = ({ times, xy, score }, joints) => {
  const [all, scores] = [floats(xy), floats(score)];
  return times.map((time, at) => ({
    time,
    xy: all.subarray(2 * at * joints, 2 * (at + 1) * joints),
    score: scores.subarray(at * joints, (at + 1) * joints),
  }));
};

const tasks = {
  segments: ({ rules, joints, clips }) =>
    clips.map((clip) => {
      const segmenter = new Segmenter(rules, clip.size);
      const states = [];
      const found = [];
      const keep = (segment) => segment && found.push([segment.begin, segment.end, segment.frames.length]);
      for (const frame of framesOf(clip, joints)) {
        keep(segmenter.push(frame));
        states.push(segmenter.state);
      }
      keep(segmenter.finish());
      return { states, found };
    }),
  resampled: ({ unevenness, joints, clips }) =>
    clips.map((clip) => {
      const { frames, xy, score, fps } = resample(framesOf(clip, joints), unevenness);
      return { frames, xy: [...xy], score: [...score], fps };
    }),
  galleries: ({ rule, galleries }) =>
    galleries.map(({ entries, queries }) => {
      const read = (text) => floats(text);
      const gallery = new Gallery(entries.map((entry) => ({ ...entry, vector: read(entry.vector) })), rule);
      return { calibration: gallery.calibration, found: queries.map((query) => gallery.search(read(query), 4)) };
    }),
  bounds: ({ right, weight, level }) => {
    const bound = lowerBounds(right, weight, level);
    return right.map((_, at) => bound(at));
  },
  beta: (points) => points.map(([a, b, x]) => incompleteBeta(a, b, x)),
};
console.log(JSON.stringify(tasks[task](JSON.parse(readFileSync(0, "utf8")))));
