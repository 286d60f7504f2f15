// Numbers as Python and NumPy round and interpolate them.

// Halves go to the even number.
export function round(value) {
  const below = Math.floor(value), rest = value - below;
  return rest === 0.5 ? below + (below % 2) : Math.round(value);
}

export function quantile(sorted, share) {
  const place = (sorted.length - 1) * share, below = Math.floor(place), part = place - below;
  const low = sorted[below], high = sorted[Math.min(below + 1, sorted.length - 1)];
  return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}
