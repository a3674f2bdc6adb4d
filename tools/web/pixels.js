// Arithmetic on pixels that gives the same bytes as Python's: photographs reduced as Pillow reduces
// them, and the opacity of a cut-out as in pipeline/deploy/results.py.

const BITS = 22; // of the fractions of Pillow's weights
const HALF = 2 ** (BITS - 1);
const STRIP = 2 ** 22; // pixels of a photograph read at a time
const FAR = 1e20; // a squared distance beyond any other

/**
 * Width and height of a picture that is reduced to its longest side, if it is larger.
 * @param {number} longest @param {number} width @param {number} height
 * @returns {[number, number]}
 */
export function sizeWithin(longest, width, height) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, roundHalfEven(width * scale)), Math.max(1, roundHalfEven(height * scale))];
}

/** @param {number} number @returns {number} as Python rounds */
function roundHalfEven(number) {
  const rounded = Math.round(number);
  return Math.abs(number % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/**
 * Reduce a photograph as Pillow's bilinear filter does, rows first; at its own size it is copied.
 * @param {(top: number, rows: number) => Uint8ClampedArray} read gives rows of RGBA
 * @param {[number, number]} size its width and height
 * @param {[number, number]} target those to reach
 * @returns {Uint8Array} RGB, row by row
 */
export function reducePhotograph(read, [width, height], [toWidth, toHeight]) {
  const narrow = new Uint8Array(toWidth * height * 3);
  const across = filterOf(width, toWidth);
  const strip = Math.max(1, Math.floor(STRIP / width));
  for (let top = 0; top < height; top += strip) {
    const rows = Math.min(strip, height - top);
    const pixels = read(top, rows);
    for (let row = 0; row < rows; row++) {
      const to = narrow.subarray((top + row) * toWidth * 3);
      narrowRow(pixels.subarray(row * width * 4), to, across);
    }
  }
  return lower(narrow, toWidth * 3, filterOf(height, toHeight));
}

/** @typedef {{starts: Int32Array, counts: Int32Array, weights: Int32Array, step: number}} Filter */

/**
 * Which pixels each reduced one is the weighted sum of: a triangle as wide as two reduced pixels.
 * @param {number} size @param {number} target @returns {Filter}
 */
function filterOf(size, target) {
  const scale = size / target, reach = Math.max(scale, 1), step = Math.ceil(reach) * 2 + 1;
  const [starts, counts] = [new Int32Array(target), new Int32Array(target)];
  const weights = new Int32Array(target * step);
  for (let place = 0; place < target; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const count = Math.min(size, Math.trunc(centre + reach + 0.5)) - start;
    const shares = Array.from({ length: count }, (_, tap) => {
      return Math.max(0, 1 - Math.abs((tap + start - centre + 0.5) * (1 / reach)));
    });
    const sum = shares.reduce((total, share) => total + share, 0);
    shares.forEach((share, tap) => {
      weights[place * step + tap] = Math.trunc(0.5 + (share / sum) * 2 ** BITS);
    });
    [starts[place], counts[place]] = [start, count];
  }
  return { starts, counts, weights, step };
}

/** @param {Uint8ClampedArray} from RGBA @param {Uint8Array} to RGB @param {Filter} filter */
function narrowRow(from, to, { starts, counts, weights, step }) {
  for (let place = 0; place < starts.length; place++) {
    let red = HALF, green = HALF, blue = HALF;
    for (let tap = 0; tap < counts[place]; tap++) {
      const weight = weights[place * step + tap], pixel = (starts[place] + tap) * 4;
      red += from[pixel] * weight;
      green += from[pixel + 1] * weight;
      blue += from[pixel + 2] * weight;
    }
    to[place * 3] = red >> BITS;
    to[place * 3 + 1] = green >> BITS;
    to[place * 3 + 2] = blue >> BITS;
  }
}

/** @param {Uint8Array} from @param {number} stride bytes a row @param {Filter} filter */
function lower(from, stride, { starts, counts, weights, step }) {
  const to = new Uint8Array(stride * starts.length), sums = new Int32Array(stride);
  for (let row = 0; row < starts.length; row++) {
    sums.fill(HALF);
    for (let tap = 0; tap < counts[row]; tap++) {
      const weight = weights[row * step + tap], above = (starts[row] + tap) * stride;
      for (let place = 0; place < stride; place++) sums[place] += from[above + place] * weight;
    }
    for (let place = 0; place < stride; place++) to[row * stride + place] = sums[place] >> BITS;
  }
  return to;
}

/**
 * How opaque each pixel of a cut-out is: 255 on the foreground, 0 where it is not. Across the rim,
 * it falls with the distance from the foreground and rises with the distance from the rest.
 * @param {Uint8Array} mask class ids @param {number} width @param {(string | null)[]} roles
 * @returns {Uint8ClampedArray}
 */
export function opacity(mask, width, roles) {
  const inside = mask.map((id) => Number(roles[id] === "foreground"));
  const outside = mask.map((id) => Number(roles[id] !== "foreground" && roles[id] !== "rim"));
  const alpha = new Uint8ClampedArray(outside.map((rest) => 255 * (1 - rest)));
  if (!inside.includes(1) || !outside.includes(1)) return alpha;
  const toInside = squaredDistances(inside, width), toOutside = squaredDistances(outside, width);
  for (let place = 0; place < mask.length; place++) {
    if (inside[place] || outside[place]) continue;
    const [near, far] = [Math.sqrt(toInside[place]), Math.sqrt(toOutside[place])];
    alpha[place] = 255 * (far / (near + far)); // the array rounds, a half to the even number
  }
  return alpha;
}

/**
 * From each pixel to the nearest that is 1 (Felzenszwalb and Huttenlocher 2012).
 * @param {Uint8Array} ones @param {number} width @returns {Float64Array}
 */
function squaredDistances(ones, width) {
  const height = ones.length / width, longest = Math.max(width, height);
  const squares = Float64Array.from(ones, (one) => (one ? 0 : FAR));
  const [line, ends] = [new Float64Array(longest), new Float64Array(longest + 1)];
  const work = { line, ends, lowest: new Int32Array(longest) };
  for (let x = 0; x < width; x++) distancesAlong(squares, x, width, height, work);
  for (let y = 0; y < height; y++) distancesAlong(squares, y * width, 1, width, work);
  return squares;
}

/**
 * Replace one line of squared distances by the lowest of the parabolas that stand on them.
 * @param {Float64Array} squares @param {number} first @param {number} step @param {number} count
 * @param {{line: Float64Array, lowest: Int32Array, ends: Float64Array}} work
 */
function distancesAlong(squares, first, step, count, { line, lowest, ends }) {
  for (let place = 0; place < count; place++) line[place] = squares[first + place * step];
  let last = 0;
  [lowest[0], ends[0], ends[1]] = [0, -Infinity, Infinity];
  for (let place = 1; place < count; place++) {
    let meet;
    for (;;) {
      const other = lowest[last];
      meet = (line[place] + place * place - line[other] - other * other) / (2 * (place - other));
      if (meet > ends[last]) break;
      last--;
    }
    last++;
    [lowest[last], ends[last], ends[last + 1]] = [place, meet, Infinity];
  }
  for (let place = 0, at = 0; place < count; place++) {
    while (ends[at + 1] < place) at++;
    squares[first + place * step] = (place - lowest[at]) ** 2 + line[lowest[at]];
  }
}
