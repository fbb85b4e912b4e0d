// A video file, frame by frame: the browser decodes, this finds the frames' times.
const FINEST = 1 / 120; // seconds between the first looks for another frame
const AFTER = 1e-3; // a time this long after a frame's own shows that frame
const PATIENCE = 20_000; // milliseconds until a frame must have come
const SETTLING = 1500; // milliseconds in which a frame comes after a seek, if it is another one
const LONGEST = 30; // seconds of video
export const VIDEO = /\.(mp4|m4v|mov|webm|mkv|avi)$/i;

// Calls `see(video, time)` for each frame in order and waits for it. InputError-like message where nothing can be decoded.
export async function eachFrame(file, see) {
  const video = document.createElement("video");
  const address = URL.createObjectURL(file);
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", src: address });
  try {
    await loaded(video, file);
    const { duration } = video;
    if (duration > LONGEST) throw new Error(`Found a video of ${duration.toFixed(0)} seconds; wanted at most ${LONGEST}.`);
    let seen = (await seek(video, 0)) ?? 0;
    let gap = Infinity;
    await see(video, seen);
    for (let at = seen + FINEST, goal = 0; goal < duration; ) {
      goal = Math.min(at + AFTER, duration);
      const time = (await seek(video, goal)) ?? seen;
      if (time <= seen + AFTER) {
        at += FINEST;
        continue;
      }
      gap = Math.min(gap, time - seen);
      seen = time;
      await see(video, time);
      at = seen + gap;
    }
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(address);
  }
}

function undecodable(name) {
  return `This browser cannot decode ${name}: it is damaged, or its pictures are in a format that browsers do not play. ` +
    "Convert it to MP4 (H.264) or WebM and open that file (ffmpeg -i old.mp4 -c:v libx264 new.mp4), " +
    `or let Python read it: twinsign predict ${name}.`;
}

function loaded(video, file) {
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new Error(undecodable(file.name)));
    video.addEventListener("error", refuse, { once: true });
    // A file whose sound alone can be decoded has no width.
    video.addEventListener("loadeddata", () => (video.videoWidth ? resolve() : refuse()), { once: true });
  });
}

// Goes to a time; the time of the frame that is shown then, null where none was shown anew.
function seek(video, time) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("The video could not be decoded. Keep this tab in sight meanwhile.")), PATIENCE);
    let shown = null;
    const settle = (value) => {
      clearTimeout(late);
      if (shown !== null) video.cancelVideoFrameCallback(shown);
      resolve(value);
    };
    if (video.requestVideoFrameCallback) shown = video.requestVideoFrameCallback((_now, { mediaTime }) => settle(mediaTime));
    const unshown = () => setTimeout(() => settle(null), SETTLING);
    video.addEventListener("seeked", shown === null ? () => settle(time) : unshown, { once: true });
    video.currentTime = time;
  });
}
