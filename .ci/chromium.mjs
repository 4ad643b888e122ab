// Headless Chromium over the DevTools protocol: two pipes of JSON messages that end with a zero byte.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Starts a browser, with more `flags` if need be, that is given up after `patience` milliseconds.
export function launch(patience, flags = []) {
  const profile = mkdtempSync(join(tmpdir(), "faas-lab-chromium-"));
  const browser = spawn(
    process.env.CHROMIUM ?? "chromium",
    ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`, ...flags],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const fail = (message) => {
    console.error(message);
    browser.kill("SIGKILL");
    process.exit(1);
  };
  const alarm = setTimeout(() => fail(`no answer from Chromium within ${patience / 1000} s`), patience);
  browser.on("error", (error) => fail(`Chromium did not start: ${error.message}`));

  let calls = 0;
  let rest = "";
  const pending = new Map();
  const listeners = new Set();
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
  const send = (method, params = {}, sessionId = undefined) => {
    const id = ++calls;
    browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((done, wrong) => pending.set(id, { done, wrong }));
  };

  // Opens `url` as a reader would see it. `problems` collects what the page logs or throws, and requests that `own` does not allow.
  const open = async (url, { width, height, mobile, scheme }, own) => {
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const page = (method, params) => send(method, params, sessionId);
    const problems = [];
    let loaded;
    const isLoaded = new Promise((done) => (loaded = done));
    const listener = ({ sessionId: of, method, params }) => {
      if (of !== sessionId) return;
      if (method === "Page.loadEventFired") loaded();
      if (method === "Runtime.consoleAPICalled") problems.push(`console.${params.type}: ${params.args.map((a) => a.value ?? a.description).join(" ")}`);
      if (method === "Runtime.exceptionThrown") problems.push(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
      if (method === "Log.entryAdded") problems.push(`log: ${params.entry.text} ${params.entry.url ?? ""}`);
      if (method === "Network.requestWillBeSent" && !own(params.request.url)) problems.push(`request: ${params.request.url}`);
    };
    listeners.add(listener);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page(`${domain}.enable`);
    await page("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
    await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await page("Page.navigate", { url });
    await isLoaded;
    return {
      page,
      problems,
      ask: async (expression) => {
        const { result, exceptionDetails } = await page("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
        if (exceptionDetails) problems.push(`exception: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
        return result.value;
      },
      picture: async (high) => {
        const clip = { x: 0, y: 0, width, height: high, scale: 1 };
        const { data } = await page("Page.captureScreenshot", { captureBeyondViewport: true, clip });
        return Buffer.from(data, "base64");
      },
      close: async () => {
        listeners.delete(listener);
        await send("Target.closeTarget", { targetId });
      },
    };
  };
  const close = async () => {
    clearTimeout(alarm);
    const gone = new Promise((done) => browser.on("exit", done));
    await send("Browser.close").catch(() => {});
    await gone;
    rmSync(profile, { recursive: true, force: true });
  };
  return { open, close };
}

// Wide and on a phone, light and dark.
export const LOOKS = [
  { name: "wide-light", width: 1200, height: 900, mobile: false, scheme: "light" },
  { name: "wide-dark", width: 1200, height: 900, mobile: false, scheme: "dark" },
  { name: "phone-light", width: 390, height: 844, mobile: true, scheme: "light" },
  { name: "phone-dark", width: 390, height: 844, mobile: true, scheme: "dark" },
];
