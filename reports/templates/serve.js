
// The page of faas-lab serve: settings move, the server runs the scenario, the curves follow.
const $ = id => document.getElementById(id);
if (document.body.classList.contains('lab')) (() => {
  const page = Array.from(crypto.getRandomValues(new Uint32Array(3)), part => part.toString(36)).join('');
  const made = (tag, set = {}, ...parts) => { const part = Object.assign(document.createElement(tag), set); part.append(...parts); return part; };
  let scenario, opened, changes = new Map(), pins = [], shown, turn = 0, seconds = .1;

  const ask = async (path, body, signal) => {
    const response = await fetch(path, {
      method: 'POST', signal, headers: { 'Content-Type': typeof body === 'string' ? 'text/plain' : 'application/json', 'X-Faas-Lab': '1' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    if (!response.ok) {
      const text = await response.text();
      let words = text;
      try { words = JSON.parse(text).error; } catch { /* Not ours: as it is. */ }
      throw Object.assign(new Error(words || response.statusText), { status: response.status });
    }
    return response;
  };
  const wrong = error => {
    $('wrong').hidden = !error;
    $('wrong').textContent = error ? error.message : '';
    document.body.classList.toggle('stale', !!error);
  };
  const guarded = work => (...given) => work(...given).catch(error => { if (error.name !== 'AbortError') wrong(error); });

  // One run at a time: a quick one while something moves, all replications once it rests.
  let busy = false, wanted = false, waiting, controller, began;
  const moved = () => {
    wanted = true;
    document.body.dataset.runs = 'moving';
    clearTimeout(waiting);
    // A refinement, or a run that takes long, gives way.
    if (busy && (controller.full || performance.now() - began > 400)) controller.abort();
    pump();
  };
  const pump = async () => {
    if (busy || !wanted) return;
    wanted = false;
    await go(seconds > .2 ? 1 : 2, false);
    if (wanted) return pump();
    if (shown && shown.replications < opened.replications && $('wrong').hidden) {
      waiting = setTimeout(() => { if (!busy) go(opened.replications, true).then(rest); }, 150);
    } else {
      rest();
    }
  };
  const rest = () => {
    if (wanted) return pump();
    document.body.dataset.runs = 'still';
  };
  const go = async (replications, full) => {
    busy = true;
    began = performance.now();
    controller = Object.assign(new AbortController(), { full });
    try {
      const body = { page, turn: ++turn, scenario, overrides: overrides(), replications, beside: pins.map(({ id, label }) => ({ id, label })) };
      const label = called();
      const ran = await (await ask('/api/run', body, controller.signal)).json();
      if (!full) seconds = ran.seconds;
      show({ ...ran, label });
      wrong();
    } catch (error) {
      // A run that had to give way is no error.
      if (error.name !== 'AbortError' && error.status !== 409) wrong(error);
    } finally {
      busy = false;
    }
  };
  const show = ran => {
    shown = ran;
    const open = [...$('charts').querySelectorAll('details')].map(part => part.open);
    $('charts').innerHTML = ran.html;
    [...$('charts').querySelectorAll('details')].forEach((part, index) => { part.open = !!open[index]; });
    valuesOnHover($('charts'));
    $('status').textContent = `${ran.replications} of ${opened.replications} replications in ${ran.seconds.toFixed(2)} s${ran.partial ? ', ended early' : ''}`;
    ['pin', 'save', 'report'].forEach(id => { $(id).disabled = false; });
  };

  // Values as a scenario writes them.
  const digits = value => String(+value.toPrecision(3));
  const literal = {
    time: value => value >= 1 ? `"${digits(value)}s"` : value >= 1e-3 ? `"${digits(value * 1e3)}ms"` : `"${digits(value * 1e6)}us"`,
    rate: value => value >= .01 ? `"${digits(value)}/s"` : `"${digits(value * 3600)}/h"`,
    whole: value => String(Math.round(value)),
    number: value => digits(value),
  };
  const STEPS = 1000;
  const byFactor = knob => knob.kind !== 'whole';
  const toStep = (knob, value) => byFactor(knob)
    ? STEPS * Math.log(Math.max(value, knob.least) / knob.least) / Math.log(knob.most / knob.least) : value;
  const fromStep = (knob, step) => byFactor(knob) ? knob.least * (knob.most / knob.least) ** (step / STEPS) : step;
  const read = (knob, text) => {
    const plain = text.trim().replace(/^"|"$/g, ''), number = parseFloat(plain), unit = plain.replace(/^[\d.]+/, '');
    const scale = knob.kind === 'time' ? { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 }[unit]
      : knob.kind === 'rate' ? { '/s': 1, '/m': 1 / 60, '/min': 1 / 60, '/h': 1 / 3600, '/d': 1 / 86400 }[unit] : unit === '' ? 1 : undefined;
    return scale === undefined ? undefined : number * scale;
  };

  const overrides = () => [...changes].map(([key, value]) => `${key}=${value}`);
  const change = (knob, value) => {
    value === undefined ? changes.delete(knob.key) : changes.set(knob.key, value);
    // Another policy has settings of its own.
    if (knob.kind === 'choice') [...changes.keys()].filter(key => key.startsWith(knob.key + '.')).forEach(key => changes.delete(key));
    $('reset').hidden = changes.size === 0;
    mark();
    moved();
  };
  const mark = () => document.querySelectorAll('.knob').forEach(part => {
    part.classList.toggle('changed', changes.has(part.dataset.key));
    // Settings of a policy that is not in use move nothing.
    part.hidden = opened.knobs.some(({ kind, key }) => kind === 'choice' && changes.has(key) && part.dataset.key.startsWith(key + '.'));
  });

  // One row: a name, a value to type, a slider to move.
  const row = (knob, index) => {
    const id = `knob-${index}`, part = made('div', { className: 'knob', title: knob.key });
    part.dataset.key = knob.key;
    const name = made('label', { htmlFor: id, textContent: knob.label });
    if (knob.kind === 'choice') {
      const own = knob.value && !knob.options.includes(knob.value) ? [knob.value] : [];
      const names = [...(knob.value ? [] : ['']), ...own, ...knob.options];
      const select = made('select', { id }, ...names.map(value => made('option', { value, textContent: value || 'default' })));
      select.value = knob.value;
      select.addEventListener('change', () => change(knob, select.value === knob.value ? undefined : JSON.stringify(select.value)));
      part.append(name, select);
      return part;
    }
    const slider = made('input', { type: 'range', id, min: 0, max: STEPS, step: 1 });
    const text = made('input', { type: 'text', ariaLabel: `${knob.label}, value`, spellcheck: false });
    if (knob.kind === 'shape') {
      const factor = { kind: 'number', least: .1, most: 10 };
      name.textContent = 'all rates, times';
      const set = value => {
        const points = knob.points.map(([at, rate]) => [at, `${+(rate * value).toPrecision(6)}/s`]);
        change(knob, value === 1 ? undefined : JSON.stringify(points));
      };
      slider.value = toStep(factor, 1);
      text.value = '1';
      slider.addEventListener('input', () => { const value = +digits(fromStep(factor, +slider.value)); text.value = value; set(value); });
      text.addEventListener('change', () => { const value = parseFloat(text.value); if (value > 0) { slider.value = toStep(factor, value); set(value); } });
    } else {
      if (knob.kind === 'whole') Object.assign(slider, { min: knob.least, max: knob.most });
      const first = literal[knob.kind](knob.value), bare = value => value.replace(/^"|"$/g, '');
      slider.value = toStep(knob, knob.value);
      text.value = bare(first);
      slider.addEventListener('input', () => {
        const value = literal[knob.kind](fromStep(knob, +slider.value));
        text.value = bare(value);
        change(knob, value === first ? undefined : value);
      });
      text.addEventListener('change', () => {
        const value = read(knob, text.value);
        if (value !== undefined) slider.value = toStep(knob, value);
        const written = /^[\d.]+$/.test(text.value.trim()) ? text.value.trim() : JSON.stringify(text.value.trim());
        change(knob, written === first ? undefined : written);
      });
    }
    part.append(name, text, slider);
    return part;
  };

  const GROUPS = { policies: 'Policies', timeouts: 'Timeouts', replicas: 'Replicas', load: 'Load', work: 'Work and cold starts', other: 'Everything else' };
  const FOLDED = ['work', 'other'];
  const layOut = () => {
    $('knobs').replaceChildren(...Object.entries(GROUPS).flatMap(([group, name]) => {
      const rows = opened.knobs.map((knob, index) => [knob, index]).filter(([knob]) => knob.group === group).map(given => row(...given));
      if (!rows.length) return [];
      return FOLDED.includes(group) ? [made('details', {}, made('summary', { textContent: name }), ...rows)]
        : [made('section', { ariaLabel: name }, made('h2', { textContent: name }), ...rows)];
    }));
    mark();
  };
  const layOutPins = () => $('pins').replaceChildren(...pins.map(pin => {
    const remove = made('button', { type: 'button', textContent: '×', ariaLabel: `Remove ${pin.label}` });
    remove.addEventListener('click', guarded(async () => {
      pins = pins.filter(other => other !== pin);
      layOutPins();
      moved();
      await ask('/api/unpin', { id: pin.id });
    }));
    return made('div', { className: 'pin' }, made('span', { textContent: (pin.measured ? 'measured: ' : 'pinned: ') + pin.label }), remove);
  }));

  const open = guarded(async next => {
    const found = await (await ask('/api/open', { scenario: next })).json();
    [scenario, opened, changes, shown] = [next, found, new Map(), undefined];
    document.title = `${found.name} · faas-lab`;
    $('about').textContent = found.about;
    $('about').parentElement.hidden = !found.about;
    $('variants').hidden = found.variants.length === 0;
    $('variant').replaceChildren(made('option', { value: '', textContent: 'as written' }), ...found.variants.map(({ name }) => made('option', { value: name, textContent: name })));
    $('reset').hidden = true;
    wrong();
    layOut();
    moved();
  });
  const reset = () => { changes = new Map(); $('reset').hidden = true; layOut(); moved(); };
  $('reset').addEventListener('click', () => { $('variant').value = ''; reset(); });
  $('variant').addEventListener('change', () => {
    reset();
    variantOf($('variant').value).forEach(text => { const at = text.indexOf('='); changes.set(text.slice(0, at), text.slice(at + 1)); });
    $('reset').hidden = changes.size === 0;
    mark();
    moved();
  });

  // A name for a run: the variant, or what was changed.
  const called = () => {
    const last = ([key, value]) => `${key.replace(/"/g, '').split('.').pop().replace(/_/g, ' ')} ${value.length > 24 ? 'changed' : value.replace(/"/g, '')}`;
    return $('variant').value && `${overrides()}` === `${variantOf($('variant').value)}` ? $('variant').value : [...changes].map(last).join(', ') || 'as written';
  };
  const variantOf = name => opened.variants.find(variant => variant.name === name)?.overrides ?? [];
  const unused = name => {
    const taken = wanted => pins.some(pin => pin.label === wanted);
    for (let number = 1; ; number++) { const wanted = number === 1 ? name : `${name} (${number})`; if (!taken(wanted)) return wanted; }
  };
  $('pin').addEventListener('click', guarded(async () => {
    const pin = { id: shown.id, label: unused(shown.label) };
    await ask('/api/pin', { id: pin.id });
    pins.push(pin);
    layOutPins();
    moved();
  }));
  $('result').addEventListener('change', guarded(async () => {
    for (const file of $('result').files) {
      const { id, name, measured } = await (await ask('/api/results', await file.text())).json();
      pins.push({ id, label: unused(name), measured });
    }
    $('result').value = '';
    layOutPins();
    moved();
  }));
  document.querySelectorAll('label.button').forEach(button => button.addEventListener('keydown', event => {
    if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); button.click(); }
  }));
  const save = (name, text, type) => {
    const link = made('a', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  $('save').addEventListener('click', () => save(`${opened.name}.toml`, shown.toml, 'application/toml'));
  $('report').addEventListener('click', guarded(async () => {
    const beside = pins.map(({ id, label }) => ({ id, label }));
    save(`${opened.name}.html`, await (await ask('/api/report', { id: shown.id, label: unused(shown.label), beside })).text(), 'text/html');
  }));

  $('open').addEventListener('click', () => {
    $('paste').hidden = !$('paste').hidden;
    $('open').setAttribute('aria-expanded', String(!$('paste').hidden));
    if (!$('paste').hidden) $('text').focus();
  });
  $('file').addEventListener('change', async () => { if ($('file').files[0]) $('text').value = await $('file').files[0].text(); });
  $('read').addEventListener('click', guarded(async () => {
    const name = $('file').files[0]?.name ?? 'pasted.toml';
    await ask('/api/open', { scenario: { text: [name, $('text').value] } });
    open({ text: [name, $('text').value] });
    $('paste').hidden = true;
    $('open').setAttribute('aria-expanded', 'false');
  }));
  $('scenario').addEventListener('change', () => open({ listed: $('scenario').value }));

  guarded(async () => {
    const { first, scenarios } = await (await fetch('/api/scenarios')).json();
    const groups = new Map();
    scenarios.forEach(({ id, name, group }) => {
      if (!groups.has(group)) groups.set(group, made('optgroup', { label: group }));
      groups.get(group).append(made('option', { value: id, textContent: name }));
    });
    $('scenario').replaceChildren(...groups.values());
    const start = first ?? scenarios.find(({ id }) => id === 'shipped/pi4-k3s')?.id ?? scenarios[0].id;
    $('scenario').value = start;
    await open({ listed: start });
  })();
})();
