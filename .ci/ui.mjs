// Uses the web UI in headless Chromium as a person at a keyboard would: logs in, deploys from the store, invokes, sees a
// picture, scales, follows a log, deletes. Fails on anything the page logs or throws, on markup that came from a function,
// and on a page that is wider than its window. Screenshots: wide and on a phone, light and dark.
//
//   node .ci/ui.mjs SCREENSHOT_FOLDER PATH/TO/faas-lab        starts `faas-lab up` on free ports
//   node .ci/ui.mjs SCREENSHOT_FOLDER http://… PASSWORD       uses a gateway that is there; it must have no hello, no bw
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { deflateSync } from "node:zlib";

const [folder, lab, given] = process.argv.slice(2);
if (!folder || !lab || (lab.startsWith("http") && !given)) {
  console.error("usage: node .ci/ui.mjs SCREENSHOT_FOLDER PATH/TO/faas-lab | SCREENSHOT_FOLDER URL PASSWORD");
  process.exit(2);
}
const WIDE = { width: 1280, height: 900, mobile: false };
const PHONE = { width: 390, height: 844, mobile: true };
const LOOKS = [["wide-light", WIDE, "light"], ["wide-dark", WIDE, "dark"], ["phone-light", PHONE, "light"], ["phone-dark", PHONE, "dark"]];
const PATIENCE = 30_000;
const KEY = "a-key-for-this-test";
const work = mkdtempSync(join(tmpdir(), "faas-lab-ui-"));
const problems = [];
const ends = [];
mkdirSync(folder, { recursive: true });

async function until(what, question) {
  const end = Date.now() + PATIENCE;
  for (let pause = 20; ; pause = Math.min(pause * 1.5, 250)) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((done) => setTimeout(done, pause));
  }
}

/** Starts the platform; its address and password. */
async function up() {
  if (lab.startsWith("http")) return { url: lab.replace(/\/$/, ""), password: given };
  const state = join(work, "state");
  const platform = spawn(resolve(lab), ["up", "--port", "0", "--metrics-port", "0", "--state", state, "--functions", "figlet,homepage"], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "", code;
  platform.stdout.on("data", (text) => (said += text));
  platform.stderr.on("data", (text) => (said += text));
  platform.on("exit", (status) => (code = status));
  ends.push(() => new Promise((done) => (code === undefined ? platform.on("exit", done).kill("SIGTERM") : done())));
  const url = await until("the gateway's address", () => {
    if (code !== undefined) throw new Error(`faas-lab up ended with ${code}: ${said}`);
    return said.match(/Gateway\s+(http:\S+)/)?.[1];
  });
  return { url, password: readFileSync(join(state, "basic-auth-password"), "utf8").trim() };
}

/** The check sum of PNG's chunks. */
function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/** A colourful picture as a PNG file. */
function photo() {
  const [width, height] = [320, 240];
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (width * 3 + 1) + 1 + x * 3, near = Math.hypot(x - 220, y - 80) < 50;
      rows.set(near ? [240, 180, 40] : [(x * 255) / width, 90 + (y * 120) / height, 220 - (x * 120) / width], at);
    }
  }
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const file = join(work, "photo.png");
  writeFileSync(file, Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]));
  return file;
}

/** A place where callbacks arrive. */
async function callbacks() {
  const taken = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
      taken.push({ callId: request.headers["x-call-id"], body: Buffer.concat(chunks).toString() });
      response.end();
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  ends.push(() => server.close());
  return { taken, url: `http://127.0.0.1:${server.address().port}/` };
}

