// What came back: status, times, headers, and the body as what it is. A function's text is shown, never run: pictures come
// from memory, SVG from a data: address, which has no origin; HTML is text here.

import { announce, h, problem, say, size, span } from "./dom.js";
import { cancel } from "./api.js";

const SHOWN_CHARS = 200_000;
const SHOWN_BYTES = 4096;
const PICTURE_BYTES = 64e6;

export function createAnswer(name) {
  const summary = h("p", { class: "summary", role: "status" });
  const details = h("div");
  const element = h("section", { class: "answer", "aria-label": "Answer", hidden: true }, summary, details);
  let addresses = [];
  const address = (blob) => { const url = URL.createObjectURL(blob); addresses.push(url); return url; };

  /** Sends and shows as it comes. */
  async function take(send, asked) {
    addresses.forEach((url) => URL.revokeObjectURL(url));
    addresses = [];
    element.hidden = false;
    element.setAttribute("aria-busy", "true");
    details.replaceChildren();
    summary.replaceChildren(h("span", { class: "quiet" }, "Waiting for the answer…"));
    const began = performance.now();
    const elapsed = () => (performance.now() - began) / 1000;
    let response;
    try {
      response = await send();
    } catch (error) {
      const stopped = error.name === "AbortError";
      summary.replaceChildren(h("strong", { class: "bad" }, stopped ? "Stopped" : "No answer"), ` after ${span(elapsed())}`);
      details.replaceChildren(problem(stopped ? "The call was given up here; the function may go on." : "The gateway closed the connection without an answer, or cannot be reached. Its write timeout does that."));
      element.removeAttribute("aria-busy");
      return;
    }
    const firstByte = elapsed();
    const type = (response.headers.get("content-type") ?? "").toLowerCase();
    const stream = h("pre", { class: "body", tabindex: "0", role: "region", "aria-label": "Body" });
    const progress = h("p", { class: "quiet" });
    summary.replaceChildren(statusOf(response), h("span", { class: "quiet" }, "the answer is coming…"));
    details.replaceChildren(progress);
    const { bytes, broken } = await read(response, (received, chunk) => {
      say(progress, `${size(received)} so far`);
      const text = isText(type) || (isUnnamed(type) && !/[\0-\x08\x0e-\x1a\ufffd]/.test(chunk));
      if (!text || type.includes("json")) return;
      if (!stream.isConnected) details.append(stream);
      if (stream.textContent.length < SHOWN_CHARS) stream.append(chunk);
    });
    const total = elapsed();
    element.removeAttribute("aria-busy");
    const times = { total, firstByte, inside: seconds(response, "x-duration-seconds"), held: seconds(response, "x-cold-start") };
    summary.replaceChildren(...summarize(response, times, asked));
    const parts = [];
    if (broken) parts.push(problem(`${broken === "AbortError" ? "Stopped here" : "The connection was closed"} before the answer’s end: ${size(bytes.length)} came.${broken === "AbortError" ? "" : " A timeout on the way does that."}`));
    if (asked.later && response.ok) parts.push(queued(response.headers.get("x-call-id")));
    parts.push(bar(times), heads(response));
    if (bytes.length > 0) parts.unshift(await body(bytes, type));
    else if (!asked.later) parts.unshift(h("p", { class: "quiet" }, "The answer has no body."));
    details.replaceChildren(...parts);
    announce(`${response.status} ${response.statusText}`);
  }

  function summarize(response, { total }, asked) {
    const replica = response.headers.get("x-replica");
    const cold = response.headers.get("x-cold-start");
    const parts = [statusOf(response), h("span", {}, span(total))];
    if (asked.later) return parts;
    if (cold !== null) parts.push(h("span", { class: "tag cold" }, `cold: held ${span(Number(cold))}`));
    else if (replica !== null) parts.push(h("span", { class: "tag" }, "warm"));
    if (replica !== null) parts.push(h("span", {}, "by ", h("code", {}, replica)));
    return parts;
  }

  /** Where the time went, to scale. */
  function bar({ total, firstByte, inside, held }) {
    const parts = [["held for a cold start", held ?? 0, "held"], ["in the function", inside ?? 0, "inside"]];
    const rest = Math.max(0, total - (held ?? 0) - (inside ?? 0));
    parts.push([inside === undefined ? "elsewhere or unknown" : "in gateway, watchdog, network", rest, "rest"]);
    const shown = parts.filter(([, value]) => value > 0);
    return h("div", { class: "times" },
      h("div", { class: "bar", "aria-hidden": "true" }, shown.map(([, value, kind]) => {
        const piece = h("i", { class: kind });
        piece.style.flexGrow = value / total;
        return piece;
      })),
      h("dl", { class: "facts" },
        shown.flatMap(([title, value, kind]) => [h("dt", {}, h("i", { class: `key ${kind}`, "aria-hidden": "true" }), title), h("dd", {}, span(value))]),
        h("dt", {}, "to the answer’s head"), h("dd", {}, span(firstByte)),
        h("dt", {}, "total, seen from here"), h("dd", {}, span(total))));
  }

  function heads(response) {
    const rows = [...response.headers].map(([header, value]) => h("tr", {}, h("th", { scope: "row" }, header), h("td", {}, value)));
    return h("details", {}, h("summary", {}, `${rows.length} headers`), h("div", { class: "scroll" }, h("table", { class: "headers" }, h("tbody", {}, rows))));
  }

  function queued(callId) {
    const said = h("span", { role: "status" });
    const back = async () => {
      try {
        await cancel(callId);
        say(said, " Taken back.");
      } catch (error) {
        say(said, ` Not taken back: ${error.message}`);
      }
    };
    return h("p", {}, "Queued. Call id ", h("code", {}, callId ?? "?"), " ", h("button", { type: "button", class: "plain", onclick: back }, "Take it back"), said);
  }

  async function body(bytes, type) {
    const kind = pictureType(bytes, type);
    const tools = h("p", { class: "tools" }, h("span", { class: "quiet" }, `${size(bytes.length)}${type ? `, ${type}` : ""}`));
    // Whatever it is, a browser that is given this address opens nothing.
    const plain = new Blob([bytes], { type: "application/octet-stream" });
    tools.append(h("a", { href: address(plain), download: fileName(name, kind ?? type) }, "Download"));
    if (kind && bytes.length <= PICTURE_BYTES) {
      const picture = h("img", { class: "picture", alt: `Picture that ${name} answered with` });
      const source = kind === "image/svg+xml" ? await dataAddress(bytes, kind) : address(new Blob([bytes], { type: kind }));
      const drawn = await new Promise((done) => {
        picture.onload = () => done(true);
        picture.onerror = () => done(false);
        picture.src = source;
      });
      if (drawn) {
        tools.firstChild.append(`, ${picture.naturalWidth} × ${picture.naturalHeight} pixels`);
        return h("figure", {}, picture, h("figcaption", {}, tools));
      }
    }
    const text = asText(bytes, type);
    const shown = text === undefined ? hex(bytes) : text.length > SHOWN_CHARS ? text.slice(0, SHOWN_CHARS) : text;
    if (text !== undefined) tools.append(h("button", { type: "button", class: "plain", onclick: () => copy(text) }, "Copy"));
    const cut = text === undefined ? bytes.length > SHOWN_BYTES : text.length > SHOWN_CHARS;
    if (cut) tools.firstChild.append(" (the beginning is shown)");
    if (type.includes("html")) tools.firstChild.append(" (as text: a function’s page does not run in this one)");
    return h("figure", {}, h("pre", { class: "body", tabindex: "0", role: "region", "aria-label": "Body" }, shown), h("figcaption", {}, tools));
  }

  return { element, take };
}

