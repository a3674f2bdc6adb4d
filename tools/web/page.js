// The page: photographs in, masks out, all of it in this browser.

import { canvasOf, decode, painted, readerOf, scaled } from "./canvases.js";
import { describeModel, loadModel } from "./model.js";
import { opacity, reducePhotograph, sizeWithin } from "./pixels.js";

/** @typedef {import("./model.js").Size} Size */

const VIEW = 1000; // pixels of the longer side on the page; downloads have the full size
const THUMBNAIL = 150; // pixels
const LISTED = 10; // classes named below a photograph, those with the largest shares

/**
 * One labelled photograph. Its file is decoded again for what is downloaded.
 * @typedef {object} Result
 * @property {File} file
 * @property {Size} size of the photograph
 * @property {Size} reduced of the mask
 * @property {Uint8Array} mask class ids, row by row
 * @property {HTMLCanvasElement} view the photograph, small
 * @property {HTMLCanvasElement} tint the mask in the colours of the classes
 * @property {number} milliseconds in the model
 */

/** @type {Result[]} */
export const results = [];
/** @type {Result | undefined} */
let shown;
let wanted = true; // whether the next result is to be shown
const describing = describeModel();
const loading = describing.then((model) => loadModel(model, showProgress));
/** @type {Promise<unknown>} */
let queue = loading.catch(() => {}); // each photograph says why it is not labelled

await start();

async function start() {
  takePhotographs();
  element("opacity").addEventListener("input", setOpacity);
  element("save-mask").addEventListener("click", () => saving(saveMask));
  element("save-cut").addEventListener("click", () => saving(saveCutOut));
  try {
    introduce(await describing);
    await loading;
    say("The model is ready.");
  } catch (error) {
    complain(`The model does not load: ${reason(error)}. Load this page again to retry.`);
    say("");
  }
  element("loading").hidden = true;
}

/** @param {import("./model.js").Model} model */
function introduce({ classes, subject, facts }) {
  const title = `${subject} segmentation`;
  document.title = element("title").textContent = title[0].toUpperCase() + title.slice(1);
  const list = new Intl.ListFormat("en-GB", { type: "disjunction" });
  const names = classes.map(({ name }) => name), many = `one of ${names.length} classes`;
  const known = names.length > LISTED ? many : list.format(names);
  element("introduction").textContent = `Labels each pixel of a photograph as ${known}.`;
  element("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([term, text]) => [made("dt", term), made("dd", text)]),
  );
}

/** @param {number} arrived @param {number} total bytes */
function showProgress(arrived, total) {
  /** @type {HTMLProgressElement} */ (element("progress")).value = arrived / total;
  const megabytes = [arrived, total].map((bytes) => (bytes / 1e6).toFixed(1));
  element("arrived").textContent = `${megabytes.join(" of ")} MB`;
}

// Photographs come in.

function takePhotographs() {
  for (const name of ["files", "camera"]) {
    const input = /** @type {HTMLInputElement} */ (element(name));
    input.addEventListener("change", () => {
      add(input.files);
      input.value = ""; // so that the same photograph can be chosen again
    });
  }
  addEventListener("paste", (event) => add(event.clipboardData?.files));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dragging"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    add(event.dataTransfer?.files);
  });
}

/** @param {FileList | null | undefined} files the first of them is shown, once it is labelled */
function add(files) {
  if (!files?.length) return;
  wanted = true;
  element("errors").replaceChildren();
  for (const file of files) queue = queue.then(() => label(file));
}

/** @param {File} file */
async function label(file) {
  say(`Labelling ${file.name} …`);
  try {
    const result = await predict(file);
    results.push(result);
    list(result);
    if (wanted) await show(result);
  } catch (error) {
    complain(`${file.name} does not work: ${reason(error)}.`);
  }
  say("");
}

/** @param {File} file @returns {Promise<Result>} */
async function predict(file) {
  const [model, run] = [await describing, await loading];
  const bitmap = await decode(file);
  /** @type {Size} */
  const size = [bitmap.width, bitmap.height];
  const reduced = sizeWithin(model.longest_side, ...size);
  const rgb = reducePhotograph(readerOf(bitmap), size, reduced);
  const view = scaled(bitmap, sizeWithin(VIEW, ...size));
  bitmap.close();
  const begun = performance.now();
  const mask = await run(rgb, reduced);
  const milliseconds = performance.now() - begun;
  const tint = painted(mask, reduced, (id) => {
    const { colour, role } = model.classes[id] ?? { colour: [0, 0, 0], role: null };
    return [...colour, role === "background" ? 0 : 255];
  });
  return { file, size, reduced, mask, view, tint, milliseconds };
}

// Results are shown.

/** @param {Result} result adds it to the small ones, of which people choose */
function list(result) {
  const button = made("button", "");
  button.append(scaled(result.view, sizeWithin(THUMBNAIL, ...result.size)));
  button.title = button.ariaLabel = result.file.name;
  button.addEventListener("click", () => show(result));
  const entry = made("li", "");
  entry.append(button);
  element("gallery").append(entry);
  element("gallery").hidden = results.length < 2;
}

