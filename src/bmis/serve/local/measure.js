// Area, place and longest diameter of one class of a mask: bmis.predict.measurements.

// Whether b, a place (row, column), lies on the line from a down to c or right of it: no corner.
const bendsIn = ([ay, ax], [by, bx], [cy, cx]) => (bx - ax) * (cy - ay) >= (cx - ax) * (by - ay);

function chain(points) {
  const kept = [];
  for (const point of points) {
    while (kept.length > 1 && bendsIn(kept.at(-2), kept.at(-1), point)) kept.pop();
    kept.push(point);
  }
  return kept;
}

// Corners (row, column) of the convex hull of the pixels; rows are [row, first, behind last].
function hull(rows) {
  const edges = (side, sign) => rows.flatMap((row) => [[row[0], sign * row[side]], [row[0] + 1, sign * row[side]]]);
  return [...chain(edges(1, 1)), ...chain(edges(2, -1)).map(([row, column]) => [row, -column])];
}

function longest(points, [down, across]) {
  let most = 0;
  for (const [row, column] of points) for (const [other, next] of points) {
    most = Math.max(most, (down * (row - other)) ** 2 + (across * (column - next)) ** 2);
  }
  return Math.sqrt(most);
}

// Runs as `findRuns` gives them; spacing is millimetres per pixel [down, across], or null.
export function measure(runs, [height, width], spacing) {
  const rows = new Map();
  let area = 0, down = 0, across = 0, left = width, right = 0;
  for (const { row, start, stop } of runs) {
    const pixels = stop - start, known = rows.get(row);
    rows.set(row, [row, known?.[1] ?? start, stop]);
    area += pixels;
    down += pixels * (row + 0.5);
    across += (pixels * (start + stop)) / 2;
    left = Math.min(left, start);
    right = Math.max(right, stop);
  }
  const area_mm2 = spacing && area * spacing[0] * spacing[1];
  if (!area) return { area_px: 0, area_mm2, fraction: 0, box: null, centroid: null, diameter_px: null, diameter_mm: null };
  const lines = [...rows.values()], corners = hull(lines), top = lines[0][0];
  return {
    area_px: area, area_mm2, fraction: area / (height * width),
    box: [top, left, lines.at(-1)[0] + 1 - top, right - left], centroid: [down / area, across / area],
    diameter_px: longest(corners, [1, 1]), diameter_mm: spacing && longest(corners, spacing),
  };
}
