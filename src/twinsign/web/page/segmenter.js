// When a sign begins and ends, frame by frame: the rules and numbers of twinsign.streaming.segmenter, which has the reasons.
const f32 = Math.fround;

export class Segmenter {
  // `rules`: model.json's `segmenter`. A frame is { time, xy: Float32Array of x and y, score: Float32Array }.
  constructor(rules, size = null) {
    this.rules = rules;
    this.config = rules.config;
    this.scale = (size ?? [1, 1]).map(f32);
    this.state = "rest";
    this.begin = null;
    this.frames = [];
    this.raisedAt = this.movedAt = -Infinity;
    this.afterHold = false;
    this.width = 0;
  }

  // The sign { frames, begin, end } that this frame ended, or null.
  push(frame) {
    const last = this.frames.length ? this.frames.at(-1).time : -Infinity;
    if (!(frame.time > last)) throw new RangeError(`a frame at ${frame.time} s after one at ${last} s`);
    if (frame.time - last < this.rules.min_gap) return null;
    const stalled = frame.time - last > this.config.stall ? this.finish() : null;
    return this.advance(frame) ?? stalled;
  }

  finish() {
    const segment = this.begin === null ? null : this.end(this.frames.at(-1).time);
    this.frames = [];
    this.state = "rest";
    this.raisedAt = this.movedAt = -Infinity;
    this.afterHold = false;
    return segment;
  }

  soFar() {
    return this.begin === null ? [] : this.between(this.begin - this.config.lead, Infinity);
  }

  advance(frame) {
    const { config } = this;
    const wasRaised = this.frames.length > 0 && this.frames.at(-1).time === this.raisedAt;
    this.frames.push(frame);
    const now = frame.time;
    const raised = Object.values(this.rules.sides).filter((side) => this.isRaised(side));
    const speed = Math.max(0, ...raised.map((side) => this.speed(side)));
    if (raised.length) this.raisedAt = now;
    if (speed > config.still) this.movedAt = now;
    let segment = null;
    if (this.begin === null) {
      const appears = raised.length > 0 && !wasRaised && this.state === "rest";
      if (speed > config.moving || appears) {
        this.begin = this.movedAt = now;
        this.afterHold = this.state === "held";
      }
    } else if (now - this.raisedAt >= config.gone) {
      segment = this.end(this.raisedAt, this.afterHold ? config.lowering : config.shortest);
    } else if (raised.length && now - this.movedAt >= config.pause) {
      segment = this.end(this.movedAt);
    } else if (now - this.begin >= config.longest) {
      segment = this.end(now);
    }
    let needed;
    if (this.begin !== null) {
      this.state = "signing";
      needed = this.begin - config.lead;
    } else {
      this.state = now - this.raisedAt < config.gone ? "held" : "rest";
      needed = now - Math.max(config.lead, this.rules.span) - this.rules.min_gap;
    }
    while (this.frames.length > 1 && this.frames[1].time <= needed) this.frames.shift();
    return segment;
  }

  end(end, shortest = this.config.shortest) {
    const begin = this.begin ?? end;
    this.begin = null;
    if (end - begin < shortest) return null;
    return { frames: this.between(begin - this.config.lead, end + this.config.lead), begin, end };
  }

  between(begin, end) {
    return this.frames.filter((frame) => begin <= frame.time && frame.time <= end);
  }

  // Whether the last frame shows this hand, not hanging.
  isRaised({ hand, wrist, arm }) {
    const frame = this.frames.at(-1);
    let seen = false;
    for (let joint = hand[0]; joint < hand[1]; joint += 1) seen ||= frame.score[joint] > 0;
    if (!seen) return false;
    const [shoulder, elbow] = arm;
    const y = (joint) => f32(frame.xy[2 * joint + 1] * this.scale[1]);
    const upperArm = this.norm(...this.pixels(frame, shoulder), ...this.pixels(frame, elbow));
    const below = f32(y(wrist) - y(elbow)) > f32(this.rules.lowered * upperArm);
    return !(below && frame.score[shoulder] > 0 && frame.score[elbow] > 0);
  }

  // Mean speed of this hand's joints over the last span, in shoulder widths a second; 0 where unknown.
  speed(side) {
    const last = this.frames.at(-1);
    const width = this.shoulderWidth(last, side);
    const before = this.frames.findLast((frame) => last.time - frame.time >= this.rules.span);
    if (!before || !width) return 0;
    let sum = 0;
    let count = 0;
    for (let joint = side.hand[0]; joint < side.hand[1]; joint += 1) {
      if (!(last.score[joint] > 0 && before.score[joint] > 0)) continue;
      const step = (axis) => f32(f32(last.xy[2 * joint + axis] - before.xy[2 * joint + axis]) * this.scale[axis]);
      sum = f32(sum + this.norm(step(0), step(1), 0, 0));
      count += 1;
    }
    return count ? f32(sum / count) / width / (last.time - before.time) : 0;
  }

  shoulderWidth(frame, { wrist, middle }) {
    const [right, left] = ["right", "left"].map((name) => this.rules.sides[name].arm[0]);
    this.width = this.distance(frame, right, left) || this.width;
    return this.width || this.rules.palms * this.distance(frame, wrist, middle);
  }

  // Between two joints, in pixels; 0 where one is unseen.
  distance({ xy, score }, first, second) {
    if (!(score[first] > 0 && score[second] > 0)) return 0;
    const step = (axis) => f32(f32(xy[2 * first + axis] - xy[2 * second + axis]) * this.scale[axis]);
    return this.norm(step(0), step(1), 0, 0);
  }

  pixels({ xy }, joint) {
    return [f32(xy[2 * joint] * this.scale[0]), f32(xy[2 * joint + 1] * this.scale[1])];
  }

  norm(x, y, fromX, fromY) {
    const [across, down] = [f32(x - fromX), f32(y - fromY)];
    return f32(Math.sqrt(f32(f32(across * across) + f32(down * down))));
  }
}
