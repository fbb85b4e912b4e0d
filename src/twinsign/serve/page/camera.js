// The camera: small pictures go to this computer's own server, one at a time; skeletons and signs come back.
import { inWords, liveSocket, token } from "./api.js";
import { draw, overPicture } from "./skeleton.js";

const WIDTH = 480;
const QUALITY = 0.75;
const STAMP = 8;

export class Camera {
  constructor(video, overlay, heard) {
    Object.assign(this, { video, overlay, heard, socket: null, stream: null, begun: 0 });
    this.picture = document.createElement("canvas");
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("The browser gives the camera to safe addresses alone: open this page as http://localhost, or by https.");
    }
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    this.video.srcObject = this.stream;
    await this.video.play();
    const { videoWidth, videoHeight } = this.video;
    this.picture.width = Math.min(WIDTH, videoWidth);
    this.picture.height = Math.round((this.picture.width * videoHeight) / videoWidth);
    this.overlay.width = videoWidth;
    this.overlay.height = videoHeight;
    this.begun = performance.now();
    this.connect();
  }

  connect() {
    const socket = liveSocket();
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "start", token: token(), frames: "jpeg" }));
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = () => {
      if (this.socket === socket) this.stop("The server ended the stream.");
    };
  }

  take(message) {
    if (message.type === "frame") draw(this.overlay, message.xy, overPicture(this.overlay));
    if (message.type === "error") {
      this.stop(inWords(message.error));
      return;
    }
    this.heard(message);
    if (message.type === "ready" || message.type === "frame") this.next();
  }

  // The next picture is taken when the last one is answered, so that nothing piles up.
  async next() {
    const socket = this.socket;
    await new Promise((shown) => requestAnimationFrame(shown));
    if (!this.stream || socket !== this.socket) return;
    const time = (performance.now() - this.begun) / 1000;
    this.picture.getContext("2d").drawImage(this.video, 0, 0, this.picture.width, this.picture.height);
    const blob = await new Promise((made) => this.picture.toBlob(made, "image/jpeg", QUALITY));
    const jpeg = new Uint8Array(await blob.arrayBuffer());
    const message = new Uint8Array(STAMP + jpeg.length);
    new DataView(message.buffer).setFloat64(0, time, true);
    message.set(jpeg, STAMP);
    if (socket.readyState === WebSocket.OPEN) socket.send(message);
  }

  stop(reason = "") {
    const socket = this.socket;
    this.socket = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    draw(this.overlay, null);
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close();
    this.heard({ type: "stopped", reason });
  }
}
