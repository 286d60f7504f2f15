// Correct a mask by hand, and save what was corrected as a dataset folder for `bmis train`.

import { save, stem } from "./exports.js";
import { canvas, labelsOf, maskPicture, toBlob } from "./labels.js";
import { zip } from "./zip.js";

const KEPT = 20; // strokes that can be taken back

export class Brush {
  on = false;
  erase = false;
  size = 24; // pixels of the screen
  label = 1;
  #before = [];
  #last = null;

  // Let a view be painted on; `changed` is called after every movement, `done` after a stroke.
  attach(view, changed, done) {
    const { canvas: area } = view;
    area.addEventListener("pointerdown", (event) => {
      if (!this.on || !view.shown.result?.state) return;
      area.setPointerCapture(event.pointerId);
      this.#begin(view);
      this.#paint(view, event, changed);
    });
    area.addEventListener("pointermove", (event) => this.#last && this.#paint(view, event, changed));
    for (const end of ["pointerup", "pointercancel"]) area.addEventListener(end, () => {
      if (this.#last) done();
      this.#last = null;
    });
  }

  #begin(view) {
    const { item, model, result } = view.shown;
    this.#before.push([item, model, item.drawn[model]?.slice()]);
    this.#before.splice(0, this.#before.length - KEPT);
    item.drawn[model] ??= labelsOf(result);
    this.#last = [];
  }

  // All pixels near the way from the last place to this one.
  #paint(view, event, changed) {
    const { item, model, result } = view.shown;
    const to = view.place(event), from = this.#last.length ? this.#last : to;
    const radius = (this.size / 2) * (result.width / view.canvas.clientWidth);
    const steps = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, radius / 2)) || 1;
    for (let step = 0; step <= steps; step++) {
      const share = step / steps;
      const middle = from.map((start, axis) => start + share * (to[axis] - start));
      disc(item.drawn[model], result, middle, radius, this.erase ? 0 : this.label);
    }
    this.#last = to;
    changed();
  }

  undo() {
    const [item, model, drawn] = this.#before.pop() ?? [];
    if (item) item.drawn[model] = drawn;
  }
}

function disc(labels, { width, height }, [x, y], radius, label) {
  const top = Math.max(0, Math.floor(y - radius)), bottom = Math.min(height - 1, Math.ceil(y + radius));
  for (let row = top; row <= bottom; row++) {
    const half = Math.sqrt(Math.max(0, radius ** 2 - (row + 0.5 - y) ** 2));
    const left = Math.max(0, Math.round(x - half)), right = Math.min(width, Math.round(x + half));
    labels.fill(label, row * width + left, row * width + Math.max(left, right));
  }
}

// What was corrected of one network's masks: those of others have other classes.
export async function saveDataset(session, model, classes) {
  const drawn = session.items.filter((item) => item.drawn[model] && item.picture);
  if (!drawn.length) return 0;
  const entries = [];
  for (const [index, item] of drawn.entries()) {
    const { width, height } = item.picture, name = `${String(index + 1).padStart(4, "0")}-${stem(item)}`;
    const picture = canvas(width, height);
    picture.getContext("2d").drawImage(item.picture, 0, 0);
    const mask = maskPicture(item.drawn[model], width, height, classes.length);
    entries.push([`images/${name}.png`, await toBlob(picture)], [`masks/${name}.png`, await toBlob(mask)]);
  }
  const yaml = `classes: ${JSON.stringify(classes)}\n`;
  entries.push(["dataset.yaml", new Blob([yaml])]);
  save(await zip(entries), "corrected.zip");
  return drawn.length;
}
