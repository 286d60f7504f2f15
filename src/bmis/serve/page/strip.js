// The pictures of this session as a row of buttons.

import { canvas } from "./labels.js";
import { describe } from "./view.js";

const SIDE = 96;

function thumbnail(item) {
  const made = canvas(SIDE, SIDE);
  if (!item.picture) return made;
  const { width, height } = item.picture, side = Math.min(width, height);
  const cut = [(width - side) / 2, (height - side) / 2, side, side];
  made.getContext("2d").drawImage(item.picture, ...cut, 0, 0, SIDE, SIDE);
  return made;
}

function button(item, model, result, current, show) {
  const made = document.createElement("button");
  made.type = "button";
  if (current) made.setAttribute("aria-current", "true");
  const name = document.createElement("span");
  name.textContent = item.name;
  made.title = `${item.name}: ${describe(result, item.drawn[model])}`;
  made.classList.toggle("bad", Boolean(result?.error));
  made.classList.toggle("odd", Boolean(result?.out_of_distribution));
  made.append(thumbnail(item), name);
  made.addEventListener("click", show);
  return made;
}

export function showStrip(parent, session, model) {
  const lines = session.items.map((item, index) => {
    const line = document.createElement("li");
    const current = index === session.current;
    line.append(button(item, model, session.result(item, model), current, () => session.show(index)));
    return line;
  });
  parent.replaceChildren(...lines);
}

// Along the strip alone: the page itself stays where it is.
function scrollTo(parent, line) {
  const left = line.offsetLeft - parent.offsetLeft, right = left + line.offsetWidth;
  if (left < parent.scrollLeft) parent.scrollLeft = left;
  if (right > parent.scrollLeft + parent.clientWidth) parent.scrollLeft = right - parent.clientWidth;
}

export function markCurrent(parent, index) {
  for (const [at, line] of [...parent.children].entries()) {
    const one = line.firstElementChild;
    if (at === index) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
    if (at === index) scrollTo(parent, line);
  }
}
