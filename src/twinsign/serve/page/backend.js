// The page's back end where a server answers: it may see pictures, or poses alone where the browser estimates them.
import { describe, liveSocket, post, request, takeTokenFromAddress, token } from "./api.js";
import { drawable, loadEstimator } from "./pose.js";
import { eachFrame, VIDEO } from "./video.js";

const WIDTH = 480;
const QUALITY = 0.75;
const STAMP_BYTES = 8;
let model = null;

export async function load() {
  takeTokenFromAddress();
  model = await request("/model");
  return model;
}

// What leaves the browser, truthfully.
export function privacy() {
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const kept = "No sound is taken. Only the signs that you teach it are kept.";
  if (here) return ["Nothing leaves this computer.", kept];
  const sent = model.pose === "browser" ? "Pictures never leave this browser; the positions of joints" : "Pictures and files";
  return [`${sent} go to ${location.host}.`, `${kept.slice(0, -1)}, on that server.`];
}

export function examples() {
  return request("/dictionary").then(({ signs }) => signs);
}

export function example(id) {
  return request(`/dictionary/poses?id=${encodeURIComponent(id)}`);
}

export function remove(id) {
  return request(`/dictionary?name=${encodeURIComponent(id)}`, { method: "DELETE" });
}

export function enrol(gloss, signer, poses) {
  return post("/dictionary", { gloss, signer, clip: asClip(poses, new Date().toISOString().slice(0, 19)) });
}

// The answer to a pose file or a video, with its poses.
export async function predictFile(file) {
  if (model.pose === "browser" && VIDEO.test(file.name)) {
    const poses = await readVideo(file);
    return { ...(await post("/predict", { ...asClip(poses, file.name), detailed: true })), poses };
  }
  return request(`/predict/file/poses?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
}

async function readVideo(file) {
  const estimator = await loadEstimator(model);
  await estimator.reset();
  const poses = { xy: [], seen: [], times: [], size: null };
  await eachFrame(file, async (video, time) => {
    poses.size = [video.videoWidth, video.videoHeight];
    const frame = await estimator.estimate(video);
    poses.xy.push(drawable(frame));
    poses.seen.push([...frame.score]);
    poses.times.push(time);
  });
  const length = poses.times.at(-1) - poses.times[0];
  return { ...poses, fps: length > 0 ? (poses.times.length - 1) / length : null };
}

function asClip({ xy, seen, fps, size }, id) {
  const clip = { xy: xy.map((frame) => frame.map((point) => point ?? [null, null])), unit: "fraction", id };
  if (seen) clip.seen = seen;
  if (fps) clip.fps = fps;
  if (size) clip.size = size;
  return clip;
}

export async function openStream(onMessage) {
  const stream = model.pose === "browser" ? new PoseStream(onMessage) : new PictureStream(onMessage);
  await stream.open();
  return stream;
}

class ServerStream {
  constructor(onMessage) {
    Object.assign(this, { onMessage, socket: null });
  }

  // Resolves when the server is ready.
  open(start) {
    const socket = liveSocket();
    this.socket = socket;
    return new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ type: "start", token: token(), ...start }));
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "ready") resolve();
        else if (message.type === "error") {
          const error = new Error(describe(message.error));
          reject(error);
          this.onMessage({ type: "error", reason: error.message });
        } else this.onMessage(message);
      };
      socket.onclose = () => {
        reject(new Error("The server ended the stream."));
        if (this.socket === socket) this.onMessage({ type: "error", reason: "The server ended the stream." });
      };
    });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(message);
  }

  close() {
    const { socket } = this;
    this.socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close();
  }
}

// Small pictures go to the server; skeletons and signs come back.
class PictureStream extends ServerStream {
  open() {
    this.canvas = document.createElement("canvas");
    return super.open({ frames: "jpeg" });
  }

  async picture(video, time) {
    this.canvas.width = Math.min(WIDTH, video.videoWidth);
    this.canvas.height = Math.round((this.canvas.width * video.videoHeight) / video.videoWidth);
    this.canvas.getContext("2d").drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", QUALITY));
    const jpeg = new Uint8Array(await blob.arrayBuffer());
    const message = new Uint8Array(STAMP_BYTES + jpeg.length);
    new DataView(message.buffer).setFloat64(0, time, true);
    message.set(jpeg, STAMP_BYTES);
    this.send(message);
  }
}

// Poses alone go to the server.
class PoseStream extends ServerStream {
  async open() {
    this.estimator = await loadEstimator(model);
    await this.estimator.reset();
    const { videoWidth, videoHeight } = document.getElementById("camera");
    return super.open({ frames: "poses", size: [videoWidth, videoHeight] });
  }

  async picture(video, time) {
    const frame = await this.estimator.estimate(video);
    const xy = drawable(frame).map((point) => point ?? [null, null]);
    this.send(JSON.stringify({ type: "frame", time, xy, seen: [...frame.score] }));
  }
}