/** @param {Result} result */
async function show(result) {
  [shown, wanted] = [result, false];
  const { classes, subject } = await describing;
  const shares = sharesOf(result, classes);
  const words = shares.map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
  element("result").hidden = false;
  element("name").textContent = result.file.name;
  element("shares").replaceChildren(...sentence(result, shares));
  put("view", result.view, `${result.file.name}, tinted by class: ${words}`);
  put("tint", result.tint, "");
  setOpacity();
  const found = shares.some(({ role }) => role === "foreground");
  element("cut-out").hidden = !found;
  element("nothing").hidden = found || !classes.some(({ role }) => role === "foreground");
  element("nothing").textContent = `No ${subject} was found in this photograph.`;
  if (found) put("cut", await cutOut(result, result.view), `The ${subject} without its background`);
  [...element("gallery").children].forEach(({ firstElementChild }, place) => {
    /** @type {Element} */ (firstElementChild).ariaPressed = String(results[place] === result);
  });
}

/**
 * The classes that are there with their shares of the pixels, the largest first.
 * @param {Result} result @param {import("./model.js").Model["classes"]} classes
 */
function sharesOf({ mask }, classes) {
  const pixels = new Float64Array(256);
  for (const id of mask) pixels[id]++;
  return classes
    .map((entry, id) => ({ ...entry, share: pixels[id] / mask.length }))
    .filter(({ share }) => share > 0)
    .sort((one, other) => other.share - one.share);
}

/** @param {Result} result @param {ReturnType<typeof sharesOf>} shares */
function sentence({ size, milliseconds }, shares) {
  const more = shares.length > LISTED ? [made("span", `and ${shares.length - LISTED} more.`)] : [];
  const named = shares.slice(0, LISTED).map(({ name, colour, share }, place, { length }) => {
    const swatch = made("i", ""), entry = made("span", "");
    swatch.style.background = `rgb(${colour})`;
    const end = more.length || place < length - 1 ? "," : ".";
    entry.append(swatch, `${name} ${percent(share)}${end} `);
    return entry;
  });
  const taken = `${Math.round(milliseconds)} ms in the model`;
  const facts = made("span", `${size.join("x")} pixels, ${taken}`);
  facts.className = "soft";
  return [...named, ...more, facts];
}

/** @param {number} share of (0, 1]; a small one must not be taken for zero */
function percent(share) {
  return share < 0.0005 ? "<0.1%" : `${(100 * share).toFixed(1)}%`;
}

function setOpacity() {
  const { value } = /** @type {HTMLInputElement} */ (element("opacity"));
  element("tint").style.opacity = String(Number(value) / 100);
}

// Results are downloaded.

/**
 * @param {Result} result
 * @param {CanvasImageSource & {width: number, height: number}} picture the photograph, in any size
 */
async function cutOut({ mask, reduced }, picture) {
  const { classes } = await describing;
  const alpha = opacity(mask, reduced[0], classes.map(({ role }) => role));
  const { width, height } = picture;
  const { canvas, context } = canvasOf([width, height]);
  context.drawImage(picture, 0, 0);
  // What gets transparent gets black, too: nothing of the background stays in the file.
  context.globalCompositeOperation = "destination-in";
  context.drawImage(painted(alpha, reduced, (value) => [0, 0, 0, value]), 0, 0, width, height);
  return canvas;
}

/** @param {(result: Result) => unknown} work */
async function saving(work) {
  try {
    if (shown) await work(shown);
  } catch (error) { // the file may be gone, or changed
    complain(`It cannot be saved: ${reason(error)}.`);
  }
}

/** @param {Result} result in the colours of the classes; the background is transparent */
function saveMask({ tint, size }) {
  const { canvas, context } = canvasOf(size);
  context.imageSmoothingEnabled = false; // as in Python: ids cannot be blended
  context.drawImage(tint, 0, 0, ...size);
  save(canvas, "mask.png");
}

/** @param {Result} result */
async function saveCutOut(result) {
  const { subject } = await describing;
  save(await cutOut(result, await decode(result.file)), `${subject.replaceAll(" ", "_")}.png`);
}

/** @param {HTMLCanvasElement} canvas @param {string} name */
function save(canvas, name) {
  canvas.toBlob((png) => {
    if (!png) return complain(`${name} is too large for this browser.`);
    const link = document.createElement("a");
    [link.href, link.download] = [URL.createObjectURL(png), name];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

// Elements of the page.

/** @param {string} name @param {HTMLCanvasElement} picture @param {string} words what it shows */
function put(name, picture, words) {
  const canvas = /** @type {HTMLCanvasElement} */ (element(name));
  [canvas.width, canvas.height] = [picture.width, picture.height];
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(picture, 0, 0);
  if (words) canvas.ariaLabel = words;
}

/** @param {string} name */
function element(name) {
  return /** @type {HTMLElement} */ (document.getElementById(name));
}

/** @param {string} kind @param {string} text */
function made(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

/** @param {string} text */
function say(text) {
  element("status").textContent = text;
}

/** @param {string} text */
function complain(text) {
  element("errors").append(made("li", text));
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof Error ? error.message : String(error);
}
