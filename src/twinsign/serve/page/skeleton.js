// Skeletons on a canvas: a frame over a picture, or a clip played back.
const MARGIN = 0.08;
const SLOW = 0.4;
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
  const named = (name) => style.getPropertyValue(`--${over ? "over-" : ""}${name}`).trim();
  return Object.fromEntries([...Object.keys(layout.parts), "edge"].map((name) => [name, named(name)]));
}

// `place` turns image fractions into the canvas's pixels. Over a picture lines have edges: it may be dark or light.
export function draw(canvas, frame, place) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!frame) return;
  const over = place.over === true;
  const paint = colours(over);
  pen.lineCap = "round";
  for (const edge of over ? [true, false] : [false]) {
    for (const [from, to] of layout.bones) {
      if (!frame[from] || !frame[to]) continue;
      const part = partOf(to);
      pen.strokeStyle = edge ? paint.edge : paint[part];
      pen.lineWidth = canvas.width / (part === "trunk" ? 110 : 200) + (edge ? canvas.width / 200 : 0);
      pen.beginPath();
      pen.moveTo(...place(frame[from]));
      pen.lineTo(...place(frame[to]));
      pen.stroke();
    }
  }
  frame.forEach((point, joint) => {
    if (!point) return;
    pen.fillStyle = paint[partOf(joint)];
    pen.beginPath();
    pen.arc(...place(point), canvas.width / 220, 0, 2 * Math.PI);
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

// Plays a clip on a canvas; `tick` hears of every frame shown, `rest` of the end.
export class Player {
  constructor(canvas, tick = () => {}, rest = () => {}) {
    Object.assign(this, { canvas, tick, rest, clip: null, frame: 0, slow: false, timer: null });
  }

  load(clip) {
    this.pause();
    this.clip = clip;
    this.place = around(this.canvas, clip);
    this.show(0);
  }

  show(frame) {
    if (!this.clip) return;
    this.frame = Math.max(0, Math.min(frame, this.clip.xy.length - 1));
    draw(this.canvas, this.clip.xy[this.frame], this.place);
    this.tick(this.frame);
  }

  get playing() {
    return this.timer !== null;
  }

  play() {
    this.pause();
    if (!this.clip) return;
    if (this.frame >= this.clip.xy.length - 1) this.show(0);
    const fps = (this.clip.fps || DEFAULT_FPS) * (this.slow ? SLOW : 1);
    this.timer = setInterval(() => {
      if (this.frame >= this.clip.xy.length - 1) {
        this.pause();
        this.rest();
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

export const calm = matchMedia("(prefers-reduced-motion: reduce)");
