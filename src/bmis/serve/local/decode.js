// From the bytes of a file to a picture, upright, as Python reads it.

import { decodePng, readHeader } from "./png.js";

const MOST_PIXELS = 50_000_000; // as the service takes by default
const KINDS = [
  ["png", /^\x89PNG\r\n\x1a\n/], ["jpeg", /^\xff\xd8\xff/], ["bmp", /^BM/], ["gif", /^GIF8/], ["webp", /^RIFF....WEBP/s],
];
const END_OF_JPEG = [0xff, 0xd9];

// Why a file gives no picture: a word of the page's texts, and what is put into it.
export class Refused extends Error {
  constructor(word, values = {}) {
    super(word);
    this.values = values;
  }
}

const letters = (bytes, start, end) => String.fromCharCode(...bytes.subarray(start, end));

// Where the blocks of a GIF that a length byte announces end.
function behindBlocks(bytes, at) {
  while (at < bytes.length && bytes[at]) at += bytes[at] + 1;
  return at + 1;
}

function framesOfGif(bytes) {
  const table = (flags) => (flags & 128 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + table(bytes[10]), frames = 0;
  while (at < bytes.length && bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) at = behindBlocks(bytes, at + 2);
    else if (bytes[at] === 0x2c) {
      frames += 1;
      at = behindBlocks(bytes, at + 11 + table(bytes[at + 9]));
    } else break;
  }
  return frames;
}

function isFilm(kind, bytes, header) {
  if (kind === "png") return header.names.has("acTL");
  if (kind === "gif") return framesOfGif(bytes) > 1;
  return kind === "webp" && letters(bytes, 12, 16) === "VP8X" && Boolean(bytes[20] & 2);
}

// Chromium refuses what is cut off by itself; other browsers may show the part that is there.
export function isCut(kind, bytes, header) {
  if (kind === "png") return !header.names.has("IEND");
  if (kind === "gif") return bytes.at(-1) !== 0x3b;
  if (kind !== "jpeg") return false;
  const tail = bytes.subarray(-65536);
  return !tail.some((byte, at) => byte === END_OF_JPEG[0] && tail[at + 1] === END_OF_JPEG[1]);
}

async function byBrowser(blob) {
  // pixels as they are stored: no profile, no gamma
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  checkSize(width, height);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    if (data[from + 3] < 255) throw new Refused("see_through");
    for (let channel = 0; channel < 3; channel++) pixels[to++] = data[from + channel];
  }
  return { height, width, channels: 3, pixels };
}

function checkSize(width, height) {
  const most = MOST_PIXELS / 1e6;
  if (width * height > MOST_PIXELS) throw new Refused("too_large", { count: Math.ceil((width * height) / 1e6), most });
}

export async function decode(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer()), start = letters(bytes, 0, 16);
  const [kind] = KINDS.find(([, magic]) => magic.test(start)) ?? [];
  if (!kind) throw new Refused("not_here");
  try {
    const header = kind === "png" ? readHeader(bytes) : null;
    if (header) checkSize(header.width, header.height);
    if (isFilm(kind, bytes, header)) throw new Refused("several");
    if (isCut(kind, bytes, header)) throw new Refused("damaged");
    const isDeep = header && (header.depth === 16 || header.colour > 3 || header.names.has("tRNS"));
    return await (isDeep ? decodePng(header) : byBrowser(blob));
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("damaged");
  }
}
