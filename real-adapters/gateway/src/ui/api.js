// The gateway's REST API. User and password live in this module only: a reload asks for them again.

let authorization;

/** An answer that is not a success: its text is what the server said. */
export class Refused extends Error {
  constructor(status, text) {
    super(text.trim() || `the gateway answers ${status}`);
    this.status = status;
  }
}

/** Uses this user and password from now on; nothing, if called without. */
export function authorize(user, password) {
  if (user === undefined) {
    authorization = undefined;
    return;
  }
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  authorization = `Basic ${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
}

/** A call to /system; the response, if it is a success. */
export async function system(path, { method = "GET", json, signal } = {}) {
  const headers = {};
  if (authorization) headers.Authorization = authorization;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = json === undefined ? undefined : JSON.stringify(json);
  let response;
  try {
    // The browser's own passwords stay out of it, and its own question for one too.
    response = await fetch(`/system/${path}`, { method, headers, body, signal, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the gateway cannot be reached");
  }
  if (!response.ok) throw new Refused(response.status, await response.text());
  return response;
}

/** Whether /system asks for a password. */
export async function needsPassword() {
  return (await (await fetch("access.json", { credentials: "omit" })).json()).password !== false;
}

/** A call to a function, without our password: functions are given the headers that they are sent. */
export function invoke(path, { method, headers, body, signal, later = false }) {
  const prefix = later ? "/async-function/" : "/function/";
  return fetch(prefix + path, { method, headers, body, signal, credentials: "omit", cache: "no-store", redirect: "manual" });
}

/** Takes back an asynchronous invocation. */
export async function cancel(callId) {
  const response = await fetch(`/async-function/${encodeURIComponent(callId)}`, { method: "DELETE", credentials: "omit" });
  if (!response.ok) throw new Refused(response.status, await response.text());
}

/** The function store's entries, whichever way they are wrapped. */
export async function store() {
  const response = await fetch("/store.json", { credentials: "omit" });
  if (!response.ok) throw new Refused(response.status, await response.text());
  const read = await response.json();
  const entries = Array.isArray(read) ? read : read?.functions;
  return Array.isArray(entries) ? entries : [];
}

/** Name and namespace: the default one is left out where functions are named. */
export function parse(text) {
  const at = text.lastIndexOf(".");
  return at < 0 ? { name: text, namespace: "openfaas-fn" } : { name: text.slice(0, at), namespace: text.slice(at + 1) };
}
