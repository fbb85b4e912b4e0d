// Requests to the server of this page only.
const KEY = "twinsign-token";

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function setToken(value) {
  sessionStorage.setItem(KEY, value);
}

// http://127.0.0.1:8000/#token=…: what follows the hash is never sent, and leaves the address bar at once.
export function takeTokenFromAddress() {
  const value = new URLSearchParams(location.hash.slice(1)).get("token");
  if (value) {
    setToken(value);
    history.replaceState(null, "", location.pathname);
  }
}

export class RequestError extends Error {
  constructor(status, error) {
    super(describe(error));
    this.status = status;
  }
}

export function describe(error) {
  const where = error.where ? ` (${error.where})` : "";
  return `Found ${error.found}${where}; wanted ${error.wanted}. ${error.hint ?? ""}`.trim();
}

export async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new RequestError(0, { found: "no answer from the server", wanted: "a running `twinsign serve`" });
  }
  const body = await response.json();
  if (!response.ok) throw new RequestError(response.status, body.error);
  return body;
}

export function post(path, value) {
  return request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
}

export function liveSocket() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/live`);
  socket.binaryType = "arraybuffer";
  return socket;
}
