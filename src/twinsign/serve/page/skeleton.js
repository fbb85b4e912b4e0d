// Skeletons on a canvas: a frame over a picture, or a clip played back.
const MARGIN = 0.08;
const SLOW_SPEED = 0.4;
const DEFAULT_FPS = 25;

let layout = { bones: [], parts: {} };

export function setLayout(model) {
  layout = model;
}

function partOf(joint) {
  return Object.keys(layout.parts).find((name) => joint >= layout.parts[name][0] && joint < layout.parts[name][1]);
}

function colours(over) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${over ? "over-" : ""}${name}`).trim();
  return Object.fromEntries([...Object.keys(layout.parts), "edge"].map((name) => [name, colour(name)]));
}

// `toPixels` maps image fractions to the canvas's pixels. Over a picture, dark or light, lines have edges.
export function draw(canvas, frame, toPixels) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!frame) return;
  const over = toPixels.over === true;
  const paint = colours(over);
  pen.lineCap = "round";
  for (const edge of over ? [true, false] : [false]) {
    for (const [from, to] of layout.bones) {
      if (!frame[from] || !frame[to]) continue;
      const part = partOf(to);
      pen.strokeStyle = edge ? paint.edge : paint[part];
      pen.lineWidth = canvas.width / (part === "trunk" ? 110 : 200) + (edge ? canvas.width / 200 : 0);
      pen.beginPath();
      pen.moveTo(...toPixels(frame[from]));
      pen.lineTo(...toPixels(frame[to]));
      pen.stroke();
    }
  }
  frame.forEach((point, joint) => {
    if (!point) return;
    pen.fillStyle = paint[partOf(joint)];
    pen.beginPath();
    pen.arc(...toPixels(point), canvas.width / 220, 0, 2 * Math.PI);
    pen.fill();
  });
}

export function overPicture(canvas) {
  return Object.assign(([x, y]) => [x * canvas.width, y * canvas.height], { over: true });
}

// All of a clip's joints within the canvas, in the picture's own proportions.
export function around(canvas, clip) {
  const aspect = clip.size ? clip.size[0] / clip.size[1] : 4 / 3;
  const points = clip.xy.flat().filter(Boolean).map(([x, y]) => [x * aspect, y]);
  if (!points.length) return overPicture(canvas);
  const low = [0, 1].map((axis) => Math.min(...points.map((point) => point[axis])));
  const high = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])));
  const extent = [0, 1].map((axis) => Math.max(high[axis] - low[axis], 1e-3) * (1 + 2 * MARGIN));
  const scale = Math.min(canvas.width / extent[0], canvas.height / extent[1]);
  const middle = [0, 1].map((axis) => (low[axis] + high[axis]) / 2);
  return ([x, y]) => [
    canvas.width / 2 + (x * aspect - middle[0]) * scale,
    canvas.height / 2 + (y - middle[1]) * scale,
  ];
}

// Plays a clip on a canvas; `onFrame` is called with every frame shown, `onEnd` at the end.
export class Player {
  constructor(canvas, onFrame = () => {}, onEnd = () => {}) {
    Object.assign(this, { canvas, onFrame, onEnd, clip: null, frame: 0, slow: false, timer: null });
  }

  load(clip) {
    this.pause();
    this.clip = clip;
    this.toPixels = around(this.canvas, clip);
    this.show(0);
  }

  unload() {
    this.pause();
    this.clip = null;
    draw(this.canvas, null);
  }

  show(frame) {
    if (!this.clip) return;
    this.frame = Math.max(0, Math.min(frame, this.clip.xy.length - 1));
    draw(this.canvas, this.clip.xy[this.frame], this.toPixels);
    this.onFrame(this.frame);
  }

  get playing() {
    return this.timer !== null;
  }

  play() {
    this.pause();
    if (!this.clip) return;
    if (this.frame >= this.clip.xy.length - 1) this.show(0);
    const fps = (this.clip.fps || DEFAULT_FPS) * (this.slow ? SLOW_SPEED : 1);
    this.timer = setInterval(() => {
      if (this.frame >= this.clip.xy.length - 1) {
        this.pause();
        this.onEnd();
      } else {
        this.show(this.frame + 1);
      }
    }, 1000 / fps);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
  }
}

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
