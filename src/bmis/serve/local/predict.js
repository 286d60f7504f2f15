// Picture in, mask out: bmis.predict.predictor. A network is { input, classes, stride,
// postprocessing, confidence, ood } of its bundle, and infer(floats, channels, height, width), which
// gives logits (K, h, w).

import { classesOf, expectedDice, probabilitiesOf, SoftDice } from "./decide.js";
import { describe, oodScore } from "./ood.js";
import { clean } from "./pieces.js";
import { fit, normalise, pad, restore, toColour, toGrey } from "./preprocess.js";
import { tiled } from "./tiles.js";

const upTo = (side, stride) => Math.ceil(side / stride) * stride;

function planesOf(logits, count) {
  return Array.from({ length: count }, (_, index) => logits.subarray((index * logits.length) / count, ((index + 1) * logits.length) / count));
}

async function run(network, frame) {
  const logits = await network.infer(normalise(frame, network.input), frame.channels, frame.height, frame.width);
  if (!logits.every(Number.isFinite)) throw new Error("the network's answer is not finite");
  return logits;
}

function inside(plane, wide, box) {
  const rows = Array.from({ length: box.height }, (_, row) => (row + box.top) * wide + box.left);
  const made = new Float32Array(box.height * box.width);
  rows.forEach((from, row) => made.set(plane.subarray(from, from + box.width), row * box.width));
  return made;
}

// The frame at once: planes at the size of the picture.
async function whole(network, { frame, box }, size, soft) {
  const planes = planesOf(await run(network, frame), network.classes.length);
  soft.add(planes.map((plane) => inside(plane, frame.width, box)));
  return planes.map((plane) => restore(plane, frame.width, box, size));
}

// At native resolution, tile by tile.
async function inTiles(network, { frame }, [height, width], soft) {
  const { stride } = network, sides = [frame.height, frame.width].map((side) => upTo(side, stride));
  const padded = pad(frame, sides, { top: 0, left: 0 });
  const window = sides.map((side, axis) => Math.min(side, upTo(network.input.size[axis], stride)));
  const planes = network.classes.map(() => new Float32Array(height * width));
  for await (const strip of tiled(padded, window, stride, (tile) => run(network, tile))) {
    const rows = Math.max(0, Math.min(strip.rows, height - strip.top));
    const box = { top: 0, left: 0, height: rows, width };
    const kept = strip.planes.map((plane) => inside(plane, padded.width, box));
    soft.add(kept);
    kept.forEach((plane, index) => planes[index].set(plane, strip.top * width));
  }
  return planes;
}

// { labels, probabilities or null, ood_score, expected_dice } of a picture.
export async function predict(network, picture, { probability = false } = {}) {
  const { input, postprocessing: rules, confidence, ood } = network, size = [picture.height, picture.width];
  const own = input.channels === 1 ? toGrey(picture) : toColour(picture);
  const soft = new SoftDice(network.classes.length, rules.threshold);
  const planes = await (input.resize === "native" ? inTiles : whole)(network, fit(own, input), size, soft);
  const labels = classesOf(planes, rules.threshold);
  clean(labels, size, rules);
  return {
    labels,
    probabilities: probability ? probabilitiesOf(planes) : null,
    ood_score: ood && oodScore(describe(own), ood),
    expected_dice: confidence && expectedDice(labels.some(Boolean) ? soft.value() : null, confidence),
  };
}
