// A picture with its mask on a canvas, in the size that the canvas is shown in.

import { pictureOf } from "./labels.js";

const LINE = 2; // width of a contour in pixels of the screen
const HALO = 4; // and of the dark line below it, so that it shows on any picture
const UNSURE = [64, 191]; // grey values of probabilities below 3 to 1, as `bmis predict --overlay` tints
const RIM = [255, 0, 200, 170];

export function draw(context, scale, { picture, result, drawn, options }) {
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  if (picture) context.drawImage(picture, 0, 0, width, height);
  if (drawn) drawByHand(context, scale, drawn, result, options);
  else if (result?.regions) for (const region of result.regions) drawRegion(context, scale, region, options);
  if (options.rim && result?.rim) context.drawImage(result.rim, 0, 0, width, height);
}

function drawRegion(context, scale, region, options) {
  const path = new Path2D();
  for (const rings of region.polygons ?? []) for (const ring of rings) {
    ring.forEach(([x, y], index) => path[index ? "lineTo" : "moveTo"](x * scale, y * scale));
    path.closePath();
  }
  const colour = `rgb(${region.colour.join(" ")})`;
  if (options.fill) {
    context.globalAlpha = options.opacity;
    context.fillStyle = colour;
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
  }
  if (options.contour) strokeContour(context, path, colour);
}

function strokeContour(context, path, colour) {
  const wide = devicePixelRatio;
  stroke(context, path, HALO * wide, "rgb(0 0 0 / 55%)");
  stroke(context, path, LINE * wide, colour);
}

function stroke(context, path, width, colour) {
  context.lineJoin = "round";
  context.lineCap = "square";
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke(path);
}

function drawByHand(context, scale, drawn, result, options) {
  const { width, height } = result;
  const colours = Object.fromEntries(result.regions.map((region) => [region.label, region.colour]));
  if (options.fill) fillByHand(context, drawn, result, colours, options.opacity);
  if (!options.contour) return;
  const edges = edgesOf(drawn, width, height, scale);
  for (const [label, path] of Object.entries(edges)) strokeContour(context, path, `rgb(${colours[label].join(" ")})`);
}

function fillByHand(context, drawn, { width, height }, colours, opacity) {
  const alpha = Math.round(255 * opacity);
  const mask = pictureOf(width, height, (at) => drawn[at] && [...colours[drawn[at]], alpha]);
  context.imageSmoothingEnabled = false;
  context.drawImage(mask, 0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = true;
}

// The sides of pixels at which each class ends, as paths by their classes.
function edgesOf(labels, width, height, scale) {
  const paths = {};
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : labels[y * width + x]);
  const side = (one, other, x, y, toX, toY) => {
    if (one !== other) for (const label of [one, other]) if (label) {
      const path = (paths[label] ??= new Path2D());
      path.moveTo(x * scale, y * scale);
      path.lineTo(toX * scale, toY * scale);
    }
  };
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    side(at(x, y), at(x, y - 1), x, y, x + 1, y);
    side(at(x, y), at(x - 1, y), x, y, x, y + 1);
  }
  return paths;
}

// Where a network is neither sure of a class nor of its absence, as a picture.
export async function rimOf(result, blobOf) {
  const { width, height } = result;
  const unsure = new Uint8Array(width * height);
  for (const region of result.regions) {
    const bitmap = await createImageBitmap(blobOf(region.probability));
    const made = new OffscreenCanvas(width, height).getContext("2d");
    made.drawImage(bitmap, 0, 0);
    const { data } = made.getImageData(0, 0, width, height);
    for (let at = 0; at < unsure.length; at++) {
      if (data[4 * at] > UNSURE[0] && data[4 * at] < UNSURE[1]) unsure[at] = 1;
    }
  }
  return pictureOf(width, height, (at) => unsure[at] && RIM);
}
