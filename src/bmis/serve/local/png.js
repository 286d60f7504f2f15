// A PNG with transparency or 16 bits, decoded to the values that it stores: a canvas would blend
// the one and cut the other. As in Python, transparency is dropped and deep grey is stretched.

import { stretch } from "./stretch.js";

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by the type of colour
const ADAM7 = [[0, 0, 8, 8], [0, 4, 8, 8], [4, 0, 8, 4], [0, 2, 4, 4], [2, 0, 4, 2], [0, 1, 2, 2], [1, 0, 2, 1]];

function* chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = view.getUint32(at), name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield [name, bytes.subarray(at + 8, at + 8 + length)];
    at += length + 12;
  }
}

export function readHeader(bytes) {
  const found = { names: new Set(), palette: null, data: [] };
  for (const [name, content] of chunks(bytes)) {
    found.names.add(name);
    if (name === "IHDR") {
      const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
      [found.width, found.height] = [view.getUint32(0), view.getUint32(4)];
      [found.depth, found.colour, found.interlaced] = [content[8], content[9], content[12] === 1];
    } else if (name === "PLTE") found.palette = content;
    else if (name === "IDAT") found.data.push(content);
  }
  return found;
}

// Exactly `size` bytes; more or fewer are an error.
async function inflate(parts, size) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const made = new Uint8Array(size);
  let at = 0;
  for (let reader = stream.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > size) throw new Error("more rows than there are");
    made.set(value, at);
    at += value.length;
  }
  if (at < size) throw new Error("rows are missing");
  return made;
}

function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [one, two, three] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  return one <= two && one <= three ? left : two <= three ? above : corner;
}

// Undo what each row says was done to it, in place; `step` bytes are a pixel.
function unfilter(rows, height, line, step) {
  for (let row = 0, at = 0; row < height; row++, at += line + 1) {
    const kind = rows[at];
    if (kind > 4) throw new Error("an unknown filter");
    for (let byte = 1; byte <= line; byte++) {
      const left = byte > step ? rows[at + byte - step] : 0, above = row ? rows[at + byte - line - 1] : 0;
      const corner = row && byte > step ? rows[at + byte - line - 1 - step] : 0;
      const guess = [0, left, above, (left + above) >> 1, kind === 4 ? paeth(left, above, corner) : 0][kind];
      rows[at + byte] += guess;
    }
  }
}

// The value of a channel at a place of an unfiltered row.
function valueAt(rows, start, index, depth) {
  if (depth === 8) return rows[start + index];
  if (depth === 16) return (rows[start + 2 * index] << 8) | rows[start + 2 * index + 1];
  const bit = index * depth;
  return (rows[start + (bit >> 3)] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

async function valuesOf({ width, height, depth, colour, interlaced, data }) {
  const channels = CHANNELS[colour], values = new Uint16Array(width * height * channels);
  const passes = (interlaced ? ADAM7 : [[0, 0, 1, 1]]).map(([top, left, down, across]) => {
    const tall = Math.ceil((height - top) / down), wide = Math.ceil((width - left) / across);
    return { top, left, down, across, tall, wide, line: Math.ceil((wide * channels * depth) / 8) };
  }).filter(({ tall, wide }) => tall > 0 && wide > 0);
  const all = await inflate(data, passes.reduce((sum, { tall, line }) => sum + tall * (line + 1), 0));
  let begin = 0;
  for (const { top, left, down, across, tall, wide, line } of passes) {
    const rows = all.subarray(begin, begin += tall * (line + 1));
    unfilter(rows, tall, line, Math.max(1, (channels * depth) >> 3));
    for (let row = 0; row < tall; row++) for (let index = 0; index < wide * channels; index++) {
      const column = left + Math.floor(index / channels) * across;
      values[((top + row * down) * width + column) * channels + (index % channels)] = valueAt(rows, row * (line + 1) + 1, index, depth);
    }
  }
  return values;
}

export async function decodePng(header) {
  const { width, height, depth, colour, palette } = header, stored = CHANNELS[colour];
  const values = await valuesOf(header), count = width * height;
  if (colour === 0 && depth === 16) return { height, width, channels: 1, pixels: stretch(values, height, width) };
  const channels = stored > 2 || colour === 3 ? 3 : 1, pixels = new Uint8Array(count * channels);
  const scaled = depth === 16 ? (value) => value >> 8 : (value) => value * (255 / ((1 << depth) - 1));
  for (let at = 0; at < count; at++) for (let channel = 0; channel < channels; channel++) {
    const value = values[at * stored + (colour === 3 ? 0 : channel)];
    pixels[at * channels + channel] = colour === 3 ? palette[3 * value + channel] : scaled(value);
  }
  return { height, width, channels, pixels };
}
