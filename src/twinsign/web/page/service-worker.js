// Keeps the site's files, each checked by its hash, so that it works without a network; other addresses are never asked.
const VERSION = "@VERSION@";
const MANIFEST = "manifest.json";
const NAME = `twinsign ${self.registration.scope} ${VERSION}`;
const OURS = `twinsign ${self.registration.scope} `;

self.addEventListener("install", (event) => event.waitUntil(keepAll()));
self.addEventListener("activate", (event) => event.waitUntil(dropOthers()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(self.registration.scope)) return;
  event.respondWith(answer(event.request));
});

async function keepAll() {
  const cache = await caches.open(NAME);
  const manifest = await fetch(MANIFEST, { cache: "no-cache" });
  const { version, files } = await manifest.clone().json();
  if (version !== VERSION) throw new Error("the site changed while it was loaded");
  for (const { file, sha256 } of files) {
    if (await cache.match(file)) continue;
    const response = await fetch(file, { cache: "no-cache" });
    if (!response.ok) throw new Error(`${file}: ${response.status}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer()));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== sha256) throw new Error(`${file} differs from the manifest`);
    await cache.put(file, response);
  }
  await cache.put(MANIFEST, manifest);
}

async function dropOthers() {
  const names = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== NAME);
  await Promise.all(names.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(NAME);
  const address = new URL(request.url);
  const page = address.href.split(/[?#]/)[0] === self.registration.scope ? "index.html" : request;
  return (await cache.match(page, { ignoreSearch: true })) ?? fetch(request);
}
