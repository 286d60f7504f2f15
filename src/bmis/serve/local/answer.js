// What the page is told of a mask: the JSON of the service (bmis.serve.answers), made here.

import { measure } from "./measure.js";
import { polygonsOf, runLengths } from "./outline.js";
import { findRuns } from "./pieces.js";

const MOST_RUNS = 500_000; // of a mask whose outlines are drawn

// Label and name of each class that is no background.
const foreground = (classes) => (classes.length > 1 ? [...classes.entries()].slice(1) : [[1, classes[0]]]);

function region(labels, label, { size, spacing }) {
  const found = findRuns(...size, (at) => labels[at] === label);
  const counts = runLengths(labels, label, size);
  return {
    objects: found.count,
    ...measure(found.runs, size, spacing),
    polygons: counts.length > MOST_RUNS ? null : polygonsOf(found),
    rle: { size, counts },
  };
}

// A picture of the answer; `inPng` turns a plane of probabilities into a PNG in base64.
export async function describePicture(name, picture, found, { network, spacing, inPng }) {
  const size = [picture.height, picture.width], regions = [];
  for (const [label, title] of foreground(network.classes)) {
    const plane = found.probabilities?.at(Math.min(label, found.probabilities.length - 1));
    const probability = plane ? await inPng(plane, size) : null;
    regions.push({
      label, class: title, colour: network.colours[label],
      ...region(found.labels, label, { size, spacing }), probability,
    });
  }
  const { ood_score, expected_dice } = found, out_of_distribution = ood_score === null ? null : ood_score > 1;
  return {
    name, height: size[0], width: size[1], spacing, ood_score, out_of_distribution, expected_dice,
    expected_dice_note: expected_dice !== null && out_of_distribution ? network.does_not_hold : null,
    regions, picture: null, error: null,
  };
}
