// What the keyboard does. Nothing here takes a key from a field that is being written in.

import { say } from "./texts.js";

export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest?.("input:not([type=range]), select, textarea, dialog");
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.type === "range" && event.key.startsWith("Arrow")) return;
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export function showKeys(parent) {
  const hinted = [...document.querySelectorAll("[data-hint][data-text]")];
  const lines = [
    ["← →", say("key_step")], ["− +", say("key_opacity")], ["O", say("key_open")],
    ...hinted.map((node) => [node.dataset.hint, node.textContent]),
  ];
  parent.replaceChildren(...lines.flatMap(([key, text]) => {
    const term = document.createElement("dt"), what = document.createElement("dd");
    term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    what.textContent = text;
    return [term, what];
  }));
}
