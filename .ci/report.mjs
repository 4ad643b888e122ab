// Opens reports in headless Chromium as a reader would: wide and on a phone, light and dark. Fails on anything the page
// logs or throws, on any request beyond the file itself, and on a page that is wider than its window. Values must show
// on hover and by arrow keys; in a comparison, sorting, filtering and choosing must do what they say.
//
//   node .ci/report.mjs SCREENSHOT_FOLDER REPORT.html …
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { LOOKS, launch } from "./chromium.mjs";

const [folder, ...reports] = process.argv.slice(2);
if (!folder || reports.length === 0) {
  console.error("usage: node .ci/report.mjs SCREENSHOT_FOLDER REPORT.html …");
  process.exit(2);
}

const LONGEST_SCREENSHOT = 12000;
const PATIENCE = 60_000;
const browser = launch(PATIENCE * (1 + reports.length));

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
  const url = pathToFileURL(resolve(report)).href;
  const { ask, problems, picture, close } = await browser.open(url, at, (asked) => asked === url || asked.startsWith("data:"));
  const seen = await ask("({ title: document.title, charts: document.querySelectorAll('svg').length, wide: document.documentElement.scrollWidth, high: document.documentElement.scrollHeight })");
  if (!seen.title) problems.push("the page has no title");
  if (seen.charts === 0) problems.push("the page has no chart");
  if (seen.wide > at.width) problems.push(`the page is ${seen.wide} pixels wide in a window of ${at.width}`);
  problems.push(...((await ask(`(${use})()`)) ?? ["the page's script could not be tried"]));
  const file = join(folder, `${basename(dirname(resolve(report)))}-${at.name}.png`);
  writeFileSync(file, await picture(Math.min(seen.high, LONGEST_SCREENSHOT)));
  await close();
  return problems.map((problem) => `${report}, ${at.name}: ${problem}`);
}

mkdirSync(folder, { recursive: true });
const problems = [];
for (const report of reports) {
  for (const at of LOOKS) problems.push(...(await look(report, at)));
}
await browser.close();
problems.forEach((problem) => console.error(problem));
console.log(`${reports.length} reports, ${LOOKS.length} looks each: ${problems.length} problems; screenshots in ${folder}`);
process.exitCode = problems.length > 0 ? 1 : 0;
