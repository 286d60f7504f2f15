// Deep greys as bytes: the 0.1th percentile becomes 0, the 99.9th 255 (bmis.data.formats.stretch).

import { quantile, round } from "./numbers.js";

const SHARES = [0.001, 0.999];
const SAMPLE = 2 ** 22; // pixels that the percentiles are taken from

export function stretch(values, height, width) {
  const step = Math.max(1, Math.floor(Math.sqrt(values.length / SAMPLE)));
  const sample = new Uint16Array(Math.ceil(height / step) * Math.ceil(width / step));
  let count = 0;
  for (let row = 0; row < height; row += step) for (let column = 0; column < width; column += step) {
    sample[count++] = values[row * width + column];
  }
  sample.sort();
  let [low, high] = SHARES.map((share) => quantile(sample, share));
  if (high <= low) [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [65535, 0]);
  const scale = high > low ? 255 / (high - low) : 0;
  const table = Uint8Array.from({ length: 65536 }, (_, value) => round(Math.min(255, Math.max(0, (value - low) * scale))));
  const made = new Uint8Array(values.length);
  for (let at = 0; at < made.length; at++) made[at] = table[values[at]];
  return made;
}
