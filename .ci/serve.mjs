// Drives `faas-lab serve` in headless Chromium: opens the flagship scenario, moves a slider and sees the curve change,
// pins a run, overlays a result, meets a wrong value, saves scenario and report. Fails on anything the page logs or
// throws, on any request to elsewhere, and on a page wider than its window. Prints how long a move takes to show.
//
//   node .ci/serve.mjs SCREENSHOT_FOLDER [FAAS_LAB]
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { LOOKS, launch } from "./chromium.mjs";

const [folder, named = "faas-lab"] = process.argv.slice(2);
const program = named.includes("/") ? resolve(named) : named;
if (!folder) {
  console.error("usage: node .ci/serve.mjs SCREENSHOT_FOLDER [FAAS_LAB]");
  process.exit(2);
}
const PATIENCE = 180_000;
mkdirSync(folder, { recursive: true });
const desk = mkdtempSync(join(tmpdir(), "faas-lab-serve-"));
const server = spawn(program, ["serve", "--port", "0"], { cwd: desk, stdio: ["ignore", "pipe", "inherit"] });
server.on("error", (error) => {
  console.error(`${program} did not start: ${error.message}`);
  process.exit(1);
});
const address = await new Promise((done) => {
  let said = "";
  server.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
    const found = said.match(/http:\/\/\S+\//);
    if (found) done(found[0]);
  });
});
const browser = launch(PATIENCE);
const problems = [];

// Inside the page: waits until `seen` holds, or says that it never did.
const helpers = `
  window.until = (what, seen) => new Promise((done, wrong) => {
    const end = performance.now() + 30000;
    const look = () => { const found = seen(); if (found) done(found); else if (performance.now() > end) wrong(new Error("waited in vain for " + what)); else requestAnimationFrame(look); };
    look();
  });
  window.curve = () => [...document.querySelectorAll("#charts .lines svg")].find(svg => svg.getBoundingClientRect().width)?.querySelector(".e path")?.getAttribute("d");
  window.knob = name => [...document.querySelectorAll(".knob")].find(knob => knob.dataset.key.endsWith(name));
  window.move = async (name, step) => {
    const slider = knob(name).querySelector("input[type=range]"), before = curve(), began = performance.now();
    slider.value = step;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await until("a new curve after moving " + name, () => curve() !== before);
    return performance.now() - began;
  };
  window.still = () => until("the end of all runs", () => document.body.dataset.runs === "still");`;

async function tried(name, at, work) {
  const seen = await browser.open(address, at, (asked) => asked.startsWith(address) || asked.startsWith("data:") || asked.startsWith(`blob:${address}`));
  await seen.ask(helpers);
  await seen.ask(`until("the first curve", curve).then(still).then(() => true)`);
  await work(seen);
  const wide = await seen.ask("document.documentElement.scrollWidth");
  if (wide > at.width) seen.problems.push(`the page is ${wide} pixels wide in a window of ${at.width}`);
  const high = await seen.ask("document.documentElement.scrollHeight");
  writeFileSync(join(folder, `serve-${name}.png`), await seen.picture(Math.min(high, 6000)));
  problems.push(...seen.problems.map((problem) => `${name}: ${problem}`));
  await seen.close();
}

await tried("driven", LOOKS[0], async ({ page, ask, problems }) => {
  await page("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: desk });
  // The browser logs an answer that says what is wrong; it is asked for below.
  const expected = () => problems.splice(0, problems.length, ...problems.filter((problem) => !/422.*api\/run/.test(problem)));
  const times = [];
  for (const step of [300, 320, 340, 360, 380, 400, 420, 440, 460, 480]) times.push(await ask(`move("exec_timeout", ${step})`));
  console.log(`moves, one after the other: ${times.map((time) => `${time?.toFixed(0)} ms`).join(", ")}`);
  times.sort((a, b) => a - b);
  const middle = times[times.length / 2];
  console.log(`from a slider's move to the new curve: median ${middle?.toFixed(0)} ms, longest ${times.at(-1)?.toFixed(0)} ms, of ${times.length} moves`);

  // A drag: many positions, of which the last must win.
  await ask(`(async () => {
    const slider = knob("replicas.max").querySelector("input[type=range]");
    for (let value = 12; value >= 3; value--) { slider.value = value; slider.dispatchEvent(new Event("input", { bubbles: true })); await new Promise(requestAnimationFrame); }
    await still();
  })()`);
  if (!(await ask(`knob("replicas.max").classList.contains("changed")`))) problems.push("a change is not marked");

  await ask(`document.getElementById("pin").click(); until("the pinned run", () => document.querySelector(".pin") && document.querySelectorAll("#ranked tbody tr").length === 2).then(() => true)`);
  await ask(`(async () => {
    const select = knob(".scaling").querySelector("select");
    select.value = "hpa";
    const before = curve();
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await until("a curve of another policy", () => curve() !== before);
    await still();
  })()`);

  // What is wrong is said with the place and the remedy, and goes with the next good value.
  const type = (text) => `(() => { const text = knob("exec_timeout").querySelector("input[type=text]"); text.value = "${text}"; text.dispatchEvent(new Event("change", { bubbles: true })); })()`;
  await ask(type("soon"));
  const told = await ask(`until("a message", () => !document.getElementById("wrong").hidden && document.getElementById("wrong").textContent)`);
  if (!told?.includes("exec_timeout") || !told.includes("help:")) problems.push(`a wrong value is told as: ${told}`);
  expected();
  await ask(type("10s"));
  await ask(`until("no message", () => document.getElementById("wrong").hidden).then(still).then(() => true)`);

  // Values on hover, and by keys.
  await ask(`[...document.querySelectorAll("#charts svg[data-axis]")].find(svg => svg.getBoundingClientRect().width).dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }))`);
  if (!(await ask(`document.querySelectorAll(".tip span span").length >= 2`))) problems.push("no values by arrow keys");

  await ask(`document.getElementById("save").click(); document.getElementById("report").click(); true`);
  const end = Date.now() + 20_000;
  const saved = () => readdirSync(desk);
  while (!(saved().includes("pi4-k3s.toml") && saved().includes("pi4-k3s.html")) && Date.now() < end) await new Promise((done) => setTimeout(done, 50));
  if (!saved().includes("pi4-k3s.toml")) problems.push("no scenario was saved");
  else if (!/hpa/.test(readFileSync(join(desk, "pi4-k3s.toml"), "utf8"))) problems.push("the saved scenario lacks the change");
  if (!saved().includes("pi4-k3s.html")) problems.push("no report was saved");
  else if (!/cost|p99/.test(readFileSync(join(desk, "pi4-k3s.html"), "utf8"))) problems.push("the saved report says nothing");
});
for (const at of LOOKS.slice(1)) await tried(at.name, at, async () => {});

await browser.close();
server.kill("SIGTERM");
const code = await new Promise((done) => server.on("exit", (code) => done(code)));
if (code !== 0) problems.push(`the server ended with ${code}`);
rmSync(desk, { recursive: true, force: true });
problems.forEach((problem) => console.error(problem));
console.log(`serve: ${problems.length} problems; screenshots in ${resolve(folder)}`);
process.exitCode = problems.length > 0 ? 1 : 0;
