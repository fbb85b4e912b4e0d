// The camera before a stream of answers: each picture is taken when the last one is answered, so that nothing piles up.
import { draw, overPicture } from "./skeleton.js";

const CONSTRAINTS = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };

export class Camera {
  // `openStream(onMessage)` is a back end's: it answers `picture(video, time)` by messages, and can be closed.
  // `wanted`: the user started it and has not stopped it. `attempts` is counted so that only the last one matters.
  constructor(video, overlay, openStream, onMessage) {
    Object.assign(this, { video, overlay, openStream, onMessage, session: null, stream: null });
    Object.assign(this, { wanted: false, attempts: 0, started: null });
    video.addEventListener("resize", () => this.resized().catch((error) => this.stop(error)));
    document.addEventListener("visibilitychange", () => this.changeVisibility());
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers allow the camera only on secure addresses: open this page as http://localhost, or by https.");
    }
    this.wanted = true;
    await this.open();
  }

  // What was begun before is given up, and its errors no longer matter.
  async attempt(work) {
    const number = ++this.attempts;
    const isLast = () => number === this.attempts;
    try {
      await work(isLast);
    } catch (error) {
      if (isLast()) throw error;
    }
  }

  open() {
    return this.attempt(async (isLast) => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: CONSTRAINTS, audio: false });
      if (!isLast()) return free(stream); // stopped or hidden meanwhile
      this.stream = stream;
      stream.getVideoTracks()[0].addEventListener("ended", () => {
        if (this.stream === stream) this.stop(new Error("The camera was disconnected, or another program took it."));
      });
      this.video.srcObject = stream;
      await this.video.play();
      if (!isLast()) return;
      this.started = performance.now();
      this.fit();
      await this.connect(isLast);
    });
  }

  fit() {
    this.overlay.width = this.video.videoWidth;
    this.overlay.height = this.video.videoHeight;
  }

  // A telephone that is turned has pictures of another shape: another stream.
  async resized() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.started === null || !width || (width === this.overlay.width && height === this.overlay.height)) return;
    this.fit();
    await this.attempt((isLast) => this.connect(isLast));
  }

  async connect(isLast) {
    this.session?.close();
    this.session = null;
    let session = null;
    session = await this.openStream((message) => {
      if (session && this.session === session) this.receive(message);
    });
    if (!isLast()) return session.close();
    this.session = session;
    this.receive({ type: "ready" });
  }

  receive(message) {
    if (message.type === "frame") draw(this.overlay, message.xy, overPicture(this.overlay));
    if (message.type === "error") {
      this.stop(new Error(message.reason));
      return;
    }
    this.onMessage(message);
    if (message.type === "ready" || message.type === "frame") this.nextPicture();
  }

  async nextPicture() {
    const session = this.session;
    await new Promise((resolve) => requestAnimationFrame(resolve));
    if (!this.stream || session !== this.session) return;
    try {
      await session.picture(this.video, (performance.now() - this.started) / 1000);
    } catch (error) {
      if (session === this.session) this.stop(error);
    }
  }

  // Nobody is watched by a page out of sight: its camera is off, and a sign cut off by that gets no answer.
  changeVisibility() {
    if (!this.wanted) return;
    if (document.hidden) {
      this.release();
      this.onMessage({ type: "paused" });
    } else if (!this.stream) {
      this.onMessage({ type: "starting" });
      this.open().catch((error) => this.stop(error));
    }
  }

  release() {
    const session = this.session;
    this.attempts += 1;
    this.session = this.started = null;
    if (this.stream) free(this.stream);
    this.stream = null;
    this.video.srcObject = null;
    draw(this.overlay, null);
    session?.close();
  }

  stop(error = null) {
    this.wanted = false;
    this.release();
    this.onMessage({ type: "stopped", error });
  }
}

function free(stream) {
  stream.getTracks().forEach((track) => track.stop());
}
