// A function's log, as it is written. The gateway ends the stream at its write timeout: then it is taken up again.

import { h, problem, say } from "./dom.js";
import { parse, system } from "./api.js";

const KEPT = 2000;
const PAST = 200;

export function createLogs(name) {
  const { name: short, namespace } = parse(name);
  const log = h("ol", { class: "log", role: "log", tabindex: "0", "aria-label": `Log of ${name}` });
  const said = h("div");
  const note = h("span", { class: "quiet", role: "status" });
  const follow = h("input", { type: "checkbox", checked: true, onchange: () => (follow.checked ? run() : stop()) });
  const clear = h("button", { type: "button", class: "plain", onclick: () => log.replaceChildren() }, "Clear");
  let reading, since, atSince = new Set();

  function stop() {
    reading?.abort();
    reading = undefined;
    say(note, "Paused.");
  }

  async function run() {
    stop();
    const mine = (reading = new AbortController());
    for (let pause = 250; reading === mine; pause = Math.min(pause * 2, 5000)) {
      try {
        said.replaceChildren();
        await read(mine.signal);
        pause = 250;
      } catch (error) {
        if (reading !== mine) return;
        said.replaceChildren(problem(error));
        if (error.status === 401 || error.status === 404) return;
      }
      await new Promise((done) => setTimeout(done, pause));
    }
  }

  async function read(signal) {
    const query = new URLSearchParams({ name: short, namespace, follow: "true" });
    since ? query.set("since", since) : query.set("tail", PAST);
    const response = await system(`logs?${query}`, { signal });
    say(note, "Following.");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      const texts = (rest + value).split("\n");
      rest = texts.pop();
      show(texts.filter(Boolean).map((text) => JSON.parse(text)));
    }
  }

  function show(entries) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    for (const { timestamp, instance, text } of entries) {
      // After a break the stream begins with lines that are here already.
      const key = `${instance} ${text}`;
      if (timestamp === since && atSince.has(key)) continue;
      if (timestamp !== since) atSince.clear();
      since = timestamp;
      atSince.add(key);
      log.append(h("li", {}, h("time", { datetime: timestamp }, clock(timestamp)), " ", h("span", { class: "quiet" }, instance), " ", text));
    }
    while (log.childElementCount > KEPT) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  run();
  return {
    element: h("div", {}, h("div", { class: "row" }, h("label", { class: "check" }, follow, "Follow"), note, clear), said, log),
    end: stop,
  };
}

function clock(timestamp) {
  const at = new Date(timestamp);
  return Number.isNaN(at.getTime()) ? timestamp : `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
