// One network's view of the current picture: a title, a canvas, and words for who cannot see it.

import { draw } from "./draw.js";
import { say } from "./texts.js";

const HIGHEST = 0.6; // of the window, that a picture is high

export class View {
  constructor(parent) {
    this.figure = document.createElement("figure");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.caption = document.createElement("figcaption");
    this.figure.append(this.canvas, this.caption);
    parent.append(this.figure);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.figure);
  }

  remove() {
    this.observer.disconnect();
    this.figure.remove();
  }

  show(item, model, result, options) {
    this.shown = { item, model, result, options };
    const found = describe(result, item.drawn[model]);
    this.caption.textContent = `${model}: ${found}`;
    this.canvas.setAttribute("aria-label", say("description", { name: item.name, model, found }));
    this.figure.classList.toggle("working", !result?.state && !result?.error);
    this.figure.classList.toggle("bad", Boolean(result?.error));
    this.canvas.hidden = !item.picture && !result?.regions?.length;
    this.draw();
  }

  // The canvas has as many pixels as the screen shows of it, so contours are sharp on any screen.
  draw() {
    if (!this.shown) return;
    const { item, model, result, options } = this.shown;
    const width = item.picture?.width ?? result?.width ?? 4, height = item.picture?.height ?? result?.height ?? 3;
    const shown = this.#fit(width / height);
    this.canvas.style.width = `${shown}px`;
    this.canvas.width = Math.round(shown * devicePixelRatio);
    this.canvas.height = Math.round((this.canvas.width * height) / width);
    const scale = this.canvas.width / width;
    draw(this.canvas.getContext("2d"), scale, { picture: item.picture, result, drawn: item.drawn[model], options });
  }

  // How wide a picture of this aspect can be shown, in pixels of CSS.
  #fit(aspect) {
    const style = getComputedStyle(this.figure);
    const wide = this.figure.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return Math.max(1, Math.floor(Math.min(wide, HIGHEST * innerHeight * aspect)));
  }

  // Where in the picture an event of a pointer is: [x, y] in its own pixels.
  place(event) {
    const box = this.canvas.getBoundingClientRect(), { result } = this.shown;
    const scale = result.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }
}

export function describe(result, drawn) {
  if (!result || (!result.state && !result.error)) return say("waiting");
  if (result.error) return result.error;
  if (drawn) return say("drawn");
  const found = result.regions.filter((region) => region.objects);
  return found.map((region) => `${region.objects} × ${region.class}`).join(", ") || say("empty_mask");
}
