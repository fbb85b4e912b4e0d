// The camera before a stream of answers: each picture is taken when the last one is answered, so that nothing piles up.
import { draw, overPicture } from "./skeleton.js";

export class Camera {
  // `openStream(onMessage)` is a back end's: it answers `picture(video, time)` by messages, and can be closed.
  constructor(video, overlay, openStream, onMessage) {
    Object.assign(this, { video, overlay, openStream, onMessage, session: null, stream: null, started: 0 });
    video.addEventListener("resize", () => this.resized());
    document.addEventListener("visibilitychange", () => this.resume());
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers allow the camera only on secure addresses: open this page as http://localhost, or by https.");
    }
    const constraints = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: constraints, audio: false });
    this.stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was disconnected, or another program took it."));
    this.video.srcObject = this.stream;
    await this.video.play();
    this.fit();
    this.started = performance.now();
    await this.connect();
  }

  fit() {
    this.overlay.width = this.video.videoWidth;
    this.overlay.height = this.video.videoHeight;
  }

  // A telephone that is turned has pictures of another shape: another stream.
  async resized() {
    if (!this.session || !this.video.videoWidth || this.video.videoWidth === this.overlay.width) return;
    this.fit();
    await this.connect();
  }

  async connect() {
    this.session?.close();
    const stream = this.stream;
    this.session = null;
    let session = null;
    session = await this.openStream((message) => {
      if (session && this.session === session) this.receive(message);
    });
    if (this.stream !== stream) return session.close(); // stopped meanwhile
    this.session = session;
    this.receive({ type: "ready" });
  }

  receive(message) {
    if (message.type === "frame") draw(this.overlay, message.xy, overPicture(this.overlay));
    if (message.type === "error") {
      this.stop(message.reason);
      return;
    }
    this.onMessage(message);
    if (message.type === "ready" || message.type === "frame") this.nextPicture();
  }

  async nextPicture() {
    const session = this.session;
    await new Promise((resolve) => requestAnimationFrame(resolve)); // in a hidden tab it waits until the tab is seen
    if (!this.stream || session !== this.session) return;
    try {
      await session.picture(this.video, (performance.now() - this.started) / 1000);
    } catch (error) {
      if (session === this.session) this.stop(error.message);
    }
  }

  // Telephones pause the picture of a hidden tab.
  resume() {
    if (this.stream && document.visibilityState === "visible") this.video.play().catch(() => {});
  }

  stop(reason = "") {
    const session = this.session;
    this.session = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    draw(this.overlay, null);
    session?.close();
    this.onMessage({ type: "stopped", reason });
  }
}
