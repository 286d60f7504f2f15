// Pillow's resize of 8-bit pixels, to the last bit: antialiased, in fixed point.
// A picture is { height, width, channels, pixels }, its pixels a Uint8Array of (H, W, C).

const BITS = 22; // of the fraction in a weight

export const BOX = { reach: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
export const BILINEAR = { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

// For each of `want` positions the first of the `have` that count, and their weights.
function kernels(have, want, filter) {
  const scale = have / want, widened = Math.max(1, scale), reach = filter.reach * widened;
  return Array.from({ length: want }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(have, Math.trunc(centre + reach + 0.5));
    const found = new Float64Array(end - first);
    let sum = 0;
    for (let at = 0; at < found.length; at++) sum += found[at] = filter.weight((at + first - centre + 0.5) * (1 / widened));
    return { first, weights: Int32Array.from(found, (weight) => Math.trunc(0.5 + (weight / sum) * 2 ** BITS)) };
  });
}

const clip = (sum) => Math.min(255, Math.max(0, sum >> BITS));

// Lines of `have` positions become lines of `want`; a position is `step` values apart from the next.
function along(pixels, lines, have, want, { step, filter }) {
  const made = new Uint8Array(lines * want * step), found = kernels(have, want, filter);
  for (let line = 0, to = 0; line < lines; line++) for (const { first, weights } of found) {
    const from = (line * have + first) * step;
    for (let value = from; value < from + step; value++) {
      let sum = 2 ** (BITS - 1);
      for (let at = 0; at < weights.length; at++) sum += weights[at] * pixels[value + at * step];
      made[to++] = clip(sum);
    }
  }
  return made;
}

const across = (it, wide, filter) => wide === it.width ? it : {
  ...it, width: wide, pixels: along(it.pixels, it.height, it.width, wide, { step: it.channels, filter }),
};
const down = (it, tall, filter) => tall === it.height ? it : {
  ...it, height: tall, pixels: along(it.pixels, 1, it.height, tall, { step: it.width * it.channels, filter }),
};

export function resize(picture, [tall, wide], filter) {
  const fewer = picture.height - tall;
  // the order decides about the last bit; before version 13 Pillow always went across first
  if (fewer > 0 && fewer > 2 * (picture.width - wide)) return across(down(picture, tall, filter), wide, filter);
  return down(across(picture, wide, filter), tall, filter);
}
