// Photographs are read, and pictures drawn, on canvases.

/** @typedef {import("./model.js").Size} Size */

// As Python's decoder: upright, and the colours as they are stored.
/** @type {ImageBitmapOptions} */
const DECODING = { imageOrientation: "from-image", colorSpaceConversion: "none" };

/** @param {File} file */
export async function decode(file) {
  try {
    return await createImageBitmap(file, DECODING);
  } catch {
    throw new Error("this browser cannot read it as a picture");
  }
}

/** @param {ImageBitmap} bitmap gives its rows as RGBA; what is transparent is on white */
export function readerOf(bitmap) {
  return (/** @type {number} */ top, /** @type {number} */ rows) => {
    const { context } = canvasOf([bitmap.width, rows]);
    context.fillStyle = "white";
    context.fillRect(0, 0, bitmap.width, rows);
    context.drawImage(bitmap, 0, -top);
    return context.getImageData(0, 0, bitmap.width, rows).data;
  };
}

/** @param {Size} size */
export function canvasOf([width, height]) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return { canvas, context: /** @type {CanvasRenderingContext2D} */ (context) };
}

/** @param {CanvasImageSource} picture @param {Size} size */
export function scaled(picture, size) {
  const { canvas, context } = canvasOf(size);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, ...size);
  return canvas;
}

/**
 * @param {Uint8Array | Uint8ClampedArray} values one a pixel @param {Size} size
 * @param {(value: number) => number[]} colour of a value, as RGBA
 */
export function painted(values, size, colour) {
  const table = Array.from({ length: 256 }, (_, value) => colour(value));
  const { canvas, context } = canvasOf(size);
  const pixels = context.createImageData(...size);
  values.forEach((value, place) => pixels.data.set(table[value], 4 * place));
  context.putImageData(pixels, 0, 0);
  return canvas;
}
