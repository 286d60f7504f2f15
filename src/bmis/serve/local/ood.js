// Is a picture like those that a network was trained on? bmis.predict.ood, statistic by statistic.

import { quantile } from "./numbers.js";
import { toColour, toGrey } from "./preprocess.js";
import { BOX, resize } from "./resample.js";

const COARSE = 64, FINE = 256; // pixels a side that the statistics are taken at
const LEAST_CHROMA = 0.02, LEAST_DETAIL = 1e-3;
const QUANTILES = [0.02, 0.25, 0.5, 0.75, 0.98];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const scatter = (values) => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
};
const shrunk = (picture, side) => Array.from(resize(picture, [side, side], BOX).pixels, (value) => value / 255);

function chroma([red, green, blue], luma) {
  const strength = red.map((value, at) => Math.max(value, green[at], blue[at]) - Math.min(value, green[at], blue[at]));
  const sizes = [mean(strength), scatter(strength), scatter(red.map((value, at) => value - blue[at]))];
  const tint = [red, blue].map((plane) => mean(plane.map((value, at) => value - luma[at])));
  return [...tint, ...sizes.map((size) => Math.log(size + LEAST_CHROMA))];
}

// Centre less corners, and the correlation of the halves across and down.
function symmetry(luma) {
  const axis = (at) => ((at + 0.5) / COARSE) * 2 - 1, side = COARSE - 1;
  const radius = luma.map((_, at) => Math.hypot(axis(Math.floor(at / COARSE)), axis(at % COARSE)));
  const middle = mean(luma), centred = luma.map((value) => value - middle);
  const sum = (other) => centred.reduce((all, value, at) => all + value * centred[other(at)], 0);
  const power = Math.max(sum((at) => at), 1e-6);
  return [
    mean(luma.filter((_, at) => radius[at] < 0.5)) - mean(luma.filter((_, at) => radius[at] > 1)),
    sum((at) => at - (at % COARSE) + side - (at % COARSE)) / power,
    sum((at) => (side - Math.floor(at / COARSE)) * COARSE + (at % COARSE)) / power,
  ];
}

// Logarithm of the detail's strength at four scales, and its sparseness at the finer two.
function octaves(grey) {
  const found = [];
  for (let scale = 0, side = FINE; scale < 4; scale++, side /= 2) {
    const half = side / 2, corner = (down, right) => Array.from({ length: half * half }, (_, at) =>
      grey[(2 * Math.floor(at / half) + down) * side + 2 * (at % half) + right]);
    const corners = [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)];
    const coarse = corners[0].map((_, at) => corners.reduce((sum, plane) => sum + plane[at], 0) / 4);
    const detail = corners.flatMap((plane) => plane.map((value, at) => value - coarse[at]));
    found.push(Math.log(Math.sqrt(mean(detail.map((value) => value ** 2))) + LEAST_DETAIL));
    if (scale < 2) found.push(Math.log(mean(detail.map(Math.abs)) + LEAST_DETAIL) - found.at(-1));
    grey = coarse;
  }
  return found;
}

export function describe(picture) {
  const small = shrunk(toColour(picture), COARSE);
  const planes = [0, 1, 2].map((channel) => small.filter((_, at) => at % 3 === channel));
  const [red, green, blue] = planes;
  const luma = red.map((value, at) => 0.299 * value + 0.587 * green[at] + 0.114 * blue[at]);
  const sorted = luma.slice().sort((one, other) => one - other);
  return [
    ...QUANTILES.map((share) => quantile(sorted, share)),
    ...chroma(planes, luma), ...symmetry(luma), ...octaves(shrunk(toGrey(picture), FINE)),
  ];
}

// The score of statistics; above 1 they are out of distribution.
export function oodScore(statistics, { mean: middle, transform, examples, limit }) {
  const apart = statistics.map((value, at) => value - middle[at]);
  const place = middle.map((_, to) => apart.reduce((sum, value, from) => sum + value * transform[from][to], 0));
  const squares = examples.map((example) => example.reduce((sum, value, at) => sum + (place[at] - value) ** 2, 0));
  return Math.sqrt(Math.min(...squares)) / limit;
}
