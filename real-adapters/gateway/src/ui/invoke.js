// A call: its method, path, headers and body, now or later; beside it what came back. Drafts outlive a change of tabs.

import { field, h, pairs, problem, say } from "./dom.js";
import { invoke } from "./api.js";
import { createAnswer } from "./answer.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const KINDS = [["none", "None"], ["text", "Text"], ["json", "JSON"], ["file", "File"]];
/** What browsers do not let a page set; they would leave it out without a word. */
const NOT_OURS = /^(host|connection|content-length|cookie|date|expect|keep-alive|origin|referer|te|trailer|transfer-encoding|upgrade|via|accept-encoding|(proxy|sec)-.*)$/i;
/** How built-in functions want to be called. */
const EXAMPLES = {
  hello: { text: "Ada" },
  figlet: { text: "faas-lab" },
  bw: { kind: "file", headers: "X-Api-Key: " },
  "face-recognition": { kind: "file", headers: "Accept: image/jpeg" },
  "url-search": { kind: "json", json: '{"url": "https://example.org/", "term": "Example"}' },
  homepage: { method: "GET", path: "/", kind: "none" },
  printr: { kind: "none" },
  hits: { kind: "none" },
  sleep: { kind: "none", path: "?sleep=100ms" },
  cpu: { kind: "none", path: "?ms=100" },
  chain: { text: "Ada", path: "?function=hello,figlet" },
};
const PLAIN = { method: "POST", path: "", headers: "", kind: "text", text: "", json: "{}", file: undefined, later: false, callback: "" };
const drafts = new Map();

export function createInvoke(name, functions) {
  const draft = () => drafts.get(name) ?? PLAIN;
  const keep = (change) => drafts.set(name, { ...draft(), ...change });

  const method = h("select", { onchange: () => keep({ method: method.value }) }, METHODS.map((it) => h("option", {}, it)));
  const path = h("input", { spellcheck: "false", autocapitalize: "none", placeholder: "/path?query", oninput: () => keep({ path: path.value }) });
  const headers = h("textarea", { rows: 2, spellcheck: "false", placeholder: "X-Name: value", oninput: () => keep({ headers: headers.value }) });
  const kinds = KINDS.map(([key, title]) => h("label", { class: "check" }, h("input", { type: "radio", name: "kind", value: key, onchange: () => { keep({ kind: key }); fill(); } }), title));
  const text = h("textarea", { rows: 5, spellcheck: "false", "aria-label": "Body as text", oninput: () => keep({ text: text.value }) });
  const json = h("textarea", { rows: 5, spellcheck: "false", "aria-label": "Body as JSON", oninput: () => keep({ json: json.value }) });
  const file = h("input", { type: "file", "aria-label": "Body from a file", onchange: () => keep({ file: file.files[0] }) });
  const chosen = h("span", { class: "quiet" });
  const later = h("input", { type: "checkbox", onchange: () => { keep({ later: later.checked }); fill(); } });
  const callback = h("input", { type: "url", placeholder: "http://…", oninput: () => keep({ callback: callback.value }) });
  const callbackField = field("Callback URL", callback, "Optional: the answer is posted there.");
  const go = h("button", { class: "primary" }, "Invoke");
  const stop = h("button", { type: "button", hidden: true, onclick: () => running?.abort() }, "Stop");
  const target = h("code", { class: "target" });
  const answer = createAnswer(name);
  const said = h("div");
  let running, known = false;

  function fill() {
    const now = draft();
    const set = (input, value) => { if (input.value !== value) input.value = value; };
    set(method, now.later ? "POST" : now.method);
    method.disabled = now.later;
    set(path, now.path);
    set(headers, now.headers);
    set(text, now.text);
    set(json, now.json);
    set(callback, now.callback);
    later.checked = now.later;
    callbackField.hidden = !now.later;
    for (const label of kinds) label.firstChild.checked = label.firstChild.value === now.kind;
    text.hidden = now.kind !== "text";
    json.hidden = now.kind !== "json";
    file.hidden = now.kind !== "file";
    say(chosen, now.kind === "file" && now.file && !file.files[0] ? `${now.file.name} is still chosen.` : "");
    say(go, now.later ? "Queue" : "Invoke");
    say(target, now.later ? `/async-function/${name}` : `/function/${name}`);
  }

  /** The request as it is to be sent; throws what is wrong with it. */
  function request() {
    const now = draft();
    if (now.path && !/^[/?]/.test(now.path)) throw new Error("the path begins with / or ?");
    const sent = pairs(now.headers, ":", "Headers");
    for (const header of Object.keys(sent)) {
      if (NOT_OURS.test(header)) throw new Error(`browsers do not let a page set ${header}: use curl for that`);
    }
    const has = (wanted) => Object.keys(sent).some((header) => header.toLowerCase() === wanted);
    const method = now.later ? "POST" : now.method;
    let body;
    if (now.kind === "json") {
      try {
        JSON.parse(now.json);
      } catch (error) {
        throw new Error(`this is no JSON: ${error.message}`);
      }
      body = now.json;
      if (!has("content-type")) sent["Content-Type"] = "application/json";
    } else if (now.kind === "text") {
      body = now.text;
      if (!has("content-type")) sent["Content-Type"] = "text/plain";
    } else if (now.kind === "file") {
      if (!now.file) throw new Error("choose a file first");
      body = now.file;
      if (!has("content-type")) sent["Content-Type"] = now.file.type || "application/octet-stream";
    }
    if (method === "GET" || method === "HEAD") {
      if (body && (body.size ?? body.length) > 0) throw new Error(`browsers send no body with ${method}: choose “None”, or POST`);
      body = undefined;
      if (now.kind !== "none" && !now.headers.toLowerCase().includes("content-type")) delete sent["Content-Type"];
    }
    if (now.later && now.callback) sent["X-Callback-Url"] = now.callback;
    return { path: name + now.path, method, headers: sent, body, later: now.later };
  }

  async function submit(event) {
    event?.preventDefault();
    if (running) return;
    said.replaceChildren();
    let asked;
    try {
      asked = request();
    } catch (error) {
      said.replaceChildren(problem(error));
      return;
    }
    running = new AbortController();
    // Not disabled: a button that is loses the keyboard.
    go.setAttribute("aria-disabled", "true");
    stop.hidden = false;
    await answer.take(() => invoke(asked.path, { ...asked, signal: running.signal }), asked);
    running = undefined;
    go.removeAttribute("aria-disabled");
    stop.hidden = true;
  }
  const onKey = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event); };

  fill();
  return {
    element: h("div", { class: "invoke" },
      h("form", { onsubmit: submit, onkeydown: onKey, novalidate: true },
        h("div", { class: "row top" }, field("Method", method), h("div", { class: "grow" }, field("Path and query", path, target))),
        h("fieldset", {}, h("legend", {}, "Body"), h("div", { class: "row" }, kinds), text, json, file, chosen),
        field("Headers", headers, "One per line."),
        h("label", { class: "check" }, later, "Asynchronously: queued on disk, delivered at least once"),
        callbackField, said,
        h("div", { class: "buttons" }, go, stop, h("small", { class: "quiet" }, "Ctrl + Enter"))),
      answer.element),
    update() {
      const live = functions.get(name);
      if (known || !live) return;
      known = true;
      const image = live.image.split("/").pop().split(/[@:]/)[0];
      if (!drafts.has(name) && EXAMPLES[image]) {
        keep(EXAMPLES[image]);
        fill();
      }
    },
    end: () => running?.abort(),
  };
}
