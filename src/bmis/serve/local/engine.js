// The page's engine where there is no service: the networks run in this browser.

import { say } from "../page/texts.js";

export const clinical = false; // DICOM is for the service
export const about = () => say("drop_more_here");

const WORDS = {
  not_here: () => say("not_here"),
  damaged: () => say("damaged"),
  several: () => say("several"),
  see_through: () => say("see_through"),
  bad_spacing: () => say("bad_spacing"),
  too_large: (values) => say("too_large", values),
  not_loaded: (values) => say("not_loaded", values),
  failed_here: (values) => say("failed_here", values),
};
const waiting = new Map();
let worker = null, asked = 0;

// Resolves when the service worker has all files, with whether it has got them just now.
async function keepFiles() {
  const registration = await navigator.serviceWorker?.register("sw.js", { updateViaCache: "none" });
  const coming = registration?.installing;
  if (!coming || registration.active) return false; // another version comes when all tabs are closed
  await new Promise((resolve, reject) => coming.addEventListener("statechange", () => {
    if (coming.state === "activated") resolve();
    if (coming.state === "redundant") reject(new Error("the files did not come"));
  }));
  return true;
}

// The files come once: through the service worker, if there is one.
async function startWorker(tell) {
  const justCame = await keepFiles().catch(() => false); // without it all works while there is a network
  tell(justCame ? say("offline_ready") : "");
  const started = new Worker("local/background.js", { type: "module" });
  started.addEventListener("message", ({ data }) => {
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
  });
  started.addEventListener("error", (event) => {
    for (const [id, answer] of waiting) answer({ id, word: "not_loaded", values: { why: event.message || "background.js" } });
    waiting.clear();
    worker = null; // the next picture tries again
  });
  return started;
}

export async function listModels(tell) {
  const { models, megabytes } = await (await fetch("networks/models.json")).json();
  if (!navigator.serviceWorker?.controller) tell(say("loading", { size: megabytes }));
  worker ??= startWorker(tell);
  return models;
}

export async function segment(blob, model, { include = [], spacing = "" } = {}) {
  const started = await (worker ??= startWorker(() => {}));
  const { answer, word, values } = await new Promise((resolve) => {
    waiting.set(++asked, resolve);
    started.postMessage({ id: asked, blob, model, include, spacing });
  });
  if (word) throw new Error(WORDS[word](values));
  return answer;
}
