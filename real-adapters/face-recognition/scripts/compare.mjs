// Runs face-api on Node and this function on the same pixels of the same photos, and prints two tables: whether they
// agree, and how long each takes on one core.
//
//   npm install --prefix DIR @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 sharp@0.33.5
//   cargo build --release -p faas-lab-face --example photo
//   taskset -c 0 node real-adapters/face-recognition/scripts/compare.mjs DIR target/release/examples/photo [PHOTO …]
//
// Photos are those of the package's demo folder unless others are named. Both sides get the same decoded pixels (from
// the example program), for decoders differ; the last table charges each for its own: sharp, the fastest that Node has.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

const [folder, program, ...named] = process.argv.slice(2);
if (!program) {
  console.error("usage: node compare.mjs FOLDER_WITH_NODE_MODULES PHOTO_PROGRAM [PHOTO …]");
  process.exit(2);
}
const require = createRequire(join(resolve(folder), "x.js"));
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const sharp = require("sharp");
const home = join(resolve(folder), "node_modules/@vladmandic/face-api");
const faceapi = require(join(home, "dist/face-api.node-wasm.js"));
const models = join(home, "model");
const demo = join(home, "demo");
const photos = named.length ? named : readdirSync(demo).filter((f) => /^sample\d+\.jpg$/.test(f)).map((f) => join(demo, f));
const ROUNDS = 5;

wasm.setWasmPaths(join(resolve(folder), "node_modules/@tensorflow/tfjs-backend-wasm/dist/"));
await tf.setBackend("wasm");
await tf.ready();
const { nets } = faceapi;
for (const net of [nets.tinyFaceDetector, nets.ssdMobilenetv1, nets.faceLandmark68Net, nets.faceRecognitionNet]) {
  await net.loadFromDisk(models);
}

const median = (xs) => xs.toSorted((a, b) => a - b)[Math.floor(xs.length / 2)];
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000; };
const distance = (a, b) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));
function overlap(a, b) {
  const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  const both = Math.max(0, w) * Math.max(0, h);
  return both / (a.width * a.height + b.width * b.height - both);
}
const row = (cells) => console.log(`| ${cells.join(" | ")} |`);
const table = (head) => { console.log(); row(head); row(head.map(() => "---")); };

sharp.concurrency(1);
sharp.cache(false);

/** CPU ms from the bytes of a photo to its pixels, the right way up, with the fastest decoder that Node has. */
async function decoding(bytes) {
  const used = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = cpu();
    await sharp(bytes).rotate().removeAlpha().raw().toBuffer();
    if (round) used.push(cpu() - before);
  }
  return median(used);
}

const scratch = mkdtempSync(join(tmpdir(), "face-compare-"));
const all = {};
for (const photo of photos) {
  const raw = join(scratch, "pixels");
  const ours = JSON.parse(execFileSync(program, [models, photo, raw, String(ROUNDS)], { maxBuffer: 1 << 26 }));
  const pixels = new Uint8Array(readFileSync(raw));
  const result = (all[basename(photo)] = { ours, theirs: {}, decode: await decoding(readFileSync(photo)) });
  for (const [name, options] of [["tiny", new faceapi.TinyFaceDetectorOptions()], ["ssd", new faceapi.SsdMobilenetv1Options()]]) {
    const [wall, used] = [[], []];
    let faces;
    for (let round = 0; round <= ROUNDS; round++) {
      const [start, before] = [performance.now(), cpu()];
      const tensor = tf.tensor3d(pixels, [ours.height, ours.width, 3], "int32");
      faces = await faceapi.detectAllFaces(tensor, options).withFaceLandmarks().withFaceDescriptors();
      tf.dispose(tensor);
      // The first round compiles.
      if (round) { wall.push(performance.now() - start); used.push(cpu() - before); }
    }
    result.theirs[name] = { wall: median(wall), cpu: median(used), faces: faces.map(({ detection: { box, score }, landmarks, descriptor }) => ({
      box: { x: box.x, y: box.y, width: box.width, height: box.height }, score,
      landmarks: landmarks.positions.map(({ x, y }) => ({ x, y })), descriptor: [...descriptor],
    })) };
  }
}
rmSync(scratch, { recursive: true });

