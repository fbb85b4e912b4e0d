// Poses in the browser: MediaPipe Holistic, the models and settings of twinsign's extra `video`; pictures stay in this tab.
import { fetchPlanesAsAddress, requireSimd } from "./loading.js";

const VENDOR = new URL("./vendor/holistic/", import.meta.url);
const IN_PLANES = ["holistic_solution_packed_assets.data", "pose_landmark_full.tflite"];
const FRAME_MILLISECONDS = 33.333; // between frames, as far as the smoothing knows: as in MediaPipe for Python
export const ESTIMATOR = "mediapipe_holistic";
let loading = null;

// The one estimator of this page, loaded when it is first needed.
export function loadEstimator(layout) {
  loading ??= create(layout).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function create(layout) {
  const canvas = document.createElement("canvas");
  if (!canvas.getContext("webgl2") && !canvas.getContext("webgl")) {
    throw new Error("This browser has no WebGL, with which the pose estimator reads pictures. Files of poses can be opened.");
  }
  requireSimd();
  await loadScript(new URL("holistic.js", VENDOR));
  const addresses = await Promise.all(IN_PLANES.map((name) => fetchPlanesAsAddress(new URL(`${name}.planes`, VENDOR))));
  try {
    return await initialise((name) => addresses[IN_PLANES.indexOf(name)] ?? new URL(name, VENDOR).href, layout);
  } finally {
    addresses.forEach((address) => URL.revokeObjectURL(address));
  }
}

async function initialise(locateFile, layout) {
  const holistic = new window.Holistic({ locateFile });
  const estimator = new Estimator(holistic, layout);
  // On the CPU, as in Python: WebGL's half precision would give other answers.
  holistic.setOptions({ modelComplexity: 1, smoothLandmarks: true, selfieMode: false, useCpuInference: true });
  holistic.onResults((results) => {
    estimator.results = results;
  });
  await holistic.initialize();
  return estimator;
}

function loadScript(url) {
  if (window.Holistic) return Promise.resolve();
  const script = Object.assign(document.createElement("script"), { src: url.href });
  return new Promise((resolve, reject) => {
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("The pose estimator could not be loaded. Reload the page.")));
    document.head.append(script);
  });
}

class Estimator {
  constructor(holistic, layout) {
    Object.assign(this, { holistic, layout, results: null, frames: 0, queue: Promise.resolve() });
  }

  // Forget the person: the next picture begins another video.
  reset() {
    return this.alone(() => this.holistic.reset());
  }

  // The next picture's image fractions xy and scores, 0 where a joint was not found.
  estimate(image) {
    return this.alone(async () => {
      if (!(image.videoWidth ?? image.width)) throw new Error("The picture is empty.");
      this.results = null;
      this.frames += 1;
      await this.holistic.send({ image }, this.frames * FRAME_MILLISECONDS);
      if (!this.results) throw new Error("The pose estimator stopped. Reload the page.");
      return this.joints(this.results);
    });
  }

  // Holistic takes one picture at a time.
  alone(work) {
    const done = this.queue.then(work);
    this.queue = done.catch(() => {});
    return done;
  }

  joints({ poseLandmarks, leftHandLandmarks, rightHandLandmarks }) {
    const { parts, joints, mediapipe_trunk: trunk } = this.layout;
    const xy = new Float32Array(2 * joints.length);
    const score = new Float32Array(joints.length);
    const put = (first, points, scoreOf) =>
      points?.forEach((point, number) => {
        xy.set([point.x, point.y], 2 * (first + number));
        score[first + number] = scoreOf(point);
      });
    put(parts.right[0], rightHandLandmarks, () => 1);
    put(parts.left[0], leftHandLandmarks, () => 1);
    put(parts.trunk[0], poseLandmarks && trunk.map((number) => poseLandmarks[number]), ({ visibility }) => Math.min(Math.max(visibility, 0), 1));
    return { xy, score };
  }
}

// A frame's joints as they are drawn: [x, y], null where unseen.
export function drawable({ xy, score }) {
  return Array.from(score, (value, joint) => (value > 0 ? [xy[2 * joint], xy[2 * joint + 1]] : null));
}
