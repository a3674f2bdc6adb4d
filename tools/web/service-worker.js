// Keeps the page for when there is no network, and lets it use threads. In front of these lines,
// tools/web.py writes VERSION, a digest of all files, SHELL, the names of the small ones, and FILES.

// An origin may have several such pages, each below its own path.
const OWN = `petseg ${self.registration.scope} `;
const NAME = OWN + VERSION;
const OURS = new Set(FILES.map((name) => new URL(name, location.href).href));

self.addEventListener("install", (event) => {
  const addresses = SHELL.map((name) => new URL(name, location.href));
  event.waitUntil(Promise.all(addresses.map((address) => fetchAndKeep(event, address))));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeEarlier().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  address.search = address.hash = "";
  if (event.request.method === "GET" && OURS.has(address.href)) {
    event.respondWith(answer(event, address));
  }
});

async function removeEarlier() {
  const earlier = (await caches.keys()).filter((name) => name.startsWith(OWN) && name !== NAME);
  await Promise.all(earlier.map((name) => caches.delete(name)));
}

async function answer(event, address) {
  const cache = await caches.open(NAME);
  const again = event.request.cache === "reload"; // the page found that it has the wrong bytes
  return (!again && (await cache.match(address))) || fetchAndKeep(event, address);
}

// The file as the server has it now. Its headers isolate the page from other origins: nowhere else
// do browsers allow threads. It is kept while it arrives, so that the page can show the progress.
async function fetchAndKeep(event, address) {
  const response = await fetch(address, { cache: "no-cache" });
  if (!response.ok) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  const { status, statusText } = response;
  const kept = new Response(response.body, { status, statusText, headers });
  const copy = kept.clone();
  event.waitUntil(caches.open(NAME).then((cache) => cache.put(address, copy)));
  return kept;
}
