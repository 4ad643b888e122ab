
// Comparisons: choosing what the charts show, sorting, filtering. Without this script the best and the baseline are shown.
document.querySelectorAll('.comparison').forEach(page => {
  const all = (selector, from = page) => [...from.querySelectorAll(selector)];
  const made = (tag, text, set = {}) => Object.assign(document.createElement(tag), { textContent: text }, set);
  const ranked = page.querySelector('#ranked');
  const lines = all('figure.lines svg .e[data-e]'), panels = all('.panel[data-e]');
  const drawn = new Set([...lines, ...panels].map(part => part.dataset.e));
  let chosen = new Set(lines.filter(line => !line.classList.contains('off')).map(line => line.dataset.e));
  const best = new Set(chosen), boxes = new Map(), status = made('span', '', { role: 'status' });

  // Labels at the ends of lines move apart, as when the page was drawn.
  const place = svg => {
    const ends = all('.e[data-e]:not(.off)', svg).map(group => {
      const path = group.querySelector('path'), label = group.querySelector('.end-label');
      return path && label && { label, y: path.getPointAtLength(path.getTotalLength()).y, from: label.querySelector('text').getAttribute('y') - 4.5 };
    }).filter(Boolean).sort((a, b) => a.y - b.y);
    const lowest = svg.viewBox.baseVal.height - 44;
    ends.forEach((end, index) => { end.to = index ? Math.max(end.y, ends[index - 1].to + 16) : end.y; });
    for (let index = ends.length - 1, most = lowest; index >= 0; index--, most -= 16) ends[index].to = Math.min(ends[index].to, most);
    ends.forEach(end => end.label.setAttribute('transform', `translate(0 ${Math.max(8, end.to) - end.from})`));
  };
  const show = () => {
    [...lines, ...panels].forEach(part => part.classList.toggle('off', !chosen.has(part.dataset.e)));
    all('figure.lines > svg').forEach(place);
    boxes.forEach((box, entry) => { box.checked = chosen.has(entry); });
    status.textContent = `Charts show ${chosen.size} of ${ranked.tBodies[0].rows.length}`;
  };

  if (ranked && ranked.tBodies[0].rows.length > 2) {
    [...ranked.tBodies[0].rows].forEach(row => {
      const entry = row.dataset.e, head = row.querySelector('th');
      if (!drawn.has(entry)) return;
      const box = made('input', '', { type: 'checkbox', checked: chosen.has(entry) });
      const label = document.createElement('label');
      label.append(box, ...head.childNodes);
      head.append(label);
      boxes.set(entry, box);
      box.addEventListener('change', () => { box.checked ? chosen.add(entry) : chosen.delete(entry); show(); });
    });
    const tools = made('div', '', { className: 'tools' });
    const button = (text, pick) => {
      const found = made('button', text, { type: 'button' });
      found.addEventListener('click', () => { chosen = new Set(pick()); show(); });
      return found;
    };
    const filter = made('input', '', { type: 'search', placeholder: 'Filter by name', ariaLabel: 'Filter by name' });
    filter.addEventListener('input', () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      const names = new Map([...ranked.tBodies[0].rows].map(row => [row.dataset.e, row.querySelector('.label').textContent.toLowerCase()]));
      all('tr[data-e]').forEach(row => { row.hidden = !words.every(word => (names.get(row.dataset.e) ?? '').includes(word)); });
    });
    status.textContent = `Charts show ${chosen.size} of ${ranked.tBodies[0].rows.length}`;
    tools.append(status, button('the best', () => best), button('all', () => drawn), button('none', () => []), filter);
    ranked.closest('.scroll').before(tools);
  }

  all('table.sortable').forEach(table => {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    const value = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.v !== undefined ? +cell.dataset.v : cell.querySelector('.label')?.textContent ?? cell.textContent;
    };
    heads.forEach((head, column) => {
      const button = made('button', head.textContent, { type: 'button' });
      head.replaceChildren(button);
      button.addEventListener('click', () => {
        const down = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', down === 1 ? 'ascending' : 'descending');
        const numbers = [...body.rows].some(row => typeof value(row, column) === 'number');
        body.append(...[...body.rows].sort((a, b) => {
          const [x, y] = [value(a, column), value(b, column)];
          if (!numbers) return down * x.localeCompare(y, undefined, { numeric: true });
          // What has no value comes last either way.
          return typeof x !== 'number' ? 1 : typeof y !== 'number' ? -1 : down * (x - y);
        }));
      });
    });
  });

  // What the pointer or the focus is on stands out in every chart.
  const heat = entry => {
    page.classList.toggle('has-hot', entry !== undefined && drawn.has(entry) && !!page.querySelector(`.lines .e[data-e="${entry}"]:not(.off)`));
    all('.hot').forEach(part => part.classList.remove('hot'));
    if (entry !== undefined) all(`svg .e[data-e="${entry}"], #ranked tr[data-e="${entry}"]`).forEach(part => part.classList.add('hot'));
  };
  const entryOf = target => target.closest?.('#ranked tr[data-e], .lines .e[data-e], #cost .e[data-e], .panel[data-e]')?.dataset.e;
  ['pointerover', 'focusin'].forEach(event => page.addEventListener(event, ({ target }) => heat(entryOf(target))));
  ['pointerleave', 'focusout'].forEach(event => page.addEventListener(event, () => heat()));
});
