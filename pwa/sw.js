// The service worker: the application's files, kept for use without a network. Never anything of /api, /db or the desk.
//
// The node writes /precache.js: self.PRECACHE = {"version": "…", "files": {"/": "<tag>", "/app.js": "<tag>", …}} (or a list of
// paths). A changed file changes that script, so the browser installs a new worker. It fills a cache of its own, taking
// files whose tag has not changed from the old one, and waits: the pages that are open keep the version they began with,
// drafts are in IndexedDB and concern no cache, and the next start (or "use it now") switches.

const LIST = "/precache.js";
const trustedTypes = /** @type {any} */ (self).trustedTypes;
importScripts(trustedTypes ? trustedTypes.createPolicy("tram", { createScriptURL: () => LIST }).createScriptURL("") : LIST);

const worker = /** @type {ServiceWorkerGlobalScope & {PRECACHE: {version: string, files: string[] | Record<string, string>}}} */ (/** @type {unknown} */ (self));
const PREFIX = "tram-";
const { version, files } = worker.PRECACHE;
const tags = /** @type {Record<string, string>} */ (Array.isArray(files) ? Object.fromEntries(files.map((path) => [path, version])) : files);
const CACHE = PREFIX + version;
const TAG_HEADER = "X-Tram-Tag";
// 3 at once, as everywhere: more only share the wire, and what is done stays done when the line is cut.
const IN_FLIGHT = 3;

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== worker.location.origin) return;
  const path = url.pathname === "/index.html" || url.pathname === "/r" ? "/" : url.pathname; // /r: a scanned receipt
  if (path in tags) event.respondWith(fromCache(path, event.request));
});
worker.addEventListener("message", (event) => {
  if (event.data === "activate") void worker.skipWaiting();
});
// A closed page cannot be run from here; an open one, even behind others, is told that the network is back.
worker.addEventListener("sync", (event) => {
  const sync = /** @type {ExtendableEvent & {tag: string}} */ (event);
  if (sync.tag === "outbox") sync.waitUntil(wakePages());
});

/** Every file into this version's cache. Interrupted, the next attempt goes on with what is missing. */
async function install() {
  const cache = await caches.open(CACHE);
  const have = new Set((await cache.keys()).map((request) => new URL(request.url).pathname));
  const queue = Object.keys(tags).filter((path) => !have.has(path));
  const worker = async () => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) await cache.put(path, await obtain(path));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

/** @param {string} path @returns {Promise<Response>} the file at this version's tag: from an older cache, else from the node */
async function obtain(path) {
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX) || name === CACHE) continue;
    const old = await (await caches.open(name)).match(path);
    if (old?.headers.get(TAG_HEADER) === tags[path]) return old;
  }
  const response = await fetch(path, { cache: "no-cache", credentials: "omit" });
  if (!response.ok || response.redirected) throw new Error(`${path}: ${response.status}`);
  const headers = new Headers(response.headers);
  headers.set(TAG_HEADER, tags[path]);
  headers.delete("Content-Encoding"); // the body is plain again once it has been read
  headers.delete("Content-Length");
  return new Response(await response.arrayBuffer(), { status: 200, headers });
}

async function activate() {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  await worker.clients.claim();
}

/** @param {string} path @param {Request} request */
async function fromCache(path, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request); // the browser may have evicted one file alone
}

async function wakePages() {
  for (const client of await worker.clients.matchAll({ type: "window" })) client.postMessage("sync");
}
