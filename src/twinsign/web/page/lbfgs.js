// Minimises a smooth function of few numbers as torch.optim.LBFGS does with line_search_fn "strong_wolfe" (BSD-3-Clause,
// Copyright The PyTorch authors), step for step, so that what is fitted here is what Python fits.
const ITERATIONS = 200;
const EVALUATIONS = (ITERATIONS * 5) >> 2;
const GRADIENT = 1e-7;
const CHANGE = 1e-9;
const [C1, C2] = [1e-4, 0.9];

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
const add = (a, b, scale) => a.map((value, at) => value + scale * b[at]);
const largest = (a) => Math.max(...a.map(Math.abs));

// `evaluate(point)` returns [value, slope]; the point where the search ends.
export function minimise(evaluate, start) {
  let point = start;
  let [loss, slope] = evaluate(point);
  let evaluations = 1;
  if (largest(slope) <= GRADIENT) return point;
  const memory = [];
  let [direction, step, scale, before] = [null, 0, 1, null];
  for (let iteration = 1; iteration <= ITERATIONS; iteration += 1) {
    if (iteration === 1) {
      direction = slope.map((value) => -value);
    } else {
      const change = add(slope, before, -1);
      const moved = direction.map((value) => value * step);
      const curvature = dot(change, moved);
      if (curvature > 1e-10) {
        memory.push({ change, moved, ro: 1 / curvature });
        scale = curvature / dot(change, change);
      }
      direction = quasiNewton(slope, memory, scale);
    }
    before = slope;
    const lossBefore = loss;
    step = iteration === 1 ? Math.min(1, 1 / slope.reduce((sum, value) => sum + Math.abs(value), 0)) : 1;
    const along = dot(slope, direction);
    if (along > -CHANGE) break;
    const found = lineSearch(evaluate, point, step, direction, loss, slope, along, EVALUATIONS - evaluations);
    ({ loss, slope, step } = found);
    point = add(point, direction, step);
    evaluations += found.evaluations;
    if (evaluations >= EVALUATIONS || largest(slope) <= GRADIENT) break;
    if (largest(direction.map((value) => value * step)) <= CHANGE || Math.abs(loss - lossBefore) < CHANGE) break;
  }
  return point;
}

function quasiNewton(slope, memory, scale) {
  const weights = [];
  let q = slope.map((value) => -value);
  for (let at = memory.length - 1; at >= 0; at -= 1) {
    weights[at] = dot(memory[at].moved, q) * memory[at].ro;
    q = add(q, memory[at].change, -weights[at]);
  }
  let r = q.map((value) => value * scale);
  memory.forEach(({ change, moved, ro }, at) => {
    r = add(r, moved, weights[at] - dot(change, r) * ro);
  });
  return r;
}

// A step that satisfies the strong Wolfe conditions, or the best of the bracket that was searched.
function lineSearch(evaluate, point, firstStep, direction, f, slope, along, most) {
  let evaluations = 0;
  const look = (t) => {
    evaluations += 1;
    const [value, gradient] = evaluate(add(point, direction, t));
    return { t, f: value, g: gradient, gtd: dot(gradient, direction) };
  };
  const start = { t: 0, f, g: slope, gtd: along };
  const tooHigh = ({ t, f: value }) => value > f + C1 * t * along;
  let [previous, now, bracket, done, count] = [start, look(firstStep), null, false, 0];
  while (count < most) {
    if (tooHigh(now) || (count > 1 && now.f >= previous.f)) bracket = [previous, now];
    else if (Math.abs(now.gtd) <= -C2 * along) {
      bracket = [now];
      done = true;
    } else if (now.gtd >= 0) bracket = [previous, now];
    if (bracket) break;
    const t = cubic(previous, now, now.t + 0.01 * (now.t - previous.t), now.t * 10);
    previous = now;
    now = look(t);
    count += 1;
  }
  bracket ??= [start, now];
  const order = () => (bracket[0].f <= bracket.at(-1).f ? [0, 1] : [1, 0]);
  let [low, high] = order();
  let stuck = false;
  while (!done && count < most) {
    if (Math.abs(bracket[1].t - bracket[0].t) * largest(direction) < CHANGE) break;
    const times = bracket.map(({ t }) => t);
    const [least, greatest] = [Math.min(...times), Math.max(...times)];
    let t = cubic(bracket[0], bracket[1], least, greatest);
    const margin = 0.1 * (greatest - least);
    if (Math.min(greatest - t, t - least) < margin) {
      if (stuck || t >= greatest || t <= least) {
        t = Math.abs(t - greatest) < Math.abs(t - least) ? greatest - margin : least + margin;
        stuck = false;
      } else stuck = true;
    } else stuck = false;
    now = look(t);
    count += 1;
    if (tooHigh(now) || now.f >= bracket[low].f) {
      bracket[high] = now;
      [low, high] = order();
    } else {
      if (Math.abs(now.gtd) <= -C2 * along) done = true;
      else if (now.gtd * (bracket[high].t - bracket[low].t) >= 0) bracket[high] = bracket[low];
      bracket[low] = now;
    }
  }
  const { t, f: loss, g } = bracket[low];
  return { loss, slope: g, step: t, evaluations };
}

// The minimum of the cubic through two points with their slopes, within bounds.
function cubic(a, b, least, greatest) {
  const d1 = a.gtd + b.gtd - (3 * (a.f - b.f)) / (a.t - b.t);
  const square = d1 * d1 - a.gtd * b.gtd;
  if (!(square >= 0)) return (least + greatest) / 2;
  const d2 = Math.sqrt(square);
  const at =
    a.t <= b.t
      ? b.t - (b.t - a.t) * ((b.gtd + d2 - d1) / (b.gtd - a.gtd + 2 * d2))
      : a.t - (a.t - b.t) * ((a.gtd + d2 - d1) / (a.gtd - b.gtd + 2 * d2));
  return Math.min(Math.max(at, least), greatest);
}
