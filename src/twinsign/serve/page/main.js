// The page: camera or file in, answers out. `backend.js` says where they come from: this page's own server, or this tab.
import { setToken } from "./api.js";
import { element, showAnswer, words } from "./answer.js";
import * as backend from "./backend.js";
import { Camera } from "./camera.js";
import { Dictionary } from "./dictionary.js";
import { draw, Player, reducedMotion, setLayout } from "./skeleton.js";

const STATES = { rest: "Watching", held: "Hands held", signing: "Signing" };
const at = (id) => document.getElementById(id);
const MIN_RATE = 8; // pictures per second
const RATE_PICTURES = 15; // over which the rate is measured
const answerTimes = []; // of the last pictures
let last = null; // the latest clip, to teach or to play again

function showProblem(error) {
  if (error?.status === 401) {
    at("login").hidden = false;
    at("login-problem").textContent = error.message;
    at("token").focus();
    return;
  }
  const denied = error?.name === "NotAllowedError" || error?.name === "NotFoundError";
  at("problem").textContent = denied ? `No camera: ${error.message}. Allow it in the browser, or open a file.` : (error?.message ?? String(error));
}

const dictionary = new Dictionary(showProblem);
const replay = new Player(at("overlay"));
const camera = new Camera(at("camera"), at("overlay"), backend.openStream, receive);

function show(answer, clip) {
  last = clip;
  at("taught").textContent = "";
  at("replay").hidden = !clip || camera.stream !== null;
  showAnswer(answer, (id) => dictionary.play(id));
}

function checkRate() {
  answerTimes.push(performance.now());
  if (answerTimes.length > RATE_PICTURES) answerTimes.shift();
  if (answerTimes.length < RATE_PICTURES) return;
  const rate = (1000 * (RATE_PICTURES - 1)) / (answerTimes.at(-1) - answerTimes[0]);
  if (rate < MIN_RATE && at("slow-machine").hidden) {
    at("slow-machine").textContent = `Only ${rate.toFixed(1)} pictures per second are processed; signs need ${MIN_RATE} or more. Close other programs, or open a video file instead.`;
  }
  at("slow-machine").hidden = rate >= MIN_RATE;
}

function receive(message) {
  if (message.type === "frame") {
    checkRate();
    at("state").textContent = STATES[message.state];
    at("state").classList.toggle("signing", message.state === "signing");
    if (message.state !== "signing") at("sofar").textContent = "\u00a0";
  } else if (message.type === "ready") {
    at("state").textContent = STATES.rest;
  } else if (message.type === "paused" || message.type === "starting") {
    setWatching(true);
    at("state").textContent = message.type === "paused" ? "Paused" : "Starting…";
  } else if (message.type === "sign" && !message.ended) {
    const [best] = message.guesses;
    at("sofar").textContent = message.sure ? `So far: ${words(best)}` : "So far: not sure";
  } else if (message.type === "sign") {
    at("sofar").textContent = "\u00a0";
    show(message, message.poses);
  } else if (message.type === "stopped") {
    setWatching(false);
    if (message.error) showProblem(message.error);
  }
}

function setWatching(on) {
  at("start").hidden = on;
  at("stop").hidden = !on;
  at("camera").hidden = !on;
  at("state").hidden = !on;
  at("invite").hidden = on;
  at("replay").hidden = on || !last;
  at("state").classList.remove("signing");
  at("slow-machine").hidden = true;
  answerTimes.length = 0;
  at("stage").classList.toggle("mirrored", on);
  at("sofar").textContent = "\u00a0";
}

async function startCamera() {
  at("problem").textContent = "";
  replay.pause();
  setWatching(true);
  at("state").textContent = "Starting…";
  try {
    await camera.start();
    if (camera.session) at("stop").focus();
  } catch (error) {
    camera.stop(error);
    at("start").focus();
  }
}

// Nothing of the clip before stays beside the answer to another one, or beside an error.
function clearStage() {
  last = null;
  replay.unload();
  at("replay").hidden = true;
  at("invite").hidden = false;
}

async function openFile(file) {
  if (!file) return;
  at("problem").textContent = "";
  if (camera.wanted) camera.stop();
  clearStage();
  at("headline").textContent = "Reading…";
  at("headline").classList.remove("unsure");
  at("explained").textContent = file.name;
  at("guesses").replaceChildren();
  at("details").hidden = true;
  try {
    const answer = await backend.predictFile(file);
    show(answer, answer.poses);
    playAgain();
  } catch (error) {
    at("headline").textContent = "No answer";
    at("explained").textContent = "";
    showProblem(error);
  }
}

function playAgain() {
  if (!last) return;
  at("invite").hidden = true;
  at("overlay").width = 640;
  at("overlay").height = 480;
  replay.load(last);
  if (reducedMotion.matches) replay.show(Math.floor(last.xy.length / 2));
  else replay.play();
}

async function teach(event) {
  event.preventDefault();
  if (!last) return;
  try {
    const { added, known } = await backend.enrol(at("gloss").value, at("signer").value, last);
    at("taught").textContent = added.length ? `Kept as ${added[0]}.` : `Already enrolled as ${known[0]}.`;
    await dictionary.load();
  } catch (error) {
    at("taught").textContent = error.message;
    if (error.status === 401) showProblem(error);
  }
}

async function load() {
  try {
    const model = await backend.load();
    setLayout(model);
    at("login").hidden = true;
    const [first, ...more] = backend.privacy();
    at("private").replaceChildren(element("strong", first), ` ${more.join(" ")}`);
    at("about").textContent = `Model ${model.model}: ${model.glosses.length || "no"} signs. twinsign ${model.twinsign}.`;
    const live = model.live || model.pose === "browser";
    at("start").disabled = !live;
    at("no-video").hidden = live;
    at("no-video").textContent = live ? "" : `No camera or video on this server: ${model.why_no_video || "its estimator takes only whole videos"} Pose files work.`;
    await dictionary.load(model.glosses);
  } catch (error) {
    at("about").textContent = "No model is loaded.";
    showProblem(error);
  }
}

at("start").addEventListener("click", startCamera);
at("stop").addEventListener("click", () => {
  camera.stop();
  at("start").focus();
});
at("replay").addEventListener("click", playAgain);
at("file").addEventListener("change", () => {
  openFile(at("file").files[0]);
  at("file").value = "";
});
at("teach").addEventListener("submit", teach);
at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(at("token").value);
  load();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("stage").classList.toggle("over", kind === "dragover");
    if (kind === "drop") openFile(event.dataTransfer.files[0]);
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const player of [replay, dictionary.player]) player.show(player.frame);
});
draw(at("overlay"), null);
await load();
export { camera, dictionary };
