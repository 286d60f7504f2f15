// Segments in a thread of its own, so that the page stays alive. One picture after the other.

import { describePicture } from "./answer.js";
import { decode, Refused } from "./decode.js";
import { openNetwork } from "./network.js";
import { predict } from "./predict.js";

const networks = new Map();
let turn = Promise.resolve();

function networkOf(name) {
  if (!networks.has(name)) {
    networks.set(name, openNetwork(name));
    networks.get(name).catch(() => networks.delete(name)); // the next picture tries again
  }
  return networks.get(name);
}

function readSpacing(text) {
  if (!text) return null;
  const sides = text.split(",").map((part) => (part.trim() ? Number(part) : NaN));
  const good = sides.length < 3 && sides.every((side) => side > 0 && side < Infinity);
  if (!good) throw new Refused("bad_spacing");
  return [sides[0], sides.at(-1)];
}

// A plane of probabilities (H, W) as a grey PNG in base64; 255 is certain.
async function inPng(plane, [height, width]) {
  const area = new OffscreenCanvas(width, height), context = area.getContext("2d");
  const image = context.createImageData(width, height);
  for (let place = 0, to = 0; place < plane.length; place++) {
    for (let channel = 0; channel < 3; channel++) image.data[to++] = Math.round(255 * plane[place]);
    image.data[to++] = 255;
  }
  context.putImageData(image, 0, 0);
  const bytes = new Uint8Array(await (await area.convertToBlob()).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

async function segment({ blob, model, include, spacing: text }) {
  const spacing = readSpacing(text), network = await networkOf(model), picture = await decode(blob);
  const found = await predict(network, picture, { probability: include.includes("probability") });
  const described = await describePicture(blob.name ?? "", picture, found, { network, spacing, inPng });
  return { model, classes: network.classes, pictures: [described], notes: [] };
}

async function answer(asked) {
  try {
    return { id: asked.id, answer: await segment(asked) };
  } catch (error) {
    if (error instanceof Refused) return { id: asked.id, word: error.message, values: error.values };
    return { id: asked.id, word: "failed_here", values: { why: error.message } };
  }
}

addEventListener("message", ({ data }) => {
  turn = turn.then(() => answer(data)).then(postMessage);
});
