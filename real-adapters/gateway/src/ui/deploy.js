// Deploying: from the store at a click, or anything by a form. Secrets that are missing are asked for on the way.

import { announce, field, h, lines, pairs, problem } from "./dom.js";
import { store, system } from "./api.js";

export function createDeploy(functions, tick) {
  const said = h("div");
  const shelf = h("ul", { class: "store" });
  const input = (attributes) => h("input", { spellcheck: "false", autocapitalize: "none", autocomplete: "off", ...attributes });
  const area = (rows, placeholder) => h("textarea", { rows, spellcheck: "false", placeholder });
  const image = input({ required: true, placeholder: "hello" });
  const name = input({ required: true, pattern: "[a-z0-9]([\\-a-z0-9]*[a-z0-9])?", maxlength: 63, placeholder: "hello" });
  const process = input({ placeholder: "from the image" });
  const environment = area(3, "exec_timeout=30s");
  const labels = area(3, "com.openfaas.scale.max=5");
  const annotations = area(2, "topic=cron-function");
  const secrets = input({ placeholder: "name, other-name", oninput: () => showMissing() });
  const memory = input({ placeholder: "128Mi" });
  const cpu = input({ placeholder: "500m" });
  const missing = h("div");
  const button = h("button", { class: "primary" }, "Deploy");
  const values = new Map(), marks = new Map();
  let known = [], entries = [], ended = false, busy = false;

  const list = (text) => text.split(/[\s,]+/).filter(Boolean);

  /** A field for the value of each secret that is named and does not exist. */
  function showMissing() {
    const wanted = list(secrets.value).filter((secret) => !known.includes(secret));
    missing.replaceChildren(...wanted.map((secret) => {
      const value = h("input", { type: "password", autocomplete: "off", value: values.get(secret) ?? "", "data-secret": secret, oninput: () => values.set(secret, value.value) });
      return field(`Value of the secret ${secret}`, value, "It does not exist yet. With a value here it is created before the deployment.");
    }));
  }

  function fill(entry) {
    image.value = Object.values(entry.images ?? {})[0] ?? entry.name ?? "";
    name.value = entry.name ?? "";
    process.value = entry.fprocess ?? "";
    environment.value = lines(entry.environment);
    labels.value = lines(entry.labels);
    annotations.value = lines(entry.annotations);
    secrets.value = (entry.secrets ?? []).join(", ");
    memory.value = cpu.value = "";
    showMissing();
  }

  /** The form as a deployment; throws what is wrong with it. */
  function deployment() {
    const json = {
      service: name.value.trim(),
      image: image.value.trim(),
      envProcess: process.value.trim(),
      envVars: pairs(environment.value, "=", "Environment"),
      labels: pairs(labels.value, "=", "Labels"),
      annotations: pairs(annotations.value, "=", "Annotations"),
      secrets: list(secrets.value),
    };
    const limits = { memory: memory.value.trim(), cpu: cpu.value.trim() };
    if (limits.memory || limits.cpu) json.limits = limits;
    return json;
  }

  async function deploy(event) {
    event.preventDefault();
    if (busy) return;
    busy = true;
    said.replaceChildren();
    try {
      const json = deployment();
      for (const secret of json.secrets.filter((it) => !known.includes(it) && values.get(it))) {
        await system("secrets", { method: "POST", json: { name: secret, value: values.get(secret) } });
        values.delete(secret);
        known.push(secret);
      }
      showMissing();
      await system("functions", { method: "POST", json });
      arrived(json.service);
    } catch (error) {
      said.replaceChildren(problem(error));
      said.scrollIntoView({ block: "nearest" });
    } finally {
      busy = false;
    }
  }

  function arrived(service) {
    announce(`${service} is deployed.`);
    tick();
    if (!ended) location.hash = `#/f/${encodeURIComponent(service)}/invoke`;
  }

  async function take(entry) {
    fill(entry);
    if ((entry.secrets ?? []).some((secret) => !known.includes(secret))) {
      said.replaceChildren(h("p", { class: "note" }, `${entry.title ?? entry.name} needs a secret that does not exist yet: give it a value.`));
      missing.querySelector("input")?.focus();
      return;
    }
    if (busy) return;
    busy = true;
    said.replaceChildren();
    try {
      await system("functions", { method: "POST", json: deployment() });
      arrived(entry.name);
    } catch (error) {
      said.replaceChildren(problem(error));
      said.scrollIntoView({ block: "nearest" });
    } finally {
      busy = false;
    }
  }

  function showStore() {
    shelf.replaceChildren(...entries.map((entry) => {
      const title = entry.title ?? entry.name;
      const pressed = h("button", { type: "button", "aria-label": `Deploy ${title}`, onclick: () => take(entry) }, "Deploy");
      const change = h("button", { type: "button", class: "plain", "aria-label": `Change ${title} before it is deployed`, onclick: () => { fill(entry); name.focus(); } }, "Change…");
      const open = h("a", { href: `#/f/${encodeURIComponent(entry.name)}/invoke`, "aria-label": `Open ${title}` }, "Deployed: open");
      marks.set(entry.name, (there) => { pressed.hidden = change.hidden = there; open.hidden = !there; });
      return h("li", {}, h("div", {}, h("h3", {}, title, " ", h("code", {}, entry.name)), h("p", {}, entry.description ?? "")), h("div", { class: "buttons" }, pressed, change, open));
    }));
    if (entries.length === 0) shelf.replaceChildren(h("li", { class: "quiet" }, "This gateway has no store."));
    update();
  }

  function update() {
    for (const [name, mark] of marks) mark(functions.has(name));
  }

  async function load() {
    try {
      const listed = await (await system("secrets")).json();
      known = listed.map((secret) => secret.name);
      entries = await store();
      showStore();
    } catch (error) {
      said.replaceChildren(problem(error));
    }
  }
  load();

  return {
    element: h("div", {}, h("h1", { tabindex: "-1" }, "Deploy a function"), said,
      h("h2", {}, "From the store"), shelf,
      h("h2", {}, "By hand"),
      h("form", { onsubmit: deploy },
        h("div", { class: "pair" }, field("Image", image, "A built-in function’s name, or a folder with a function.toml."), field("Name", name, "Lower-case letters, digits and hyphens.")),
        field("Secrets", secrets, "Names; a function finds them as files."), missing,
        h("details", {}, h("summary", {}, "Environment, labels, limits"),
          field("Process", process, "What the watchdog runs, instead of the image’s own."),
          field("Environment", environment, "NAME=value, one per line."),
          field("Labels", labels, "NAME=value, one per line; com.openfaas.scale.* choose and bound the scaling."),
          field("Annotations", annotations, "NAME=value, one per line."),
          h("div", { class: "pair" }, field("Memory limit", memory), field("CPU limit", cpu))),
        h("div", { class: "buttons" }, button))),
    update,
    end: () => (ended = true),
  };
}
