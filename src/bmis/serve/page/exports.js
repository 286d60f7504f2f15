// What the session gives away: PNG, JSON, CSV.

import { draw } from "./draw.js";
import { canvas, labelsOf, maskPicture, toBlob } from "./labels.js";

const COLUMNS = [
  "picture", "model", "class", "area_px", "area_mm2", "fraction", "top", "left", "height", "width",
  "row", "column", "diameter_px", "diameter_mm", "ood_score", "expected_dice", "objects", "corrected",
];

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function stem(item) {
  return item.name.replace(/\.\w+$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-");
}

export async function saveMask(item, model, result) {
  const labels = item.drawn[model] ?? labelsOf(result);
  const made = maskPicture(labels, result.width, result.height, result.regions.length + 1);
  save(await toBlob(made), `${stem(item)}_mask.png`);
}

export async function saveOverlay(item, model, result, options) {
  const made = canvas(result.width, result.height);
  draw(made.getContext("2d"), 1, { picture: item.picture, result, drawn: item.drawn[model], options });
  save(await toBlob(made), `${stem(item)}_overlay.png`);
}

// All answers of the session: [[item, model, result], ...].
function answers(session, models) {
  const pairs = session.items.flatMap((item) => models.map((model) => [item, model, session.result(item, model)]));
  return pairs.filter(([, , result]) => result?.state);
}

// Whether the mask was corrected by hand: the numbers are those of the network's mask then.
function corrected(item, model) {
  return Boolean(item.drawn[model]);
}

export function saveJson(session, models) {
  const found = answers(session, models).map(([item, model, result]) => {
    const regions = result.regions.map((region) => ({ ...region, probability: undefined }));
    return { ...result, rim: undefined, state: undefined, picture: undefined, name: item.name, model, corrected: corrected(item, model), regions };
  });
  save(new Blob([JSON.stringify(found, null, 1)], { type: "application/json" }), "bmis.json");
}

// A field that begins like a formula gets a quote, so that no spreadsheet runs it.
function field(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvOf(session, models) {
  const rows = answers(session, models).flatMap(([item, model, result]) =>
    result.regions.map((region) => [
      item.name, model, region.class, region.area_px, region.area_mm2, region.fraction,
      ...(region.box ?? ["", "", "", ""]), ...(region.centroid ?? ["", ""]),
      region.diameter_px, region.diameter_mm, result.ood_score, result.expected_dice, region.objects, corrected(item, model),
    ]));
  return [COLUMNS, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n";
}

export function saveCsv(session, models) {
  save(new Blob([csvOf(session, models)], { type: "text/csv" }), "bmis.csv");
}
