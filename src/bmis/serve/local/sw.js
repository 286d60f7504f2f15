// Keeps all files of the page, so that it works offline, and sends them with the headers of the service.

importScripts("files.js"); // VERSION, HEADERS and FILES, { name: SHA-256 }

const CACHE = `bmis ${registration.scope} ${VERSION}`;
const TYPES = {
  css: "text/css", html: "text/html", js: "text/javascript", json: "application/json",
  svg: "image/svg+xml", wasm: "application/wasm",
};

const addressOf = (name) => new URL(name, registration.scope).href;

async function fetchFile(cache, [name, digest]) {
  const answer = await fetch(addressOf(name), { cache: "no-cache" });
  const bytes = await answer.arrayBuffer();
  const found = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))];
  if (found.map((byte) => byte.toString(16).padStart(2, "0")).join("") !== digest) {
    throw new Error(`${name} is not the one that belongs to this page`);
  }
  const type = TYPES[name.split(".").pop()] ?? "application/octet-stream";
  await cache.put(addressOf(name), new Response(bytes, { headers: { ...HEADERS, "Content-Type": type } }));
}

async function install() {
  const cache = await caches.open(CACHE);
  await Promise.all(Object.entries(FILES).map((file) => fetchFile(cache, file)));
}

async function activate() {
  const own = `bmis ${registration.scope} `, names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(own) && name !== CACHE).map((name) => caches.delete(name)));
  await clients.claim();
}

async function answer(request) {
  const address = new URL(request.url);
  address.search = address.hash = "";
  if (address.href === registration.scope) address.pathname += "index.html";
  return (await (await caches.open(CACHE)).match(address.href)) ?? fetch(request);
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
