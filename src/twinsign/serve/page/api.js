// Requests to the server that this page came from, and to no other.
const KEY = "twinsign-token";

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function setToken(value) {
  sessionStorage.setItem(KEY, value);
}

// http://127.0.0.1:8000/#token=…: what follows the hash is never sent, and leaves the address bar at once.
export function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    setToken(given);
    history.replaceState(null, "", location.pathname);
  }
}

export class Refused extends Error {
  constructor(status, error) {
    super(inWords(error));
    this.status = status;
  }
}

export function inWords(error) {
  const where = error.where ? ` (${error.where})` : "";
  return `Found ${error.found}${where}; wanted ${error.wanted}. ${error.hint ?? ""}`.trim();
}

export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refused(0, { found: "no answer from the server", wanted: "a running `twinsign serve`" });
  }
  const body = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, body.error);
  return body;
}

export function send(path, value) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
}

export function liveSocket() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/live`);
  socket.binaryType = "arraybuffer";
  return socket;
}
