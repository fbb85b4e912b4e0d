// Pose files: twinsign's .npz (`twinsign extract`, write_npz), and files of signs that this page or `twinsign web` wrote.
import { clipsOf } from "./signs_file.js";

const DEFLATED = 8;

// The clip of a pose file. An Error says what it should have been.
export async function readPoses(file, joints) {
  if (/\.json$/i.test(file.name)) {
    const [{ clip }] = clipsOf(await file.text(), joints);
    return clip;
  }
  if (!/\.npz$/i.test(file.name)) {
    throw new Error(`Found ${file.name}; wanted a video, twinsign's .npz, or a file of signs (.json). Other pose files: \`twinsign predict\`.`);
  }
  const arrays = await unzip(new Uint8Array(await file.arrayBuffer()));
  const { xy, score, unit, fps, size } = arrays;
  if (!xy || !score || xy.shape?.length !== 3 || xy.shape[1] !== joints || score.shape[1] !== joints) {
    throw new Error(`Found ${file.name} without xy (frames, ${joints}, 2) and score (frames, ${joints}); wanted a file that twinsign wrote.`);
  }
  const clip = { frames: xy.shape[0], xy: xy.values, score: score.values, fps: fps?.values[0] ?? null, size: size ? [...size.values] : null };
  if (unit?.text === "pixel") toFractions(clip);
  return { ...clip, estimator: arrays.estimator?.text ?? "" };
}

function toFractions(clip) {
  if (!clip.size) throw new Error("Found pixels without the picture's size; wanted image fractions.");
  clip.xy = clip.xy.map((value, at) => value / clip.size[at % 2]);
}

// The members of a zip archive, as numpy arrays by name.
async function unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error("Found a file that is no .npz archive, or a damaged one.");
  const arrays = {};
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const [method, size, nameLength, extra, comment] = [10, 20, 28, 30, 32].map((offset) =>
      offset === 20 ? view.getUint32(at + offset, true) : view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.subarray(start, start + size);
    arrays[name.replace(/\.npy$/, "")] = parseArray(method === DEFLATED ? await inflate(packed) : packed);
    at += 46 + nameLength + extra + comment;
  }
  return arrays;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function parseArray(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] > 1;
  const first = (long ? 12 : 10) + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(0, first));
  const [, kind] = /'descr': '([^']+)'/.exec(header) ?? [];
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").map((word) => word.trim()).filter(Boolean).map(Number);
  const data = bytes.slice(first);
  if (kind?.startsWith("<U")) {
    const codes = new Uint32Array(data.buffer);
    return { shape, text: String.fromCodePoint(...codes).replace(/\0+$/, "") };
  }
  const readers = { "<f4": Float32Array, "<f8": Float64Array, "<i8": BigInt64Array, "<i4": Int32Array };
  if (!readers[kind] || /'fortran_order': True/.test(header)) throw new Error(`Found numbers of type ${kind}; wanted a file that twinsign wrote.`);
  const values = new readers[kind](data.buffer);
  return { shape, values: kind === "<f4" ? values : Float32Array.from(values, Number) };
}
