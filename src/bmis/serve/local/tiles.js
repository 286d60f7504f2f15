// Large pictures in overlapping windows, merged without seams: bmis.predict.tiling.

const OVERLAP = 0.5; // of neighbouring windows

function starts(length, window, stride) {
  if (length <= window) return [0];
  const step = Math.max(1, Math.floor(Math.floor(window * (1 - OVERLAP)) / stride));
  const left = Math.floor((length - window) / stride), count = Math.ceil(left / step) + 1;
  return Array.from({ length: count }, (_, index) => Math.floor((left * index) / (count - 1)) * stride);
}

function taper(height, width) {
  const [down, across] = [height, width].map((side) =>
    Array.from({ length: side }, (_, at) => Math.sin((Math.PI * (at + 0.5)) / side) ** 2));
  return Float32Array.from({ length: height * width }, (_, at) => down[Math.floor(at / width)] * across[at % width]);
}

function cut({ width, channels, pixels }, top, left, [tall, wide]) {
  const made = new Uint8Array(tall * wide * channels);
  for (let row = 0; row < tall; row++) {
    const from = ((top + row) * width + left) * channels;
    made.set(pixels.subarray(from, from + wide * channels), row * wide * channels);
  }
  return { height: tall, width: wide, channels, pixels: made };
}

// Strips from top to bottom that cover every row once: { top, rows, planes }, whose planes are
// (rows, W) means of what infer(window) gives, (K, h, w), weighted by the taper.
export async function* tiled(picture, window, stride, infer) {
  const { height, width } = picture, [tall, wide] = window, size = tall * width;
  const tops = starts(height, tall, stride), lefts = starts(width, wide, stride), weights = taper(tall, wide);
  const total = new Float32Array(size);
  let sums = [];
  for (const [index, top] of tops.entries()) {
    for (const left of lefts) {
      const scores = await infer(cut(picture, top, left, window));
      if (!sums.length) sums = Array.from({ length: scores.length / (tall * wide) }, () => new Float32Array(size));
      for (let at = 0; at < weights.length; at++) {
        const to = Math.floor(at / wide) * width + left + (at % wide);
        total[to] += weights[at];
        sums.forEach((plane, kind) => (plane[to] += Math.fround(scores[kind * weights.length + at] * weights[at])));
      }
    }
    const rows = (tops[index + 1] ?? height) - top, done = rows * width;
    yield { top, rows, planes: sums.map((plane) => plane.slice(0, done).map((sum, at) => sum / total[at])) };
    for (const band of [...sums, total]) band.copyWithin(0, done).fill(0, size - done);
  }
}
