// What the page asks of the service.

import { say } from "./texts.js";

export const clinical = true; // DICOM in, and segmentations out
export const about = () => say("drop_more");

const WAIT = 1; // seconds, where a busy service does not say how long

// passing: whether the same request may succeed later.
export class ServiceError extends Error {
  constructor(message, passing = false) {
    super(message);
    this.passing = passing;
  }
}

function headers(more) {
  const token = sessionStorage.getItem("bmis-token");
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

function askForToken() {
  const dialog = document.querySelector("#token-dialog");
  document.querySelector("#token-wrong").hidden = !sessionStorage.getItem("bmis-token");
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("bmis-token", document.querySelector("#token").value.trim());
      resolve();
    }, { once: true });
  });
}

function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

async function ask(address, options, busy) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(address, { ...options, headers: headers(options.headers) });
    } catch {
      throw new ServiceError(say("unreachable"), true);
    }
    if (answer.ok) return answer;
    if (answer.status === 401) await askForToken();
    else if (answer.status === 429) {
      busy();
      await sleep(Number(answer.headers.get("Retry-After")) || WAIT);
    } else throw new ServiceError(await reason(answer), answer.status === 503);
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).error.replace(/^the body: /, "");
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

export async function listModels() {
  return (await (await ask("v1/models", {}, () => {})).json()).models;
}

export async function segment(blob, model, { accept = "application/json", include = [], spacing = "", busy = () => {} } = {}) {
  const query = new URLSearchParams();
  if (include.length) query.set("include", include.join(","));
  if (spacing) query.set("spacing", spacing);
  const address = `v1/segment/${encodeURIComponent(model)}?${query}`;
  const type = blob.type || "application/octet-stream";
  const answer = await ask(address, { method: "POST", body: blob, headers: { Accept: accept, "Content-Type": type } }, busy);
  return accept === "application/json" ? answer.json() : answer.blob();
}
