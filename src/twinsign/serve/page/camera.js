// The camera: small pictures go to this computer's own server, each after the last answer; skeletons and signs come back.
import { describe, liveSocket, token } from "./api.js";
import { draw, overPicture } from "./skeleton.js";

const WIDTH = 480;
const QUALITY = 0.75;
const STAMP_BYTES = 8;

export class Camera {
  constructor(video, overlay, onMessage) {
    Object.assign(this, { video, overlay, onMessage, socket: null, stream: null, started: 0 });
    this.picture = document.createElement("canvas");
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers allow the camera only on secure addresses: open this page as http://localhost, or by https.");
    }
    const constraints = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: constraints, audio: false });
    this.video.srcObject = this.stream;
    await this.video.play();
    const { videoWidth, videoHeight } = this.video;
    this.picture.width = Math.min(WIDTH, videoWidth);
    this.picture.height = Math.round((this.picture.width * videoHeight) / videoWidth);
    this.overlay.width = videoWidth;
    this.overlay.height = videoHeight;
    this.started = performance.now();
    this.connect();
  }

  connect() {
    const socket = liveSocket();
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "start", token: token(), frames: "jpeg" }));
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = () => {
      if (this.socket === socket) this.stop("The server ended the stream.");
    };
  }

  receive(message) {
    if (message.type === "frame") draw(this.overlay, message.xy, overPicture(this.overlay));
    if (message.type === "error") {
      this.stop(describe(message.error));
      return;
    }
    this.onMessage(message);
    if (message.type === "ready" || message.type === "frame") this.sendPicture();
  }

  // Called when the last picture is answered, so that nothing piles up.
  async sendPicture() {
    const socket = this.socket;
    await new Promise((resolve) => requestAnimationFrame(resolve));
    if (!this.stream || socket !== this.socket) return;
    const time = (performance.now() - this.started) / 1000;
    this.picture.getContext("2d").drawImage(this.video, 0, 0, this.picture.width, this.picture.height);
    const blob = await new Promise((resolve) => this.picture.toBlob(resolve, "image/jpeg", QUALITY));
    const jpeg = new Uint8Array(await blob.arrayBuffer());
    const message = new Uint8Array(STAMP_BYTES + jpeg.length);
    new DataView(message.buffer).setFloat64(0, time, true);
    message.set(jpeg, STAMP_BYTES);
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
    this.onMessage({ type: "stopped", reason });
  }
}
