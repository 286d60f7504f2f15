// The measurements of a mask as a table, with what one should know before one trusts it.

import { number, say } from "./texts.js";

const DOUBTFUL = 0.5; // expected Dice below which a mask needs a look, as `bmis predict` says

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function row(table, title, value) {
  const made = table.insertRow();
  const head = element("th", title);
  head.scope = "row";
  made.append(head, element("td", value));
}

function quantity(pixels, millimetres, unit) {
  const [value, shown] = millimetres == null ? [pixels, unit === "mm²" ? "px²" : "px"] : [millimetres, unit];
  return value == null ? "–" : `${number(value)} ${shown}`;
}

function regionTable(region) {
  const table = element("table");
  const caption = element("caption", region.class);
  const dot = element("span", "", "dot");
  dot.style.background = `rgb(${region.colour.join(" ")})`;
  caption.prepend(dot);
  table.append(caption);
  row(table, say("objects"), String(region.objects));
  row(table, say("area"), quantity(region.area_px, region.area_mm2, "mm²"));
  row(table, say("diameter"), quantity(region.diameter_px, region.diameter_mm, "mm"));
  row(table, say("share"), `${number(100 * region.fraction)} %`);
  return table;
}

function warnings(result, drawn) {
  const found = drawn ? [say("drawn_more")] : [];
  if (result.error) found.push(result.error);
  if (result.out_of_distribution) found.push(say("odd", { score: number(result.ood_score, 2) }));
  if (result.expected_dice != null && result.expected_dice < DOUBTFUL) found.push(say("doubtful"));
  return [...found, ...(result.notes ?? [])].map((text) => element("p", text, "warning"));
}

function card(model, result, drawn, withTitle) {
  const made = element("section");
  if (withTitle) made.append(element("h3", model));
  if (!result) return made;
  made.append(...warnings(result, drawn));
  if (result.expected_dice != null) {
    const note = result.expected_dice_note ? ` (${say("dice_does_not_hold")})` : "";
    const dice = `${say("expected_dice")}: ${number(result.expected_dice, 2)}${note}`;
    made.append(element("p", dice, "dice"));
  }
  made.append(...(result.regions ?? []).map(regionTable));
  return made;
}

// found: [[model, result], ...]; drawn: what was corrected by hand, by network.
export function showFacts(parent, found, drawn) {
  const cards = found.map(([model, result]) => card(model, result, Boolean(drawn[model]), found.length > 1));
  parent.replaceChildren(...cards);
}
