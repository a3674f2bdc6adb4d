// The model in this browser: what is known of it, its download, and the masks that it gives.

const THREADS = 4; // more are hardly faster
const CONTROL = 10_000; // milliseconds that the service worker may take to answer for the page

/**
 * What tools/web.py says of the model, in model.json.
 * @typedef {object} Model
 * @property {string} subject what people call the foreground
 * @property {{name: string, colour: number[], role: string | null}[]} classes
 * @property {number} longest_side to which larger photographs are reduced
 * @property {Record<string, {bytes: number, sha256: string}>} downloads the model, then its runtime
 * @property {Record<string, string>} facts for people
 */

/** @typedef {[number, number]} Size width and height, in pixels */

/**
 * From RGB, row by row, to the ids of the pixels' classes.
 * @typedef {(rgb: Uint8Array, size: Size) => Promise<Uint8Array>} Run
 */

/** @returns {Promise<Model>} */
export async function describeModel() {
  await takeControl();
  return (await fetched("model.json")).json();
}

/**
 * Have the service worker answer for this page, so that all it loads is kept. Where the worker's
 * headers isolate the page, which threads need, they do so from the second load on.
 */
async function takeControl() {
  const workers = navigator.serviceWorker;
  let registration;
  try {
    registration = await workers.register("service-worker.js");
  } catch (error) {
    return console.warn("neither kept for later nor with threads:", error); // a private window
  }
  if (!workers.controller && !registration.active) { // active: people reload past the worker
    const controlled = new Promise((done) => workers.addEventListener("controllerchange", done));
    await Promise.race([controlled, new Promise((done) => setTimeout(done, CONTROL))]);
  }
  if (!crossOriginIsolated && workers.controller && !sessionStorage.getItem("isolating")) {
    sessionStorage.setItem("isolating", "tried");
    // Browsers may bring this state back from their history.
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
    location.reload();
    await new Promise(() => {});
  }
}

/**
 * @param {Model} model
 * @param {(arrived: number, total: number) => void} progress told of the bytes of the download
 * @returns {Promise<Run>}
 */
export async function loadModel(model, progress) {
  const files = Object.entries(model.downloads);
  const total = files.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  let arrived = 0;
  const note = (/** @type {number} */ bytes) => progress((arrived += bytes), total);
  const [network, wasmBinary] = await Promise.all(
    files.map(([name, { sha256 }]) => download(name, sha256, note)),
  );
  const ort = await import("./ort.wasm.bundle.min.mjs");
  const numThreads = crossOriginIsolated ? Math.min(THREADS, navigator.hardwareConcurrency) : 1;
  Object.assign(ort.env.wasm, { wasmBinary, numThreads, proxy: true }); // proxy: in a worker
  const session = await ort.InferenceSession.create(network, { logSeverityLevel: 3 });
  const [photograph, output] = [session.inputNames[0], session.outputNames[0]];
  return async (rgb, [width, height]) => {
    const feeds = { [photograph]: new ort.Tensor("uint8", rgb, [height, width, 3]) };
    const answer = await session.run(feeds, [output]);
    return /** @type {Uint8Array} */ (answer[output].data);
  };
}

/**
 * The bytes of a file, verified. Those that are wrong may have been kept: then it is fetched again.
 * @param {string} name @param {string} sha256
 * @param {(bytes: number) => void} note told of each piece
 * @param {RequestCache} cache
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function download(name, sha256, note, cache = "default") {
  const body = /** @type {ReadableStream<Uint8Array>} */ ((await fetched(name, cache)).body);
  const reader = body.getReader(), pieces = [];
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    pieces.push(/** @type {Uint8Array<ArrayBuffer>} */ (piece.value));
    note(piece.value.length);
  }
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  // Browsers have no digests where the address is not https or this machine.
  if (crypto.subtle && (await digest(bytes)) !== sha256) {
    if (cache !== "reload") return download(name, sha256, () => {}, "reload");
    throw new Error(`${name} is not the file that was published`);
  }
  return bytes;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function digest(bytes) {
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(sha256, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} name @param {RequestCache} cache */
async function fetched(name, cache = "default") {
  const response = await fetch(name, { cache });
  if (!response.ok) throw new Error(`${name}: the server says ${response.status}`);
  return response;
}
