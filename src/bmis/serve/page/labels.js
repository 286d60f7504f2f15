// Masks as arrays of class numbers, and as pictures.

// Run lengths go down the columns, the first of them background.
export function labelsOf(result) {
  const { height, width } = result;
  const labels = new Uint8Array(height * width);
  for (const region of result.regions) {
    let place = 0, inside = false;
    for (const length of region.rle.counts) {
      if (inside) for (let at = place; at < place + length; at++) {
        labels[(at % height) * width + Math.floor(at / height)] = region.label;
      }
      place += length;
      inside = !inside;
    }
  }
  return labels;
}

export function canvas(width, height) {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  return made;
}

// A picture whose pixel at place i has the four values colour(i), or is clear.
export function pictureOf(width, height, colour) {
  const made = canvas(width, height), context = made.getContext("2d");
  const image = context.createImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    const found = colour(at);
    if (found) image.data.set(found, 4 * at);
  }
  context.putImageData(image, 0, 0);
  return made;
}

// As `bmis predict` writes a mask: black and white for two classes, else the numbers of the classes.
export function maskPicture(labels, width, height, classes) {
  const step = classes > 2 ? 1 : 255;
  return pictureOf(width, height, (at) => {
    const grey = labels[at] * step;
    return [grey, grey, grey, 255];
  });
}

export function toBlob(made) {
  return new Promise((resolve) => made.toBlob(resolve, "image/png"));
}
