// Elements, and numbers for people. Text only ever becomes text: there is no way from here to markup.

/** An element: attributes by name, listeners by `onclick` and the like, children as elements or text. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** Sets text only where it differs, so that selections and screen readers are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A label, its field, and what is to be known of it. */
export function field(label, input, hint) {
  const id = `field-${(field.count = (field.count ?? 0) + 1)}`;
  input.id = id;
  const about = hint && h("small", { id: `${id}-hint` }, hint);
  if (about) input.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, about);
}

/** What went wrong, as the server said it. */
export function problem(error) {
  return h("p", { class: "problem", role: "alert" }, String(error?.message ?? error));
}

/** A line for screen readers, and for eyes for a while. */
export function announce(text) {
  const status = document.getElementById("status");
  say(status, text);
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => say(status, ""), 5000);
}

/** 0.0123 → "12.3 ms". */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) {
    const ms = seconds * 1000;
    return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
  }
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

/** 12345 → "12.3 kB". */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const unit = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  const value = bytes / unit[1];
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${unit[0]}`;
}

/** 1234567 → "1 234 567", with thin spaces. */
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** Asks in a dialog; resolves to whether the answer was yes. */
export function ask(title, text, yes) {
  return new Promise((done) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "ask-title", onclose: () => { done(dialog.returnValue === "yes"); dialog.remove(); } },
      h("h2", { id: "ask-title" }, title),
      h("p", {}, text),
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: () => dialog.close("no") }, "Cancel"),
        h("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, yes)),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** `NAME=value` lines as an object; throws what is wrong with which line. */
export function pairs(text, separator, what) {
  const read = {};
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "") return;
    const at = line.indexOf(separator);
    if (at < 1) throw new Error(`${what}, line ${index + 1}: write NAME${separator}value instead of ${JSON.stringify(line)}`);
    read[line.slice(0, at).trim()] = separator === ":" ? line.slice(at + 1).trim() : line.slice(at + 1);
  });
  return read;
}

/** An object as `NAME=value` lines. */
export function lines(object, separator = "=") {
  return Object.entries(object ?? {}).map(([name, value]) => `${name}${separator}${value}`).join("\n");
}
