// The list of functions, live. Rows stay the same elements as their figures change, so that focus stays where it is.

import { count, h, say } from "./dom.js";

const PIPS = 10;
const FILTER_FROM = 7;
const STATES = ["ready", "starting", "crashed", "retiring"];

export function createList() {
  const rows = new Map();
  const body = h("tbody");
  const empty = h("p", { class: "quiet", hidden: true }, "Nothing is deployed yet. ", h("a", { href: "#/deploy" }, "Deploy a function"), ".");
  const filter = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter functions by name", hidden: true, oninput: sift });
  const head = h("tr", {},
    h("th", { scope: "col" }, "Function"),
    h("th", { scope: "col" }, "Replicas"),
    h("th", { scope: "col", class: "n" }, h("abbr", { title: "Calls that run or wait" }, "In flight")),
    h("th", { scope: "col", class: "n" }, h("abbr", { title: "Calls answered since the gateway started" }, "Calls")),
    h("th", { scope: "col", class: "n" }, h("abbr", { title: "Calls answered per second, over the last seconds" }, "Per s")));
  const table = h("table", { class: "functions" }, h("caption", { class: "unseen" }, "Functions, with what they do at the moment"), h("thead", {}, head), body);
  const element = h("section", { class: "list", "aria-label": "Functions" }, filter, table, empty);
  let chosen;

  function sift() {
    const part = filter.value.trim().toLowerCase();
    for (const [name, row] of rows) row.element.hidden = !name.toLowerCase().includes(part);
  }

  return {
    element,
    /** Marks the function that is looked at. */
    choose(name) {
      chosen = name;
      for (const [key, row] of rows) row.mark(key === name);
    },
    update(functions) {
      for (const [name, row] of rows) {
        if (functions.has(name)) continue;
        row.element.remove();
        rows.delete(name);
      }
      let before = null;
      for (const [name, live] of functions) {
        let row = rows.get(name);
        if (!row) {
          row = createRow(name);
          row.mark(name === chosen);
          rows.set(name, row);
          before ? before.after(row.element) : body.prepend(row.element);
        }
        row.update(live);
        before = row.element;
      }
      filter.hidden = rows.size < FILTER_FROM;
      table.hidden = rows.size === 0;
      empty.hidden = rows.size > 0;
      sift();
    },
  };
}

function createRow(name) {
  const link = h("a", { href: `#/f/${encodeURIComponent(name)}/invoke` }, name);
  const pips = h("span", { class: "pips", "aria-hidden": "true" });
  const words = h("span"), unseen = h("span", { class: "unseen" });
  const flight = h("td", { class: "n" }), calls = h("td", { class: "n" }), rate = h("td", { class: "n" });
  const element = h("tr", {}, h("th", { scope: "row" }, link), h("td", {}, pips, words, unseen), flight, calls, rate);
  const past = [];
  return {
    element,
    mark(on) {
      on ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    },
    update(live) {
      const by = tally(live);
      const [few, ...rest] = replicaWords(live, by).split(/(?=,)/);
      say(words, by.crashed > 0 ? `${few}, ${by.crashed} crashed` : few);
      say(unseen, rest.join(""));
      const wanted = STATES.flatMap((state) => Array(by[state]).fill(state)).slice(0, PIPS).join(" ");
      if (pips.dataset.shown !== wanted) {
        pips.dataset.shown = wanted;
        pips.replaceChildren(...wanted.split(" ").filter(Boolean).map((state) => h("i", { class: state })));
      }
      const busy = live.inFlight + live.waiting;
      say(flight, busy > 0 || live.queued > 0 ? `${count(busy)}${live.queued > 0 ? ` + ${count(live.queued)} queued` : ""}` : "0");
      flight.classList.toggle("busy", busy > 0);
      say(calls, count(live.invocations));
      const now = performance.now() / 1000;
      past.push([now, live.invocations]);
      while (past.length > 6) past.shift();
      const [since, then] = past[0];
      const perSecond = now > since ? Math.max(0, live.invocations - then) / (now - since) : 0;
      say(rate, perSecond === 0 ? "" : perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond)));
    },
  };
}

/** Replicas by state. */
export function tally(live) {
  const by = { ready: 0, starting: 0, crashed: 0, retiring: 0 };
  for (const replica of live.replicas) by[replica.state] = (by[replica.state] ?? 0) + 1;
  // Those that were asked for and have not appeared.
  by.starting = Math.max(by.starting, live.desired - by.ready - by.crashed);
  return by;
}

/** "2 ready", "0, scaled to zero", "1 of 3 ready, 2 starting". */
export function replicaWords(live, by = tally(live)) {
  if (live.desired === 0 && live.replicas.length === 0) return "0";
  const most = Math.max(live.desired, by.ready);
  const rest = STATES.slice(1).filter((state) => by[state] > 0).map((state) => `${by[state]} ${state}`);
  return [by.ready === most ? `${by.ready}` : `${by.ready} of ${most}`, ...rest].join(", ");
}