console.log(`face-api ${faceapi.version} on Node ${process.version}, backend ${tf.getBackend()}`);
table(["photo", "detector", "faces: face-api", "here", "lowest IoU", "landmarks: most pixels apart", "descriptors: largest distance"]);
let worstOverlap = 1, worstDistance = 0, missing = 0;
const pairs = { tiny: [], ssd: [] };
for (const [photo, { ours, theirs }] of Object.entries(all)) {
  for (const name of ["tiny", "ssd"]) {
    const mine = ours.detectors[name].faces;
    let [iou, pixels, far] = [1, 0, 0];
    for (const face of theirs[name].faces) {
      const twin = mine.toSorted((a, b) => overlap(b.box, face.box) - overlap(a.box, face.box))[0];
      if (!twin || overlap(twin.box, face.box) < 0.5) { missing++; continue; }
      iou = Math.min(iou, overlap(twin.box, face.box));
      pixels = Math.max(pixels, ...face.landmarks.map((p, i) => Math.hypot(p.x - twin.landmarks[i].x, p.y - twin.landmarks[i].y)));
      far = Math.max(far, distance(face.descriptor, twin.descriptor));
      pairs[name].push({ photo, theirs: face.descriptor, ours: twin.descriptor });
    }
    missing += Math.max(0, mine.length - theirs[name].faces.length);
    worstOverlap = Math.min(worstOverlap, iou);
    worstDistance = Math.max(worstDistance, far);
    row([photo, name, theirs[name].faces.length, mine.length, iou.toFixed(4), pixels.toFixed(2), far.toFixed(4)]);
  }
}
let decisions = 0, different = 0, closest = Infinity;
for (const found of Object.values(pairs)) {
  for (let i = 0; i < found.length; i++) for (let j = i + 1; j < found.length; j++) {
    const [a, b] = [distance(found[i].theirs, found[j].theirs), distance(found[i].ours, found[j].ours)];
    decisions++;
    if (a < 0.6 !== b < 0.6) different++;
    closest = Math.min(closest, Math.abs(a - 0.6));
  }
}
console.log(`\nFaces without a partner: ${missing}. Decisions "same person" at 0.6: ${decisions} pairs, ${different} different (nearest to 0.6: ${closest.toFixed(3)}).`);

table(["photo", "tiny: faces", "of these SeetaFace finds", "SeetaFace: faces", "SSD: faces", "of these SeetaFace finds"]);
const within = (face, other) => {
  const [x, y] = [face.box.x + face.box.width / 2, face.box.y + face.box.height / 2];
  return x > other.box.x && x < other.box.x + other.box.width && y > other.box.y && y < other.box.y + other.box.height;
};
let missed = 0;
for (const [photo, { ours }] of Object.entries(all)) {
  const { seeta, tiny, ssd } = ours.detectors;
  const found = (faces) => faces.filter((face) => seeta.faces.some((other) => within(face, other))).length;
  missed += tiny.faces.length - found(tiny.faces);
  row([photo, tiny.faces.length, found(tiny.faces), seeta.faces.length, ssd.faces.length, found(ssd.faces)]);
}
console.log(`\nFaces of the tiny detector that SeetaFace misses: ${missed}.`);

table(["photo", "detector", "faces", "Node: CPU ms", "of these decoding", "here: CPU ms", "of these decoding", "times as fast"]);
let slowest = Infinity;
for (const [photo, { ours, theirs, decode }] of Object.entries(all)) {
  for (const name of ["tiny", "ssd"]) {
    const [mine, whole] = [ours.detectors[name].cpu + ours.decode, theirs[name].cpu + decode];
    slowest = Math.min(slowest, whole / mine);
    const [faces, ratio] = [theirs[name].faces.length, (whole / mine).toFixed(1)];
    row([photo, name, faces, whole.toFixed(0), decode.toFixed(0), mine.toFixed(0), ours.decode.toFixed(0), ratio]);
  }
}
for (const [photo, { ours }] of Object.entries(all)) {
  const { seeta } = ours.detectors;
  row([photo, "seeta", seeta.faces.length, "", "", (seeta.cpu + ours.decode).toFixed(0), ours.decode.toFixed(0), ""]);
}
const held = missing === 0 && different === 0 && worstOverlap >= 0.9 && worstDistance <= 0.05;
console.log(`\nLowest IoU ${worstOverlap.toFixed(4)}, largest descriptor distance ${worstDistance.toFixed(4)}, least times as fast ${slowest.toFixed(2)}.`);
process.exit(held && slowest >= 3 ? 0 : 1);
