// Signs as a file that `twinsign enrol --data` reads, and that this page imports.
const FORMAT = "twinsign-signs";
const VERSION = 1;

export function signsFile(entries) {
  const signs = entries.map(({ id, gloss, signer, added, clip }) => ({
    id,
    gloss,
    signer,
    added,
    fps: clip.fps,
    size: clip.size,
    estimator: clip.estimator ?? "",
    xy: encode(clip.xy),
    score: encode(clip.score),
  }));
  return new Blob([JSON.stringify({ format: FORMAT, version: VERSION, signs })], { type: "application/json" });
}

// Entries { id, gloss, signer, added, clip } of a file's text. An Error where it is another file or damaged.
export function clipsOf(text, joints) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    file = null;
  }
  if (file?.format !== FORMAT || file.version !== VERSION || !Array.isArray(file.signs) || !file.signs.length) {
    throw new Error(`Found another kind of JSON; wanted a file of signs that this page exported.`);
  }
  return file.signs.map((sign) => ({ id: String(sign.id), gloss: String(sign.gloss), signer: String(sign.signer ?? ""), added: String(sign.added ?? ""), clip: clipOf(sign, joints) }));
}

function clipOf({ id, fps, size, estimator, xy, score }, joints) {
  const clip = { xy: decode(xy), score: decode(score), fps: fps ?? null, size: size ?? null, estimator: estimator ?? "" };
  clip.frames = clip.score.length / joints;
  const whole = Number.isInteger(clip.frames) && clip.frames > 0 && clip.xy.length === 2 * clip.score.length;
  if (!whole || !clip.xy.every(Number.isFinite) || !clip.score.every((value) => value >= 0 && value <= 1)) {
    throw new Error(`Found a damaged sign, ${id}; wanted the poses of ${joints} joints in each frame.`);
  }
  return clip;
}

// Little-endian float32 as base64: exact, and a quarter of the size of decimal numbers.
function encode(values) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function decode(text) {
  try {
    return new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  } catch {
    return new Float32Array();
  }
}
