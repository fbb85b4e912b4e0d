// Lower confidence bounds of weighted shares (twinsign.evaluation.calibrate.lower_confidence_bounds: Fay and Feuer, 1997).
const SMALLEST = 1e-9;
const TINY = Number.MIN_VALUE;

// A function of n - 1: the one-sided lower bound, of confidence `level`, of the share right among the first n answers.
export function lowerBounds(right, weight, level) {
  const most = Math.max(...weight);
  let [good, bad, hits, square] = [0, 0, 0, 0];
  const sums = right.map((hit, at) => {
    if (hit) {
      good += weight[at];
      hits += weight[at] ** 2;
    } else {
      bad += weight[at];
      square += weight[at] ** 2;
    }
    return { good, bad, hits, square };
  });
  return (at) => {
    const sum = sums[at];
    if (!level) return sum.good / (sum.good + sum.bad);
    const wrong = sum.bad + most;
    const number = Math.max(sum.good ** 2 / Math.max(sum.hits, TINY), SMALLEST);
    const misses = wrong ** 2 / (sum.square + most ** 2);
    const share = betaQuantile(number, misses, 1 - level);
    const odds = ((sum.good / wrong) * misses * share) / (number * (1 - share));
    return odds / (1 + odds);
  };
}

function betaQuantile(a, b, p) {
  let [low, high] = [0, 1];
  for (let step = 0; step < 100 && low < high; step += 1) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (incompleteBeta(a, b, middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// The regularised incomplete beta function, by Lentz's continued fraction.
export function incompleteBeta(a, b, x) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * fraction(a, b, x)) / a : 1 - (front * fraction(b, a, 1 - x)) / b;
}

function fraction(a, b, x) {
  const floor = 1e-300;
  const safe = (value) => (Math.abs(value) < floor ? floor : value);
  let c = 1;
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m < 1000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / safe(1 + even * d);
    c = safe(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / safe(1 + odd * d);
    c = safe(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return value;
}

// Lanczos's approximation (g = 7, nine terms).
function logGamma(x) {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012,
    9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  const z = x - 1;
  const sum = terms.reduce((total, term, at) => total + term / (z + at + 1), 0.99999999999980993);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}
