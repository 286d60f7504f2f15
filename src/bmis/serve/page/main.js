// Wires the parts of the page together.

import { Brush, saveDataset } from "./brush.js";
import { Camera, jpeg } from "./camera.js";
import { rimOf } from "./draw.js";
import { about, clinical, listModels, segment } from "./engine.js";
import { save, saveCsv, saveJson, saveMask, saveOverlay, stem } from "./exports.js";
import { showFacts } from "./facts.js";
import * as intake from "./intake.js";
import * as keys from "./keys.js";
import { fromBase64, Session } from "./session.js";
import { markCurrent, showStrip } from "./strip.js";
import { firstLanguage, number, readSpacing, say, setLanguage } from "./texts.js";
import { View } from "./view.js";

const $ = (selector) => document.querySelector(selector);
const session = new Session(), brush = new Brush(), camera = new Camera();
const options = { contour: true, fill: true, rim: false, opacity: 0.35 };
let models = [], views = [];

const chosen = () => [$("#model").value, $("#beside").value].filter(Boolean);
const classesOf = (name) => models.find((model) => model.name === name).classes;

function status(text) {
  $("#status").textContent = text;
}

// One view for each network that is chosen; only the first can be painted on.
function makeViews() {
  for (const view of views) view.remove();
  views = chosen().map(() => new View($("#views")));
  $("#views").classList.toggle("two", views.length > 1);
  brush.attach(views[0], () => views[0].draw(), showItem);
  const [, ...classes] = classesOf(chosen()[0]);
  $("#brush-class").replaceChildren(...classes.map((name, index) => new Option(name, index + 1)));
  brush.label = 1;
}

// Ask for what is shown first, then for the rest.
function want() {
  if (!session.item) return;
  const ordered = [session.item.source, ...session.sources];
  for (const model of chosen()) for (const source of ordered) session.want(source, model);
  if (options.rim) for (const model of chosen()) session.want(session.item.source, model, { probability: true });
}

async function addRim(result, model) {
  if (!options.rim || result?.rim || !result?.regions?.some((region) => region.probability)) return;
  const kept = session.item.source.answers[model].pictures[session.item.index];
  kept.rim = await rimOf(result, fromBase64);
  showItem();
}

function showItem() {
  const item = session.item;
  const some = Boolean(item);
  for (const id of ["#work", "#history"]) $(id).hidden = !some;
  $("#intake").classList.toggle("small", some);
  if (!some) return;
  const found = chosen().map((model) => [model, session.result(item, model)]);
  found.forEach(([model, result], at) => {
    views[at].show(item, model, result, options);
    addRim(result, model);
  });
  showFacts($("#facts"), found, item.drawn);
  $("#place").textContent = `${session.current + 1} / ${session.items.length}`;
  $("#export-seg").hidden = !clinical || !item.source.dicom;
  markCurrent($("#strip"), session.current);
}

function refresh() {
  showStrip($("#strip"), session, chosen()[0]);
  showItem();
  want();
}

async function add(files) {
  const known = session.items.length, sources = await intake.sources(files);
  if (files.length && !sources.length) status(say("no_pictures"));
  for (const source of sources) await session.add(source);
  if (known && session.items.length > known) session.show(known);
}

function toggle(name, after = () => {}) {
  return () => {
    options[name] = !options[name];
    $(`#${name}`).setAttribute("aria-pressed", options[name]);
    after();
    showItem();
  };
}

function toggleBrush() {
  brush.on = !brush.on;
  $("#brush").setAttribute("aria-pressed", brush.on);
  $("#brush-tools").hidden = !brush.on;
  $("#views").classList.toggle("painting", brush.on);
}

function toggleErase() {
  brush.erase = !brush.erase;
  $("#erase").setAttribute("aria-pressed", brush.erase);
}

function setOpacity(percent) {
  $("#opacity").value = percent;
  options.opacity = $("#opacity").value / 100;
  showItem();
}

function setSpacing(text) {
  const spacing = readSpacing(text);
  $("#spacing").setAttribute("aria-invalid", spacing === null);
  if (spacing === null) status(say("bad_spacing"));
  else session.setSpacing(spacing);
}

function undo() {
  brush.undo();
  showItem();
}

function stopCamera() {
  camera.stop();
  $("#camera").textContent = say("camera");
}

function clear() {
  stopCamera(); // or else its next picture would be kept again
  session.clear();
  status("");
}

