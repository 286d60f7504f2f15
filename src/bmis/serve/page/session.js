// The pictures of this session and what the networks answered of them. Nothing outlives the tab.

import { segment } from "./engine.js";
import { say } from "./texts.js";

export class Session extends EventTarget {
  sources = []; // what was sent at a time: { name, blob, dicom, answers: { model: ... }, items }
  current = 0;
  spacing = "";
  #queue = Promise.resolve();

  get items() {
    return this.sources.flatMap((source) => source.items);
  }

  get item() {
    return this.items[this.current];
  }

  async add(source) {
    const picture = source.dicom ? null : await bitmapOf(source.blob);
    const made = { ...source, answers: {}, items: [] };
    made.items = [newItem(made, 0, picture)];
    this.sources.push(made);
    this.changed();
    return made;
  }

  clear() {
    this.sources = [];
    this.current = 0;
    this.changed();
  }

  step(by) {
    if (this.items.length) this.show(Math.min(Math.max(this.current + by, 0), this.items.length - 1));
  }

  // Who looks at a picture again asks again, where a request did not come through.
  show(index) {
    this.current = index;
    const answers = this.item?.source.answers ?? {};
    for (const [model, answer] of Object.entries(answers)) if (answer.passing) delete answers[model];
    this.dispatchEvent(new Event("show"));
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  // Other millimetres: what was answered before is no longer true.
  setSpacing(text) {
    this.spacing = text;
    for (const source of this.sources) source.answers = {};
    this.changed();
  }

  result(item, model) {
    const answer = item.source.answers[model];
    if (!answer || answer.error) return answer;
    const picture = answer.pictures?.[item.index];
    return picture && { ...picture, state: "done", notes: answer.notes };
  }

  // Ask a network about a source, once; one request after the other.
  want(source, model, { probability = false } = {}) {
    const known = source.answers[model];
    if (known && (known.probability || !probability)) return known.promise;
    const answer = { ...known, probability, error: known?.error };
    answer.promise = this.#queue = this.#queue.then(() => this.#ask(source, model, answer));
    source.answers[model] = answer;
    return answer.promise;
  }

  async #ask(source, model, answer) {
    if (!this.sources.includes(source)) return;
    const include = answer.probability ? ["probability"] : [];
    if (source.items.some((item) => !item.picture)) include.push("picture");
    this.#say(say("working", { name: source.name }));
    try {
      const busy = () => this.#say(say("busy"));
      Object.assign(answer, await segment(source.blob, model, { include, spacing: this.spacing, busy }));
      await unfold(source, answer.pictures);
      this.#say(say("done", { name: source.name }));
    } catch (error) {
      answer.error = error.message;
      answer.passing = Boolean(error.passing);
      this.#say(say("failed", { name: source.name, why: error.message }));
    }
    this.changed();
  }

  #say(text) {
    this.dispatchEvent(new CustomEvent("say", { detail: text }));
  }
}

// One picture. What is drawn by hand on it is kept for each network, whose classes it has.
function newItem(source, index, picture) {
  return { source, index, name: source.name, picture, drawn: {} };
}

// A file of several pictures becomes as many items, shown as the network saw them.
async function unfold(source, pictures) {
  for (const [index, found] of pictures.entries()) {
    const name = pictures.length > 1 ? nameIn(source, found) : source.name;
    const item = (source.items[index] ??= newItem(source, index, null));
    item.name = name;
    if (!item.picture && found.picture) item.picture = await bitmapOf(fromBase64(found.picture));
    found.picture = null; // kept once
  }
}

// Of several series that came together the name of the series says more than how many files came.
function nameIn(source, found) {
  return source.together && found.name.includes("/") ? found.name : `${source.name} ${found.name}`;
}

export function fromBase64(text) {
  return new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "image/png" });
}

async function bitmapOf(blob) {
  try {
    return await createImageBitmap(blob);
  } catch {
    return null; // TIFF, NPY: the service shows it
  }
}
