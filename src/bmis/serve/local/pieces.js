// Connected pixels of a mask, and the rules on them: bmis.predict.objects and pieces.

// Runs along the rows, { row, start, stop, piece }, and how many pieces there are; the pieces are
// numbered from 0 by their first pixels. `inside(at)` says whether a pixel belongs.
export function findRuns(height, width, inside, corners = true) {
  const runs = [], reach = corners ? 0 : 1;
  let above = 0, row = 0; // the first run of the row above that can still touch
  const begin = [];
  for (; row < height; row++) {
    begin.push(runs.length);
    for (let column = 0; column < width; column++) {
      if (!inside(row * width + column)) continue;
      const start = column;
      while (column < width && inside(row * width + column)) column++;
      runs.push({ row, start, stop: column, piece: runs.length });
    }
  }
  begin.push(runs.length);
  const root = (at) => {
    while (runs[at].piece !== at) at = runs[at].piece = runs[runs[at].piece].piece;
    return at;
  };
  for (row = 1; row < height; row++) {
    above = begin[row - 1];
    for (let at = begin[row]; at < begin[row + 1]; at++) {
      while (above < begin[row] && runs[above].stop < runs[at].start + reach) above++;
      for (let other = above; other < begin[row] && runs[other].start + reach <= runs[at].stop; other++) {
        const [low, high] = [root(other), root(at)].sort((one, two) => one - two);
        runs[high].piece = low;
      }
    }
  }
  const numbers = new Map();
  for (const at of runs.keys()) {
    const own = root(at);
    if (!numbers.has(own)) numbers.set(own, numbers.size);
  }
  const pieces = runs.map((_, at) => numbers.get(root(at)));
  runs.forEach((run, at) => (run.piece = pieces[at]));
  return { runs, count: numbers.size };
}

function sizesOf({ runs, count }) {
  const sizes = new Array(count).fill(0);
  for (const { start, stop, piece } of runs) sizes[piece] += stop - start;
  return sizes;
}

function remove(labels, [height, width], label, isGone) {
  const found = findRuns(height, width, (at) => labels[at] === label), sizes = sizesOf(found);
  const largest = sizes.indexOf(sizes.reduce((most, size) => Math.max(most, size), 0));
  const gone = sizes.map((size, piece) => isGone(size, piece === largest));
  for (const { row, start, stop, piece } of found.runs) {
    if (gone[piece]) labels.fill(0, row * width + start, row * width + stop);
  }
}

// Background that one class surrounds becomes that class.
function fillHoles(labels, [height, width]) {
  const found = findRuns(height, width, (at) => !labels[at], false);
  const around = Array.from({ length: found.count }, () => new Set());
  for (const { row, start, stop, piece } of found.runs) {
    if (row === 0 || row === height - 1 || start === 0 || stop === width) {
      around[piece].add(0);
      continue;
    }
    around[piece].add(labels[row * width + start - 1]).add(labels[row * width + stop]);
    for (let column = start; column < stop; column++) for (const next of [row - 1, row + 1]) {
      const label = labels[next * width + column];
      if (label) around[piece].add(label);
    }
  }
  for (const { row, start, stop, piece } of found.runs) {
    if (around[piece].size === 1) labels.fill([...around[piece]][0], row * width + start, row * width + stop);
  }
}

// Apply the rules of a bundle to labels (H, W), in place.
export function clean(labels, [height, width], rules) {
  const least = rules.smallest_size * labels.length, size = [height, width];
  const classes = [...new Set(labels)].filter(Boolean).sort((one, two) => one - two);
  if (least > 1) for (const label of classes) remove(labels, size, label, (pixels) => pixels < least);
  if (rules.fill_holes) fillHoles(labels, size);
  if (rules.largest_piece) for (const label of classes) {
    remove(labels, size, label, (_, isLargest) => !isLargest);
  }
}