async function useCamera() {
  if (camera.on) {
    stopCamera();
    return;
  }
  $("#camera").textContent = say("camera_stop");
  let live = null;
  try {
    await camera.start(() => chosen()[0], async (picture, result, rate) => {
      const blob = await jpeg(picture);
      if (!live) {
        live = await session.add({ name: say("picture"), blob, dicom: false });
        session.show(session.items.length - 1);
      }
      live.blob = blob;
      live.items[0].picture = picture;
      live.items[0].drawn = {}; // that was on another picture
      live.answers[chosen()[0]] = { pictures: [result], promise: Promise.resolve() };
      showItem();
      status(say("frames", { rate: number(rate, 2) }));
    });
  } catch (error) {
    status(error.message);
  }
  stopCamera();
}

async function saveSeg() {
  const [model] = chosen();
  try {
    const accept = "application/dicom";
    const { source } = session.item;
    save(await segment(source.blob, model, { accept, spacing: session.spacing }), `${stem(session.item)}.dcm`);
    if (source.items.some((item) => item.drawn[model])) status(say("seg_uncorrected"));
  } catch (error) {
    status(error.message);
  }
}

// Call with the current item and its first answer, if there is one.
function withResult(action) {
  return () => {
    const result = session.item && session.result(session.item, chosen()[0]);
    if (result?.state && !result.error) action(session.item, chosen()[0], result);
  };
}

function listen() {
  intake.listen(add);
  session.addEventListener("change", refresh);
  session.addEventListener("show", () => { showItem(); want(); });
  session.addEventListener("say", (event) => status(event.detail));
  for (const id of ["#model", "#beside"]) $(id).addEventListener("change", () => { makeViews(); refresh(); });
  for (const name of ["contour", "fill"]) $(`#${name}`).addEventListener("click", toggle(name));
  $("#rim").addEventListener("click", toggle("rim", want));
  $("#opacity").addEventListener("input", (event) => setOpacity(event.target.value));
  $("#previous").addEventListener("click", () => session.step(-1));
  $("#next").addEventListener("click", () => session.step(1));
  $("#clear").addEventListener("click", clear);
  $("#spacing").addEventListener("change", (event) => setSpacing(event.target.value));
  $("#camera").addEventListener("click", useCamera);
  $("#theme").addEventListener("click", changeTheme);
  $("#language").addEventListener("change", (event) => changeLanguage(event.target.value));
  listenToBrush();
  listenToExports();
  keys.listen({
    ArrowLeft: () => session.step(-1), ArrowRight: () => session.step(1),
    c: () => $("#contour").click(), f: () => $("#fill").click(), r: () => $("#rim").click(),
    b: toggleBrush, e: toggleErase, z: undo, o: () => $("#open").click(),
    "-": () => setOpacity(100 * options.opacity - 10), "+": () => setOpacity(100 * options.opacity + 10),
  });
}

function listenToBrush() {
  $("#brush").addEventListener("click", toggleBrush);
  $("#erase").addEventListener("click", toggleErase);
  $("#undo").addEventListener("click", undo);
  $("#brush-size").addEventListener("input", (event) => (brush.size = Number(event.target.value)));
  $("#brush-class").addEventListener("change", (event) => (brush.label = Number(event.target.value)));
  $("#save").addEventListener("click", async () => {
    const [model] = chosen(), count = await saveDataset(session, model, classesOf(model));
    status(count ? say("saved", { count }) : say("saved_none"));
  });
}

function listenToExports() {
  $("#export-mask").addEventListener("click", withResult(saveMask));
  $("#export-overlay").addEventListener("click", withResult((item, model, result) => saveOverlay(item, model, result, options)));
  $("#export-json").addEventListener("click", () => saveJson(session, chosen()));
  $("#export-csv").addEventListener("click", () => saveCsv(session, chosen()));
  $("#export-seg").addEventListener("click", saveSeg);
}

function changeTheme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme ?? (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
}

async function changeLanguage(name) {
  await setLanguage(name);
  $("#language").value = name;
  $("#about").textContent = about();
  $("#beside").options[0]?.replaceChildren(say("nothing"));
  $("#spacing").placeholder = number(0.1);
  if (camera.on) $("#camera").textContent = say("camera_stop");
  keys.showKeys($("#keys"));
  if (models.length) refresh();
}

async function start() {
  listen();
  await changeLanguage(firstLanguage());
  try {
    models = await listModels(status);
  } catch (error) {
    status(error.message);
    return;
  }
  const names = models.map((model) => model.name);
  $("#model").replaceChildren(...names.map((name) => new Option(name, name)));
  $("#beside").replaceChildren(new Option(say("nothing"), ""), ...names.map((name) => new Option(name, name)));
  makeViews();
  document.body.dataset.ready = "true";
}

start();
