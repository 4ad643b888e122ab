// Opens reports in headless Chromium as a reader would: wide and on a phone, light and dark. Fails on anything the page
// logs or throws, on any request beyond the file itself, and on a page that is wider than its window. Values must show
// on hover and by arrow keys; in a comparison, sorting, filtering and choosing must do what they say.
//
//   node .ci/report.mjs SCREENSHOT_FOLDER REPORT.html …
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...reports] = process.argv.slice(2);
if (!folder || reports.length === 0) {
  console.error("usage: node .ci/report.mjs SCREENSHOT_FOLDER REPORT.html …");
  process.exit(2);
}

const LOOKS = [
  { name: "wide-light", width: 1200, height: 900, mobile: false, scheme: "light" },
  { name: "wide-dark", width: 1200, height: 900, mobile: false, scheme: "dark" },
  { name: "phone-light", width: 390, height: 844, mobile: true, scheme: "light" },
  { name: "phone-dark", width: 390, height: 844, mobile: true, scheme: "dark" },
];
const LONGEST_SCREENSHOT = 12000;
const PATIENCE = 60_000;

const profile = mkdtempSync(join(tmpdir(), "faas-lab-chromium-"));
const browser = spawn(
  process.env.CHROMIUM ?? "chromium",
  ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
const alarm = setTimeout(() => fail(`no answer from Chromium within ${PATIENCE / 1000} s`), PATIENCE * (1 + reports.length));
browser.on("error", (error) => fail(`Chromium did not start: ${error.message}`));

function fail(message) {
  console.error(message);
  browser.kill("SIGKILL");
  process.exit(1);
}

// The DevTools protocol over two pipes: JSON messages that end with a zero byte.
let calls = 0;
const pending = new Map();
const listeners = new Set();
let rest = "";
browser.stdio[4].setEncoding("utf8").on("data", (text) => {
  const messages = (rest + text).split("\0");
  rest = messages.pop();
  for (const message of messages.map((json) => JSON.parse(json))) {
    if (message.id) {
      const { done, wrong } = pending.get(message.id);
      pending.delete(message.id);
      message.error ? wrong(new Error(message.error.message)) : done(message.result);
    } else {
      listeners.forEach((listener) => listener(message));
    }
  }
});
function send(method, params = {}, sessionId = undefined) {
  const id = ++calls;
  browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((done, wrong) => pending.set(id, { done, wrong }));
}

// Runs inside the page: uses what the script offers, puts it back, and returns what went wrong.
function use() {
  const wrong = [];
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const seen = (part) => part.getBoundingClientRect().width > 0;
  const svg = all("figure svg[data-axis]").find(seen);
  if (svg) {
    const box = svg.getBoundingClientRect();
    const at = { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    svg.dispatchEvent(new PointerEvent("pointermove", at));
    if (!document.querySelector(".tip span span")) wrong.push("no values on hover");
    svg.dispatchEvent(new PointerEvent("pointerleave"));
    if (document.querySelector(".tip")) wrong.push("values stay after the pointer has left");
    svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    if (!document.querySelector(".tip span span")) wrong.push("no values by arrow keys");
    svg.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    if (document.querySelector(".tip")) wrong.push("values stay after Escape");
  }
  const ranked = document.querySelector("#ranked");
  if (!ranked || ranked.tBodies[0].rows.length < 3) return wrong;
  const rows = () => [...ranked.tBodies[0].rows], before = rows();
  const numbers = (column) => rows().map((row) => row.cells[column].dataset.v).filter((v) => v !== undefined).map(Number);
  const heads = [...ranked.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.textContent === "p99");
  if (column >= 0) {
    const rises = (values) => values.every((value, index) => index === 0 || values[index - 1] <= value);
    heads[column].querySelector("button").click();
    if (!rises(numbers(column)) || heads[column].ariaSort !== "ascending") wrong.push("p99 is not sorted");
    heads[column].querySelector("button").click();
    if (!rises(numbers(column).reverse()) || heads[column].ariaSort !== "descending") wrong.push("p99 is not sorted downwards");
  }
  heads[0].querySelector("button").click();
  if (rows().some((row, index) => row !== before[index])) wrong.push("sorting by rank does not restore the order");
  const filter = document.querySelector(".tools input"), name = before[0].querySelector(".label").textContent;
  const type = (text) => { filter.value = text; filter.dispatchEvent(new Event("input")); };
  type(name);
  const shown = rows().filter(seen);
  if (shown.length === 0 || shown.length === rows().length || !shown.includes(before[0])) wrong.push("the filter does not filter");
  type("");
  if (!rows().every(seen)) wrong.push("an empty filter hides rows");
  const lines = () => all("figure.lines .e[data-e]").filter((line) => seen(line)).length;
  const many = lines(), box = ranked.querySelector("input:checked");
  box.click();
  if (lines() >= many) wrong.push("a row that is not chosen keeps its line");
  box.click();
  if (lines() !== many) wrong.push("a row that is chosen again has no line");
  // At the end as the page came.
  const panels = all(".panel[data-e]");
  panels.forEach((panel, index) => panel.classList.toggle("off", index % (panels.length / all("figure.multiples").length) >= 12));
  return wrong;
}

async function look(report, at) {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const page = (method, params) => send(method, params, sessionId);
  const problems = [];
  let loaded;
  const isLoaded = new Promise((done) => (loaded = done));
  const url = pathToFileURL(resolve(report)).href;
  const listener = ({ sessionId: of, method, params }) => {
    if (of !== sessionId) return;
    if (method === "Page.loadEventFired") loaded();
    if (method === "Runtime.consoleAPICalled") problems.push(`console.${params.type}: ${params.args.map((a) => a.value ?? a.description).join(" ")}`);
    if (method === "Runtime.exceptionThrown") problems.push(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    if (method === "Log.entryAdded") problems.push(`log: ${params.entry.text}`);
    if (method === "Network.requestWillBeSent" && params.request.url !== url && !params.request.url.startsWith("data:")) problems.push(`request: ${params.request.url}`);
  };
  listeners.add(listener);
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await page(`${domain}.enable`);
  await page("Emulation.setDeviceMetricsOverride", { width: at.width, height: at.height, deviceScaleFactor: 1, mobile: at.mobile });
  await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: at.scheme }] });
  await page("Page.navigate", { url });
  await isLoaded;
  const ask = async (expression) => (await page("Runtime.evaluate", { expression, returnByValue: true })).result.value;
  const seen = await ask("({ title: document.title, charts: document.querySelectorAll('svg').length, wide: document.documentElement.scrollWidth, high: document.documentElement.scrollHeight })");
  if (!seen.title) problems.push("the page has no title");
  if (seen.charts === 0) problems.push("the page has no chart");
  if (seen.wide > at.width) problems.push(`the page is ${seen.wide} pixels wide in a window of ${at.width}`);
  problems.push(...(await ask(`(${use})()`) ?? ["the page's script could not be tried"]));
  const clip = { x: 0, y: 0, width: at.width, height: Math.min(seen.high, LONGEST_SCREENSHOT), scale: 1 };
  const { data } = await page("Page.captureScreenshot", { captureBeyondViewport: true, clip });
  const file = join(folder, `${basename(dirname(resolve(report)))}-${at.name}.png`);
  writeFileSync(file, Buffer.from(data, "base64"));
  listeners.delete(listener);
  await send("Target.closeTarget", { targetId });
  return problems.map((problem) => `${report}, ${at.name}: ${problem}`);
}

mkdirSync(folder, { recursive: true });
const problems = [];
for (const report of reports) {
  for (const at of LOOKS) problems.push(...(await look(report, at)));
}
clearTimeout(alarm);
await send("Browser.close").catch(() => {});
browser.on("exit", () => rmSync(profile, { recursive: true, force: true }));
problems.forEach((problem) => console.error(problem));
console.log(`${reports.length} reports, ${LOOKS.length} looks each: ${problems.length} problems; screenshots in ${folder}`);
process.exitCode = problems.length > 0 ? 1 : 0;
