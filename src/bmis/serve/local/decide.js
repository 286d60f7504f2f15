// From scores to classes, and how much of them to believe: bmis.predict.decisions and confidence.
// Planes are Float32Arrays (H, W), one for each class.

const EDGE = 1e-3; // nearest to 0 and 1 that a share counts as

export const logOdds = (probability) => Math.fround(Math.log(probability / (1 - probability)));
const sigmoid = (odds) => 1 / (1 + Math.exp(Math.min(-odds, 80)));

// The class of each pixel; among equals the first.
export function classesOf(planes, threshold) {
  const [first, second, ...others] = planes, shift = logOdds(threshold), labels = new Uint8Array(first.length);
  for (let at = 0; at < labels.length; at++) {
    labels[at] = second ? second[at] > Math.fround(first[at] + shift) : first[at] > shift;
  }
  if (!others.length) return labels;
  const best = first.map((score, at) => Math.max(score, second[at]));
  others.forEach((plane, index) => plane.forEach((score, at) => {
    if (score > best[at]) [labels[at], best[at]] = [index + 2, score];
  }));
  return labels;
}

// Softmax over the classes, sigmoid for a single one.
export function probabilitiesOf(planes) {
  if (planes.length === 1) return [planes[0].map(sigmoid)];
  const made = planes.map((plane) => new Float32Array(plane.length));
  for (let at = 0; at < planes[0].length; at++) {
    let most = -Infinity, sum = 0;
    for (const plane of planes) most = Math.max(most, plane[at]);
    for (let index = 0; index < planes.length; index++) sum += made[index][at] = Math.exp(planes[index][at] - most);
    for (const plane of made) plane[at] /= sum;
  }
  return made;
}

// Sums up the soft Dice of a picture, strip by strip.
export class SoftDice {
  #sums; // of each class: probability inside, all probability, pixels

  constructor(classes, threshold) {
    this.threshold = threshold;
    this.#sums = Array.from({ length: Math.max(1, classes - 1) }, () => [0, 0, 0]);
  }

  add(planes) {
    if (planes.length > 2) {
      const every = probabilitiesOf(planes), most = every[0].map((_, at) => Math.max(...every.map((plane) => plane[at])));
      every.slice(1).forEach((plane, index) => this.#count(index, plane, (at) => plane[at] === most[at]));
      return;
    }
    const [first, second] = planes, limit = logOdds(this.threshold);
    const odds = second ? second.map((score, at) => score - first[at]) : first;
    this.#count(0, odds.map(sigmoid), (at) => odds[at] > limit);
  }

  #count(index, plane, inside) {
    const sums = this.#sums[index];
    for (let at = 0; at < plane.length; at++) {
      sums[1] += plane[at];
      if (inside(at)) {
        sums[0] += plane[at];
        sums[2] += 1;
      }
    }
  }

  // The mean over the classes that the mask shows; null for an empty mask.
  value() {
    const shown = this.#sums.filter(([, , pixels]) => pixels);
    if (!shown.length) return null;
    return shown.reduce((sum, [both, all, pixels]) => sum + (2 * both) / (all + pixels), 0) / shown.length;
  }
}

export function expectedDice(soft, { intercept, slope, empty }) {
  if (soft === null) return empty;
  const share = Math.min(Math.max(soft, EDGE), 1 - EDGE);
  return sigmoid(intercept + slope * logOdds(share));
}
