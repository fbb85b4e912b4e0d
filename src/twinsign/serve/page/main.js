// The page: camera or file in, answers out. Everything comes from, and goes to, the server this page came from.
import { ask, send, setToken, takeTokenFromAddress } from "./api.js";
import { showAnswer } from "./answer.js";
import { Camera } from "./camera.js";
import { Dictionary } from "./dictionary.js";
import { calm, draw, Player, setLayout } from "./skeleton.js";

const STATES = { rest: "Watching", held: "Hands held", signing: "Signing" };
const at = (id) => document.getElementById(id);
const ENOUGH = 8; // pictures a second
const PACE = 15; // pictures over which their number a second is measured
const pace = []; // when each of the last pictures was answered
let last = null; // the clip that was named last, to teach or to play again

function problem(error) {
  if (error?.status === 401) {
    at("login").hidden = false;
    at("login-problem").textContent = error.message;
    at("token").focus();
    return;
  }
  const denied = error?.name === "NotAllowedError" || error?.name === "NotFoundError";
  at("problem").textContent = denied ? `No camera: ${error.message}. Allow it in the browser, or open a file.` : (error?.message ?? String(error));
}

const dictionary = new Dictionary(problem);
const replay = new Player(at("overlay"));
const camera = new Camera(at("camera"), at("overlay"), heard);

function answered(answer, clip) {
  last = clip;
  at("taught").textContent = "";
  at("replay").hidden = !clip || camera.stream !== null;
  showAnswer(answer, (id) => dictionary.play(id));
}

function keepPace() {
  pace.push(performance.now());
  if (pace.length > PACE) pace.shift();
  if (pace.length < PACE) return;
  const rate = (1000 * (PACE - 1)) / (pace[PACE - 1] - pace[0]);
  if (rate < ENOUGH && at("slow-machine").hidden) {
    at("slow-machine").textContent = `Only ${rate.toFixed(1)} pictures a second are looked at; signs need ${ENOUGH} or more. Close other programs, or open a video file instead.`;
  }
  at("slow-machine").hidden = rate >= ENOUGH;
}

function heard(message) {
  if (message.type === "frame") {
    keepPace();
    at("state").textContent = STATES[message.state];
    at("state").classList.toggle("signing", message.state === "signing");
    if (message.state !== "signing") at("sofar").textContent = "\u00a0";
  } else if (message.type === "ready") {
    at("state").textContent = STATES.rest;
  } else if (message.type === "sign" && !message.ended) {
    const [best] = message.guesses;
    at("sofar").textContent = message.sure ? `So far: ${best.gloss}` : "So far: not sure";
  } else if (message.type === "sign") {
    at("sofar").textContent = "\u00a0";
    answered(message, message.poses);
  } else if (message.type === "stopped") {
    watching(false);
    if (message.reason) problem(new Error(message.reason));
  }
}

function watching(on) {
  at("start").hidden = on;
  at("stop").hidden = !on;
  at("camera").hidden = !on;
  at("state").hidden = !on;
  at("invite").hidden = on;
  at("replay").hidden = on || !last;
  at("slow-machine").hidden = true;
  pace.length = 0;
  at("stage").classList.toggle("mirrored", on);
  at("sofar").textContent = "\u00a0";
}

async function startCamera() {
  at("problem").textContent = "";
  replay.pause();
  watching(true);
  at("state").textContent = "Starting…";
  try {
    await camera.start();
    at("stop").focus();
  } catch (error) {
    camera.stop();
    problem(error);
    at("start").focus();
  }
}

async function openFile(file) {
  if (!file) return;
  at("problem").textContent = "";
  if (camera.stream) camera.stop();
  at("headline").textContent = "Looking…";
  at("headline").classList.remove("unsure");
  at("explained").textContent = file.name;
  at("guesses").replaceChildren();
  at("details").hidden = true;
  try {
    const answer = await ask(`/predict/file/poses?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    answered(answer, answer.poses);
    playAgain();
  } catch (error) {
    at("headline").textContent = "No answer";
    at("explained").textContent = "";
    problem(error);
  }
}

function playAgain() {
  if (!last) return;
  at("invite").hidden = true;
  at("overlay").width = 640;
  at("overlay").height = 480;
  replay.load(last);
  if (calm.matches) replay.show(Math.floor(last.xy.length / 2));
  else replay.play();
}

async function teach(event) {
  event.preventDefault();
  if (!last) return;
  const xy = last.xy.map((frame) => frame.map((point) => point ?? [null, null]));
  const clip = { xy, unit: "fraction", id: new Date().toISOString().slice(0, 19) };
  if (last.fps) clip.fps = last.fps;
  if (last.size) clip.size = last.size;
  try {
    const { added, known } = await send("/dictionary", { gloss: at("gloss").value, signer: at("signer").value, clip });
    at("taught").textContent = added.length ? `Kept as ${added[0]}.` : `It was there as ${known[0]}.`;
    await dictionary.load();
  } catch (error) {
    at("taught").textContent = error.message;
    if (error.status === 401) problem(error);
  }
}

async function begin() {
  takeTokenFromAddress();
  try {
    const model = await ask("/model");
    setLayout(model);
    at("login").hidden = true;
    at("about").textContent = `Model ${model.model}: ${model.glosses.length || "no"} signs. twinsign ${model.twinsign}.`;
    at("start").disabled = !model.live;
    at("no-video").hidden = model.live;
    at("no-video").textContent = model.live ? "" : `No camera or video on this server: ${model.why_no_video || "its estimator takes whole videos alone"} Pose files work.`;
    await dictionary.load(model.glosses);
  } catch (error) {
    problem(error);
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
  begin();
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
begin();