function statusOf(response) {
  const status = response.type === "opaqueredirect" ? "A redirect, which is not followed" : `${response.status} ${response.statusText}`.trim();
  return h("strong", { class: response.ok ? "good" : "bad" }, status);
}

function seconds(response, header) {
  const value = Number.parseFloat(response.headers.get(header) ?? "");
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** The body's bytes, and the name of the error if they broke off. */
async function read(response, onChunk) {
  const chunks = [];
  let received = 0, broken;
  if (response.body) {
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      let next;
      try {
        next = await reader.read();
      } catch (error) {
        broken = error.name;
        break;
      }
      if (next.done) break;
      chunks.push(next.value);
      received += next.value.length;
      onChunk(received, decoder.decode(next.value, { stream: true }));
    }
  }
  const bytes = new Uint8Array(received);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, broken };
}

function isText(type) {
  return /^text\/|[/+](json|xml|javascript|x-ndjson|yaml)\b/.test(type);
}

/** Whether the function does not say what it answers with: a watchdog then says it for it. */
function isUnnamed(type) {
  return type === "" || type.split(";")[0] === "application/octet-stream";
}

/** The media type of a picture, by what the function says or, if it says little, by the first bytes. */
function pictureType(bytes, type) {
  const named = type.split(";")[0].trim();
  if (/^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml|x-icon)$/.test(named)) return named;
  if (named !== "" && named !== "application/octet-stream" && named !== "text/plain" && !named.startsWith("image/")) return undefined;
  const begins = (...wanted) => wanted.every((byte, at) => bytes[at] === byte);
  if (begins(0x89, 0x50, 0x4e, 0x47)) return "image/png";
  if (begins(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (begins(0x47, 0x49, 0x46, 0x38)) return "image/gif";
  if (begins(0x52, 0x49, 0x46, 0x46) && bytes[8] === 0x57 && bytes[9] === 0x45) return "image/webp";
  return undefined;
}

/** The text, set out if it is JSON; nothing if the bytes are no text. */
function asText(bytes, type) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: !isText(type) }).decode(bytes);
  } catch {
    return undefined;
  }
  if (!isText(type) && /[\0-\x08\x0e-\x1a]/.test(text)) return undefined;
  if (text.length < 1e6 && /^\s*[[{]/.test(text)) {
    try {
      // Numbers that JavaScript would round stay as they are.
      if (!/\d{16}/.test(text)) return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // Then it is not JSON.
    }
  }
  return text;
}

function hex(bytes) {
  const rows = [];
  for (let at = 0; at < Math.min(bytes.length, SHOWN_BYTES); at += 16) {
    const row = [...bytes.slice(at, Math.min(at + 16, SHOWN_BYTES))];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${letters}`);
  }
  return rows.join("\n");
}

function dataAddress(bytes, type) {
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(new Blob([bytes], { type }));
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied.");
  } catch {
    announce("The browser does not let this page copy.");
  }
}

function fileName(name, type) {
  const ending = { "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/svg+xml": "svg", "application/json": "json" }[type.split(";")[0]];
  return `${name}.${ending ?? (isText(type) ? "txt" : "bin")}`;
}
