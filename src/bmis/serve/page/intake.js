// Files from a button, from a drop or from the clipboard; DICOM files that come together stay together.

import { say } from "./texts.js";
import { zip } from "./zip.js";

const TEXT = /\.(txt|csv|json|yaml|xml|md|html?|pdf)$/i;

async function isDicom(file) {
  if (/\.(dcm|dicom|ima)$/i.test(file.name)) return true;
  return (await file.slice(128, 132).text()) === "DICM";
}

// What is sent to the service at a time: [{ name, blob, dicom }]. All DICOM files are one source.
export async function sources(files) {
  const dicoms = [], found = [];
  for (const file of files) {
    if (file.name.startsWith(".") || file.name === "DICOMDIR" || TEXT.test(file.name)) continue;
    if (!(await isDicom(file))) found.push({ name: file.name, blob: file, dicom: /\.zip$/i.test(file.name) });
    else if (dicoms.push(file) === 1) found.push(null); // their place is that of the first
  }
  return Promise.all(found.map((source) => source ?? together(dicoms)));
}

async function together(dicoms) {
  const [first] = dicoms;
  if (dicoms.length === 1) {
    return { name: first.name, blob: first.slice(0, first.size, "application/dicom"), dicom: true };
  }
  const blob = await zip(dicoms.map((file, index) => [`${index}.dcm`, file]));
  return { name: say("slices", { count: dicoms.length }), blob, dicom: true, together: true };
}

// Pictures of a folder by their names, numbers as numbers: a folder gives them in any order.
const BY_NAME = new Intl.Collator("en", { numeric: true });
const byPath = (one, other) => BY_NAME.compare(one.webkitRelativePath, other.webkitRelativePath);

function filesOf(entry) {
  if (entry.isFile) return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])));
  return readAll(entry.createReader());
}

async function readAll(reader) {
  const entries = [], files = [];
  for (;;) { // a reader gives a hundred entries at a time
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) break;
    entries.push(...some);
  }
  entries.sort((one, other) => BY_NAME.compare(one.name, other.name));
  for (const entry of entries) files.push(...(await filesOf(entry)));
  return files;
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

export function listen(add) {
  for (const [button, input] of [["#open", "#files"], ["#folder", "#directory"]]) {
    const field = document.querySelector(input);
    document.querySelector(button).addEventListener("click", () => field.click());
    field.addEventListener("change", () => {
      add([...field.files].sort(byPath)); // files that were chosen one by one have no path, and stay
      field.value = "";
    });
  }
  const body = document.body;
  body.addEventListener("dragover", (event) => {
    event.preventDefault();
    body.classList.add("over");
  });
  body.addEventListener("dragleave", () => body.classList.remove("over"));
  body.addEventListener("drop", async (event) => {
    event.preventDefault();
    body.classList.remove("over");
    add(await dropped(event.dataTransfer));
  });
  body.addEventListener("paste", (event) => add([...event.clipboardData.files]));
}
