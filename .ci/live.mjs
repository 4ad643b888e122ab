// Drives the page of the face function, GET /live, in headless Chromium: a picture from a file, smaller faces, a video from
// a file, the camera (a simulated one), a file that is neither. Fails where the annotated frames do not appear, on anything
// the page logs or throws, on any request to elsewhere, and on a page wider than its window.
//
//   node .ci/live.mjs SCREENSHOT_FOLDER FAAS_LAB_FACE PHOTO
//
// An address instead of the program, such as http://127.0.0.1:8080/function/face-recognition/, drives one that runs.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { LOOKS, launch } from "./chromium.mjs";

const [folder, program, photo] = process.argv.slice(2);
if (!photo) {
  console.error("usage: node .ci/live.mjs SCREENSHOT_FOLDER FAAS_LAB_FACE PHOTO");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

async function start() {
  const server = spawn(resolve(program), ["--address", "127.0.0.1", "--port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  server.on("error", (error) => {
    console.error(`${program} did not start: ${error.message}`);
    process.exit(1);
  });
  const address = await new Promise((done) => {
    server.stderr.setEncoding("utf8").on("data", (text) => {
      const found = text.match(/listening on (\S+);/);
      if (found) done(`http://${found[1]}/`);
    });
  });
  return { address, stop: () => server.kill() };
}
const { address, stop } = /^https?:/.test(program) ? { address: program, stop: () => {} } : await start();
const browser = launch(300_000, ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]);
const problems = [];

// Inside the page.
const helpers = `
  window.until = (what, seen) => new Promise((done, wrong) => {
    const end = performance.now() + 60000;
    const look = () => { const found = seen(); if (found) done(found); else if (performance.now() > end) wrong(new Error("waited in vain for " + what + ": " + said() + alarm())); else setTimeout(look, 50); };
    look();
  });
  window.said = () => document.querySelector("#status").textContent;
  window.alarm = () => document.querySelector("#error").textContent;
  window.shown = () => document.querySelector("#out").naturalWidth > 0 && document.querySelector("#out").src;
  window.counted = () => Number(said().match(/^(\\d+) frames/)?.[1] ?? 0);
  // How many pixels have the colours that boxes are drawn in.
  window.drawn = () => {
    const out = document.querySelector("#out"), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [out.naturalWidth, out.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(out, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      const near = ([r, g, b]) => Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 40;
      if (near([170, 70, 0]) || near([0, 90, 150])) count++;
    }
    return count;
  };
  // A second of video of what is shown now, as a file that was chosen.
  window.film = async () => {
    const out = document.querySelector("#out"), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, Math.round(640 * out.naturalHeight / out.naturalWidth)];
    const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: "video/webm" });
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    const ended = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    for (let i = 0; i < 30; i++) {
      canvas.getContext("2d").drawImage(out, i, 0, canvas.width, canvas.height);
      await new Promise((done) => setTimeout(done, 100));
    }
    recorder.stop();
    await ended;
    const files = new DataTransfer(), input = document.querySelector("#file");
    files.items.add(new File(parts, "film.webm", { type: "video/webm" }));
    input.files = files.files;
    input.dispatchEvent(new Event("change"));
  };`;

const own = (asked) => asked.startsWith(address) || asked.startsWith("blob:") || asked.startsWith("data:");
for (const look of [LOOKS[0], LOOKS[3]]) {
  const seen = await browser.open(`${address}live`, look, own);
  const ask = async (what, expression) => {
    if (!(await seen.ask(expression))) problems.push(`${look.name}: ${what}`);
  };
  const choose = async (file) => {
    const { root } = await seen.page("DOM.getDocument");
    const { nodeId } = await seen.page("DOM.querySelector", { nodeId: root.nodeId, selector: "#file" });
    await seen.page("DOM.setFileInputFiles", { nodeId, files: [resolve(file)] });
  };
  const picture = async (name) =>
    writeFileSync(join(folder, `live-${name}-${look.name}.png`), await seen.picture(await seen.ask("document.documentElement.scrollHeight")));
  await seen.ask(helpers);
  await choose(photo);
  await ask("a picture comes back", `until("the picture", () => shown() && said().startsWith("One picture")).then(() => { window.old = shown(); return true; })`);
  await seen.ask(`{ const size = document.querySelector("#size"); size.value = "24"; size.dispatchEvent(new Event("change")); }`);
  await ask("small faces are found and drawn", `until("another picture", () => shown() && shown() !== old).then(() => drawn() > 500)`);
  await picture("picture");
  await seen.ask("film()");
  await ask("a video plays through", `until("the end of a video", () => counted() >= 2 && document.querySelector("#video").ended).then(() => true)`);
  await picture("video");
  await seen.ask(`document.querySelector("#camera").click()`);
  await ask("the camera plays", `until("frames of the camera", () => document.querySelector("#camera").ariaPressed === "true" && counted() >= 3).then(() => true)`);
  await picture("camera");
  await seen.ask(`document.querySelector("#camera").click()`);
  await ask("the camera stops", `until("the camera to stop", () => document.querySelector("#camera").ariaPressed === "false").then(() => true)`);
  await choose(process.argv[1]);
  await ask("a file that is neither is told", `until("a word about it", () => alarm() !== "").then(() => true)`);
  await ask("the page fits its window", "document.documentElement.scrollWidth <= innerWidth");
  problems.push(...seen.problems.map((problem) => `${look.name}: ${problem}`));
  await seen.close();
}
await browser.close();
stop();
problems.forEach((problem) => console.error(problem));
console.log(problems.length ? `${problems.length} problems` : "picture, video, camera: annotated");
process.exit(problems.length ? 1 : 0);
