// From a picture to the input of a network, and from its scores back to the picture's own size:
// what bmis.data.preprocess does, rounded as it rounds. Scores are Float32Arrays of (K, H, W).

import { round } from "./numbers.js";
import { BILINEAR, resize } from "./resample.js";

const round32 = Math.fround;

// As Pillow converts: ITU-R 601, in fixed point.
export function toGrey({ height, width, channels, pixels }) {
  if (channels === 1) return { height, width, channels, pixels };
  const grey = new Uint8Array(height * width);
  for (let at = 0; at < grey.length; at++) {
    grey[at] = (pixels[3 * at] * 19595 + pixels[3 * at + 1] * 38470 + pixels[3 * at + 2] * 7471 + 0x8000) >> 16;
  }
  return { height, width, channels: 1, pixels: grey };
}

export function toColour({ height, width, channels, pixels }) {
  if (channels === 3) return { height, width, channels, pixels };
  const colour = new Uint8Array(3 * height * width);
  for (let at = 0; at < colour.length; at++) colour[at] = pixels[Math.floor(at / 3)];
  return { height, width, channels: 3, pixels: colour };
}

// Where a picture lies in the network's frame: { top, left, height, width }.
export function place([height, width], { size, resize: rule }) {
  if (rule === "native") return { top: 0, left: 0, height, width };
  if (rule === "squash") return { top: 0, left: 0, height: size[0], width: size[1] };
  const scale = Math.min(size[0] / height, size[1] / width);
  const [tall, wide] = [height, width].map((side, axis) => Math.min(size[axis], Math.max(1, round(side * scale))));
  return { top: (size[0] - tall) >> 1, left: (size[1] - wide) >> 1, height: tall, width: wide };
}

// The picture in a frame of at least `size`, on black.
export function pad({ height, width, channels, pixels }, [tall, wide], { top, left }) {
  if (height === tall && width === wide) return { height, width, channels, pixels };
  const padded = new Uint8Array(tall * wide * channels), line = width * channels;
  for (let row = 0; row < height; row++) {
    padded.set(pixels.subarray(row * line, (row + 1) * line), ((row + top) * wide + left) * channels);
  }
  return { height: tall, width: wide, channels, pixels: padded };
}

export function fit(picture, input) {
  const box = place([picture.height, picture.width], input);
  const scaled = resize(picture, [box.height, box.width], BILINEAR);
  const frame = [Math.max(input.size[0], box.top + box.height), Math.max(input.size[1], box.left + box.width)];
  return { frame: pad(scaled, frame, box), box };
}

// Float32Array (C, h, w), (x / 255 - mean) / std.
export function normalise({ height, width, channels, pixels }, { mean, std }) {
  const count = height * width, planes = new Float32Array(channels * count);
  for (let channel = 0; channel < channels; channel++) {
    const factor = round32(1 / (255 * std[channel])), less = round32(mean[channel] / std[channel]);
    const table = Float32Array.from({ length: 256 }, (_, value) => round32(value * factor) - less);
    for (let at = 0; at < count; at++) planes[channel * count + at] = table[pixels[at * channels + channel]];
  }
  return planes;
}

function neighbours(have, want) {
  return Array.from({ length: want }, (_, index) => {
    const centre = Math.min(have - 1, Math.max(0, (index + 0.5) * (have / want) - 0.5)), first = Math.trunc(centre);
    return { first, second: Math.min(first + 1, have - 1), share: round32(centre - first) };
  });
}

const between = (one, other, share) => round32(round32(round32(other - one) * share) + one);

// One plane (h, w) of scores, cut to the box and interpolated to (H, W).
export function restore(plane, wide, box, [height, width]) {
  const inside = (row, column) => plane[(row + box.top) * wide + column + box.left];
  const across = neighbours(box.width, width), stretched = new Float32Array(box.height * width);
  for (let row = 0; row < box.height; row++) across.forEach(({ first, second, share }, column) => {
    stretched[row * width + column] = between(inside(row, first), inside(row, second), share);
  });
  const restored = new Float32Array(height * width);
  neighbours(box.height, height).forEach(({ first, second, share }, row) => {
    for (let column = 0; column < width; column++) {
      restored[row * width + column] = between(stretched[first * width + column], stretched[second * width + column], share);
    }
  });
  return restored;
}