/** Chromium, over the DevTools protocol: JSON messages that end with a zero byte, over two pipes. */
async function browse() {
  const browser = spawn(
    process.env.CHROMIUM ?? "chromium",
    ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${join(work, "profile")}`],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  ends.push(() => new Promise((done) => browser.on("exit", done).kill("SIGKILL")));
  await new Promise((done, wrong) => browser.on("spawn", done).on("error", wrong));
  let calls = 0, rest = "";
  const pending = new Map(), listeners = new Set();
  browser.stdio[4].setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const message of messages.map((json) => JSON.parse(json))) {
      const waits = pending.get(message.id);
      pending.delete(message.id);
      if (!waits) listeners.forEach((listener) => listener(message));
      else message.error ? waits.wrong(new Error(message.error.message)) : waits.done(message.result);
    }
  });
  const send = (method, params = {}, sessionId = undefined) => {
    const id = ++calls;
    browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((done, wrong) => pending.set(id, { done, wrong }));
  };
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  listeners.add(({ method, params }) => {
    if (method === "Runtime.consoleAPICalled") problems.push(`console.${params.type}: ${params.args.map((a) => a.value ?? a.description).join(" ")}`);
    if (method === "Runtime.exceptionThrown") problems.push(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    // Browsers themselves note each answer of 400 and more.
    if (method === "Log.entryAdded" && !(params.entry.source === "network" && refusals-- > 0)) problems.push(`log: ${params.entry.text} ${params.entry.url ?? ""}`);
  });
  const page = (method, params) => send(method, params, sessionId);
  for (const domain of ["Page", "Runtime", "Log", "DOM"]) await page(`${domain}.enable`);
  return page;
}

/** Refusals that are asked for, and that the browser may note. */
let refusals = 0;
let page;

async function ask(expression) {
  const { result, exceptionDetails } = await page("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(`${exceptionDetails.exception?.description ?? exceptionDetails.text} in ${expression}`);
  return result.value;
}
const sees = (text) => until(`see “${text}”`, () => ask(`document.body?.innerText.includes(${JSON.stringify(text)})`));
/** The address, and the page that has followed it. */
const at = (hash) => until(`be at ${hash}`, () => ask(`document.querySelector(".tabs [aria-current]")?.getAttribute("href") === ${JSON.stringify(hash)} && location.hash === ${JSON.stringify(hash)}`));

const KEYS = { Tab: 9, Enter: 13, Escape: 27, " ": 32, ArrowRight: 39, ArrowDown: 40 };
const CTRL = 2;
async function press(key, modifiers = 0) {
  const text = key === "Enter" ? "\r" : key === " " ? " " : undefined;
  const params = { key, code: key === " " ? "Space" : key, windowsVirtualKeyCode: KEYS[key], modifiers };
  await page("Input.dispatchKeyEvent", { ...params, type: text && !modifiers ? "keyDown" : "rawKeyDown", text: modifiers ? undefined : text });
  await page("Input.dispatchKeyEvent", { ...params, type: "keyUp" });
}
async function write(text) {
  await ask("document.activeElement.select?.()");
  await page("Input.insertText", { text });
}

/** Where the keyboard is, as a screen reader would name it. */
function named() {
  const it = document.activeElement;
  if (!it || it === document.body) return "";
  const label = it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.textContent;
  return label.trim();
}

/** Tabs until the keyboard is at what has this name. */
async function tabTo(name) {
  for (let tries = 0; tries < 120; tries++) {
    if ((await ask(`(${named})()`)) === name) return;
    await press("Tab");
  }
  throw new Error(`“${name}” cannot be reached with the Tab key`);
}
async function tabAndPress(name, key = "Enter") {
  await tabTo(name);
  await press(key);
}

async function look(name) {
  for (const [look, size, scheme] of LOOKS) {
    await page("Emulation.setDeviceMetricsOverride", { ...size, deviceScaleFactor: 1 });
    await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await ask("document.getElementById('status').textContent = ''");
    const wide = await ask("document.documentElement.scrollWidth");
    if (wide > size.width) problems.push(`${name}, ${look}: the page is ${wide} pixels wide in a window of ${size.width}`);
    const nameless = await ask(`[...document.querySelectorAll("input, select, textarea, button, a, img, [role=region]")].filter((it) => !(it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.getAttribute("alt") ?? it.textContent).trim() && it.getAttribute("alt") !== "").map((it) => it.outerHTML).join()`);
    if (nameless) problems.push(`${name}: no name for screen readers: ${nameless}`);
    const { data } = await page("Page.captureScreenshot", { captureBeyondViewport: true });
    writeFileSync(join(folder, `${name}-${look}.png`), Buffer.from(data, "base64"));
  }
  await page("Emulation.setDeviceMetricsOverride", { ...WIDE, deviceScaleFactor: 1 });
  await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "light" }] });
}

async function use({ url, password }) {
  const posted = await callbacks();
  await page("Emulation.setDeviceMetricsOverride", { ...WIDE, deviceScaleFactor: 1 });
  await page("Page.navigate", { url: `${url}/` });

  await sees("Log in");
  await look("login");
  await tabTo("Password");
  await write("wrong");
  refusals = 1;
  await press("Enter");
  await sees("User or password are wrong.");
  await write(password);
  await press("Enter");
  await sees("figlet");
  await look("list");

  await tabAndPress("New function");
  await sees("Large letters");
  await look("deploy");
  await tabAndPress("Deploy Hello");
  await at("#/f/hello/invoke");

  await tabTo("Body as text");
  await write("Ada <img src=x onerror=console.error(1)>");
  await press("Enter", CTRL);
  await sees("Hello, Ada <img src=x onerror=console.error(1)>!");
  await sees("200 OK");
  await until("the replica", () => ask("/by hello-\\d+/.test(document.body.innerText)"));
  if (await ask("document.querySelectorAll('main img').length > 0")) problems.push("a function's text has become markup");
  await write("Ada");
  await press("Enter", CTRL);
  await sees("Hello, Ada!");
  await sees("warm");
  await look("hello");

  await tabTo("Asynchronously: queued on disk, delivered at least once");
  await press(" ");
  await tabTo("Callback URL");
  await write(posted.url);
  await press("Enter", CTRL);
  await sees("Queued. Call id");
  const callId = await ask("document.querySelector('.answer p code').textContent");
  const back = await until("the callback", () => posted.taken.find((it) => it.callId === callId));
  if (back.body !== "Hello, Ada!\n") problems.push(`the callback brought ${JSON.stringify(back.body)}`);

  await tabAndPress("New function");
  await sees("Black and white");
  await tabAndPress("Deploy Black and white");
  await sees("needs a secret that does not exist yet");
  await until("the field of the secret", async () => (await ask(`(${named})()`)) === "Value of the secret bw-api-key");
  await write(KEY);
  await press("Enter");
  await at("#/f/bw/invoke");
  await until("the example", () => ask("document.querySelector('input[type=file]')?.hidden === false"));
  const { root } = await page("DOM.getDocument");
  const { nodeId } = await page("DOM.querySelector", { nodeId: root.nodeId, selector: "input[type=file]" });
  await page("DOM.setFileInputFiles", { nodeId, files: [photo()] });
  await tabTo("Headers");
  await write(`X-Api-Key: ${KEY}`);
  await tabAndPress("Invoke");
  await until("the picture", () => ask("document.querySelector('img.picture')?.naturalWidth === 320"));
  const grey = await ask(`(() => {
    const picture = document.querySelector("img.picture"), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const pen = canvas.getContext("2d");
    pen.drawImage(picture, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    return data.every((value, at) => at % 4 === 3 || Math.abs(value - data[at - (at % 4)]) <= 3);
  })()`);
  if (!grey) problems.push("the picture is not grey");
  await sees("image/jpeg");
  await look("bw");
  // Where it was before the call. Without a body, as the function refuses before it reads one.
  if ((await ask(`(${named})()`)) !== "Invoke") problems.push("the keyboard has lost its place");
  await tabTo("File");
  await press("ArrowRight");
  await tabTo("Headers");
  await write("X-Api-Key: wrong");
  refusals = 1;
  await press("Enter", CTRL);
  await sees("the API key is wrong");
  await sees("401 Unauthorized");

  // What a function's page holds is text here, and its drawing a picture.
  await tabAndPress("homepage");
  await at("#/f/homepage/invoke");
  await tabAndPress("Invoke");
  await sees("<!doctype html>");
  await tabTo("Path and query");
  await write("/lab.svg");
  await press("Enter");
  await until("the drawing", () => ask("document.querySelector('img.picture')?.src.startsWith('data:image/svg+xml')"));

  // By hand, with an environment; the answer is shown as it comes.
  await tabAndPress("New function");
  await sees("Slow numbers");
  await tabAndPress("Change Slow numbers before it is deployed");
  await tabTo("Name");
  await write("numbers");
  await tabAndPress("Environment, labels, limits");
  await tabTo("Environment");
  await write("PERIOD=100ms\nCOUNT=1000\nexec_timeout 20s");
  await tabAndPress("Deploy");
  await sees("Environment, line 3: write NAME=value instead of");
  await tabTo("Environment");
  await write("PERIOD=100ms\nCOUNT=1000\nexec_timeout=20s");
  await tabAndPress("Deploy");
  await at("#/f/numbers/invoke");
  await tabAndPress("Invoke");
  await until("some lines", () => ask("/^1\\n2\\n3\\n/.test(document.querySelector('pre.body')?.textContent)"));
  await until("the call in flight", () => ask("[...document.querySelectorAll('.functions tr')].some((row) => row.innerText.startsWith('numbers') && row.querySelector('.busy'))"));
  await look("numbers");
  await tabAndPress("Stop");
  await sees("Stopped here before the answer’s end");
  refusals = 0;

  await tabAndPress("hello");
  await at("#/f/hello/invoke");
  await tabAndPress("Logs");
  await at("#/f/hello/logs");
  await sees("Following.");
  await until("a line", () => ask("document.querySelectorAll('.log li').length > 0"));
  await ask("void (window.lines = document.querySelectorAll('.log li').length)");
  const scaled = fetch(`${url}/system/scale-function/hello`, {
    method: "POST",
    headers: { Authorization: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}` },
    body: JSON.stringify({ serviceName: "hello", replicas: 2 }),
  });
  if ((await scaled).status !== 202) problems.push("scaling from outside was refused");
  await until("a new line", () => ask("document.querySelectorAll('.log li').length > window.lines"));
  await look("logs");

  await tabAndPress("Scale and details");
  await at("#/f/hello/about");
  await until("two replicas", () => ask("document.querySelectorAll('.panel tbody tr').length >= 2"));
  await tabTo("Wanted");
  await write("4");
  await press("Enter");
  await until("four replicas", () => ask("[...document.querySelectorAll('.panel tbody tr')].filter((row) => row.innerText.includes('ready')).length >= 4"));
  await look("about");

  // From zero: the call is held, and says for how long.
  await tabTo("Wanted");
  await write("0");
  await press("Enter");
  await sees("No replica is there.");
  await tabAndPress("Call");
  await at("#/f/hello/invoke");
  await tabAndPress("Asynchronously: queued on disk, delivered at least once", " ");
  await tabAndPress("Invoke");
  await sees("cold: held");
  await look("cold");
  await tabAndPress("Scale and details");
  await at("#/f/hello/about");

  await tabAndPress("Delete hello…");
  await until("the question", () => ask("document.querySelector('dialog')?.open"));
  await look("delete");
  await press("Escape");
  await until("no question", () => ask("!document.querySelector('dialog')"));
  await tabAndPress("Delete hello…");
  await until("the question", () => ask("document.querySelector('dialog')?.open"));
  await tabAndPress("Delete");
  await until("hello is gone", () => ask("![...document.querySelectorAll('.functions th a')].some((it) => it.textContent === 'hello')"));

  const kept = await ask("JSON.stringify([Object.values(localStorage), Object.values(sessionStorage), document.cookie])");
  if (kept !== '[[],[],""]') problems.push(`the page keeps ${kept}`);
  await page("Page.reload");
  await sees("Log in");
}

const alarm = setTimeout(() => { console.error("this takes too long"); process.exit(1); }, 20 * PATIENCE);
try {
  const platform = await up();
  page = await browse();
  await use(platform);
} catch (error) {
  problems.push(error.message);
  try {
    const { data } = await page("Page.captureScreenshot");
    writeFileSync(join(folder, "failed.png"), Buffer.from(data, "base64"));
  } catch {
    // Then there is no page to be seen.
  }
}
for (const end of ends.reverse()) await end();
clearTimeout(alarm);
rmSync(work, { recursive: true, force: true });
problems.forEach((problem) => console.error(problem));
console.log(`the UI in a browser: ${problems.length} problems; screenshots in ${folder}`);
process.exit(problems.length > 0 ? 1 : 0);
