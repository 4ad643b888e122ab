// One function: how many replicas, what it was deployed as, and its end.

import { announce, ask, count, field, h, lines, problem, say, size, span } from "./dom.js";
import { parse, system } from "./api.js";
import { replicaWords } from "./list.js";

export function createAbout(name, functions, tick) {
  const { name: short, namespace } = parse(name);
  const query = `namespace=${encodeURIComponent(namespace)}`;
  const said = h("div");
  const replicas = h("input", { type: "number", min: 0, max: 1000, required: true, inputmode: "numeric" });
  const now = h("strong"), bounds = h("span", { class: "quiet" });
  const table = h("tbody");
  const none = h("p", { class: "quiet" }, "No replica is there. The first call starts one.");
  const facts = h("dl", { class: "facts" });
  let touched = false;
  replicas.addEventListener("input", () => (touched = true));

  async function act(work) {
    said.replaceChildren();
    try {
      await work();
    } catch (error) {
      said.replaceChildren(problem(error));
    }
  }
  const scale = (event) => {
    event.preventDefault();
    const wanted = replicas.valueAsNumber;
    act(async () => {
      const json = { serviceName: short, namespace, replicas: wanted };
      await system(`scale-function/${encodeURIComponent(short)}?${query}`, { method: "POST", json });
      touched = false;
      announce(`${name}: ${wanted} replicas wanted.`);
      tick();
    });
  };
  const remove = () =>
    act(async () => {
      const sure = await ask(`Delete ${name}?`, "Its replicas finish the calls they have and end. Its configuration is gone; secrets stay.", "Delete");
      if (!sure) return;
      await system("functions", { method: "DELETE", json: { functionName: short, namespace } });
      announce(`${name} is deleted.`);
      location.hash = "#/";
      tick();
    });

  const fact = (title, ...value) => [h("dt", {}, title), h("dd", {}, ...value)];
  async function describe() {
    try {
      const it = await (await system(`function/${encodeURIComponent(short)}?${query}&usage=1`)).json();
      const block = (text) => (text ? h("pre", {}, text) : h("span", { class: "quiet" }, "none"));
      const resources = (them) => Object.entries(them ?? {}).map(([key, value]) => `${key} ${value}`).join(", ");
      facts.replaceChildren(
        ...fact("Image", h("code", {}, it.image)),
        ...(it.envProcess ? fact("Process", h("code", {}, it.envProcess)) : []),
        ...fact("Deployed", it.createdAt),
        ...(it.usage ? fact("Uses now", `${it.usage.cpu.toFixed(0)} m CPU, ${size(Math.round(it.usage.totalMemoryBytes))}`) : []),
        ...(it.limits ? fact("Limits", resources(it.limits)) : []),
        ...fact("Environment", block(lines(it.envVars))),
        ...fact("Labels", block(lines(it.labels))),
        ...(it.annotations ? fact("Annotations", block(lines(it.annotations))) : []),
        ...fact("Secrets", (it.secrets ?? []).join(", ") || h("span", { class: "quiet" }, "none")),
        ...fact("From a shell", h("pre", {}, `curl ${location.origin}/function/${name} -d Ada`)),
      );
    } catch (error) {
      if (error.status !== 404) said.replaceChildren(problem(error));
    }
  }
  describe();

  return {
    element: h("div", {}, said,
      h("h2", {}, "Replicas"),
      h("p", {}, now, " ", bounds),
      h("form", { class: "row", onsubmit: scale }, field("Wanted", replicas), h("button", { class: "primary" }, "Scale")),
      h("p", { class: "quiet" }, "The function’s scaling policy goes on from there, within its bounds."),
      h("div", { class: "scroll", role: "region", "aria-label": "Replicas", tabindex: "0" },
        h("table", {}, h("thead", {}, h("tr", {}, ...["Replica", "State", "Cold start", "Age", "Restarts"].map((it) => h("th", { scope: "col" }, it)))), table), none),
      h("h2", {}, "Deployment"), facts,
      h("h2", {}, "Delete"),
      h("p", {}, h("button", { type: "button", class: "danger", onclick: remove }, `Delete ${name}…`))),
    update() {
      const live = functions.get(name);
      if (!live) return;
      say(now, replicaWords(live));
      say(bounds, `ready; the policy keeps between ${live.min} and ${live.max}.`);
      if (!touched && document.activeElement !== replicas) replicas.value = live.desired;
      none.hidden = live.replicas.length > 0;
      const rows = live.replicas.map((it) => [
        it.instance, it.reason ? `${it.state}: ${it.reason}` : it.state,
        it.coldStartSeconds === undefined ? "–" : span(it.coldStartSeconds), span(it.ageSeconds), count(it.restarts),
      ]);
      while (table.rows.length > rows.length) table.deleteRow(-1);
      rows.forEach((cells, at) => {
        const row = table.rows[at] ?? table.appendChild(h("tr", {}, h("th", { scope: "row" }), ...cells.slice(1).map(() => h("td"))));
        cells.forEach((text, column) => say(row.cells[column], text));
      });
    },
  };
}
