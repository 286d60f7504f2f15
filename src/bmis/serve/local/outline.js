// Masks as polygons along the edges of pixels, and as run lengths: bmis.clinical.outlines.

const turn = ([bx, by], [ax, ay]) => bx * ay - by * ax; // -1 is to the left, as seen on the screen

// Steps along the edges of pixels, the object at the right: from a corner to the next ones.
function edgesOf(inside, height, width) {
  const steps = new Map(), full = (row, column) =>
    row >= 0 && column >= 0 && row < height && column < width && inside[row * width + column];
  const add = ([x, y], to) => {
    const key = y * (width + 1) + x;
    if (!steps.has(key)) steps.set(key, []);
    steps.get(key).push(to);
  };
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    const [here, above, left] = [full(y, x), full(y - 1, x), full(y, x - 1)];
    if (here && !above) add([x, y], [x + 1, y]);
    if (above && !here) add([x + 1, y], [x, y]);
    if (here && !left) add([x, y + 1], [x, y]);
    if (left && !here) add([x, y], [x, y + 1]);
  }
  return steps;
}

// One ring, taken out of the steps. A turn to the left first: what touches at a corner is one object.
function follow(steps, width, start) {
  const ring = [start];
  for (let direction = [1, 0]; ;) {
    const [x, y] = ring.at(-1), key = y * (width + 1) + x, choices = steps.get(key);
    choices.sort(([ax, ay], [bx, by]) => turn(direction, [ax - x, ay - y]) - turn(direction, [bx - x, by - y]));
    const after = choices.shift();
    if (!choices.length) steps.delete(key);
    direction = [after[0] - x, after[1] - y];
    ring.push(after);
    if (after[0] === start[0] && after[1] === start[1]) return ring;
  }
}

// Without the points between corners.
function cornersOf(ring) {
  const points = ring.slice(0, -1), kept = points.filter(([x], at) =>
    (points.at(at - 1)[0] === x) !== (x === points[(at + 1) % points.length][0]));
  return [...kept, kept[0]];
}

function area(ring) {
  let sum = 0;
  for (let at = 1; at < ring.length; at++) sum += ring[at - 1][0] * ring[at][1] - ring[at][0] * ring[at - 1][1];
  return sum;
}

function outline(inside, height, width) {
  const steps = edgesOf(inside, height, width), rings = [];
  for (const key of [...steps.keys()].sort((one, other) => one - other)) {
    const start = [key % (width + 1), Math.floor(key / (width + 1))];
    while (steps.has(key)) rings.push(cornersOf(follow(steps, width, start)));
  }
  return rings.sort((one, other) => area(other) - area(one)); // holes run the other way round
}

// For each piece the outer ring and its holes, corners as [x, y].
export function polygonsOf({ runs, count }) {
  const pieces = Array.from({ length: count }, () => []);
  for (const run of runs) pieces[run.piece].push(run);
  return pieces.map((own) => {
    const top = own[0].row, height = own.at(-1).row + 1 - top;
    let left = Infinity, right = 0;
    for (const { start, stop } of own) [left, right] = [Math.min(left, start), Math.max(right, stop)];
    const width = right - left, inside = new Uint8Array(height * width);
    for (const { row, start, stop } of own) {
      inside.fill(1, (row - top) * width + start - left, (row - top) * width + stop - left);
    }
    return outline(inside, height, width).map((ring) => ring.map(([x, y]) => [x + left, y + top]));
  });
}

// Lengths of the runs down the columns, the first of them background.
export function runLengths(labels, label, [height, width]) {
  const counts = [0];
  for (let column = 0; column < width; column++) for (let row = 0; row < height; row++) {
    const inside = labels[row * width + column] === label;
    if (inside !== (counts.length % 2 === 0)) counts.push(0);
    counts[counts.length - 1]++;
  }
  return counts;
}
