// The page: log-in, the list, and beside it what is chosen. Where one is stands after the # of the address.

import { authorize, needsPassword, Refused, system } from "./api.js";
import { announce, field, h, problem, say } from "./dom.js";
import { createList } from "./list.js";
import { createDeploy } from "./deploy.js";
import { createInvoke } from "./invoke.js";
import { createLogs } from "./logs.js";
import { createAbout } from "./about.js";

const EVERY = 1000;
const TABS = [["invoke", "Call"], ["logs", "Logs"], ["about", "Scale and details"]];
const app = document.getElementById("app");

start();

async function start() {
  try {
    if (await needsPassword()) logIn();
    else open(await (await system("info")).json());
  } catch (error) {
    logIn(error);
  }
}

function logIn(error) {
  const user = h("input", { name: "username", autocomplete: "username", required: true, value: "admin", spellcheck: "false", autocapitalize: "none" });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const said = h("div", {}, error && problem(error));
  const button = h("button", { class: "primary" }, "Log in");
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    authorize(user.value, password.value);
    try {
      open(await (await system("info")).json());
    } catch (error) {
      authorize();
      said.replaceChildren(problem(error.status === 401 ? "User or password are wrong." : error));
      button.disabled = false;
      password.select();
    }
  };
  app.replaceChildren(
    h("main", { class: "login" },
      h("h1", {}, h("img", { src: "icon.svg", alt: "", width: 32, height: 32 }), "faas-lab"),
      h("form", { onsubmit: submit }, field("User", user), field("Password", password, "faas-lab up says which file it is in. It is kept in this tab’s memory and nowhere else."), said, button)),
  );
  document.title = "Log in – faas-lab";
  password.focus();
}

/** After log-in. */
function open(info) {
  const panel = h("section", { class: "panel", id: "panel", tabindex: "-1" });
  const state = h("span", { class: "quiet", id: "connection" });
  const functions = new Map();
  const list = createList();
  const release = info?.version?.release ?? "";
  const out = h("button", { type: "button", class: "plain", onclick: () => location.reload() }, "Log out");
  app.replaceChildren(
    h("header", {},
      h("a", { class: "brand", href: "#/" }, h("img", { src: "icon.svg", alt: "", width: 24, height: 24 }), "faas-lab"),
      h("span", { class: "quiet" }, `${release} on ${info?.arch ?? "?"}`), state,
      h("nav", { "aria-label": "Page" }, h("a", { class: "button", href: "#/deploy" }, "New function"), out)),
    h("main", { class: "split" }, list.element, panel),
  );

  let view, shown;
  function go() {
    const [kind, name, tab] = place();
    const now = `${kind}/${name}/${tab}`;
    if (now === shown) return;
    shown = now;
    view?.end?.();
    view = undefined;
    document.body.dataset.view = kind ? "panel" : "list";
    list.choose(kind === "f" ? name : undefined);
    if (kind === "deploy") view = createDeploy(functions, tick);
    else if (kind === "f" && name) view = functionView(name, tab ?? "invoke");
    document.title = kind === "f" ? `${name} – faas-lab` : kind === "deploy" ? "Deploy – faas-lab" : "faas-lab";
    panel.hidden = !view;
    panel.replaceChildren(...(view ? [h("a", { class: "back", href: "#/" }, "← All functions"), view.element] : []));
    view?.update?.();
    if (view && view.focus !== false) panel.querySelector("h1")?.focus();
    window.scrollTo(0, 0);
  }

  function functionView(name, tab) {
    const create = { invoke: createInvoke, logs: createLogs, about: createAbout }[tab] ?? createInvoke;
    const inner = create(name, functions, tick);
    const away = h("p", { class: "problem", hidden: true }, `There is no function ${name} (any more).`);
    const tabs = TABS.map(([key, title]) =>
      h("a", { href: `#/f/${encodeURIComponent(name)}/${key}`, "aria-current": key === tab ? "page" : undefined }, title));
    return {
      element: h("div", {}, h("h1", { tabindex: "-1" }, name), h("nav", { class: "tabs", "aria-label": name }, tabs), away, inner.element),
      update() {
        away.hidden = functions.size === 0 || functions.has(name);
        inner.update?.();
      },
      end: inner.end,
    };
  }

  let timer, asking = false;
  const life = new AbortController();
  /** Asks what everything does at the moment; from then on again each second while somebody looks. */
  async function tick() {
    clearTimeout(timer);
    if (asking) return;
    asking = true;
    try {
      if (!document.hidden) {
        const live = await (await system("live")).json();
        functions.clear();
        for (const it of live) functions.set(it.namespace === "openfaas-fn" ? it.name : `${it.name}.${it.namespace}`, it);
        list.update(functions);
        view?.update?.();
        say(state, "");
      }
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        authorize();
        life.abort();
        view?.end?.();
        logIn("The password is not valid any more.");
        return;
      }
      say(state, `${error.message}; trying again`);
    } finally {
      asking = false;
    }
    timer = setTimeout(tick, EVERY);
  }
  window.addEventListener("hashchange", go, life);
  document.addEventListener("visibilitychange", () => document.hidden || tick(), life);
  go();
  tick();
  announce("Logged in.");
}

/** Where the address leads: nothing, `deploy`, or `f`, a function and a tab. */
function place() {
  try {
    return decodeURIComponent(location.hash.slice(1)).split("/").filter(Boolean);
  } catch {
    return [];
  }
}
