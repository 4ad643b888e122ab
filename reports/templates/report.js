// Values on hover, and by arrow keys: each row of the table behind a chart has its place along the chart. Without this
// script, the table is there.
const valuesOnHover = root => root.querySelectorAll('figure svg[data-axis]').forEach(svg => {
  const figure = svg.closest('figure'), table = figure.querySelector('table') ?? svg.closest('section')?.querySelector('figure table');
  if (!table) return;
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows].filter(row => row.dataset.at);
  if (!rows.length) return;
  const up = svg.dataset.axis === 'up', from = +svg.dataset.from, to = +svg.dataset.to;
  const box = svg.viewBox.baseVal;
  const cross = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  cross.setAttribute('class', 'cross');
  const tip = document.createElement('div');
  tip.className = 'tip';
  const line = (tag, text) => { const part = document.createElement(tag); part.textContent = text; return part; };
  const hide = () => { cross.remove(); tip.remove(); };
  // In a comparison, a panel tells of its entry and the baseline, other charts of the entries that they show.
  const baseline = svg.closest('[data-baseline]')?.dataset.baseline;
  const told = ({ dataset: { e } }) => e === undefined || (svg.dataset.e !== undefined ? e === svg.dataset.e || e === baseline
    : !svg.querySelector(`.e.off[data-e="${e}"]`));
  let last = 0;
  const tell = (row, x, y) => {
    last = rows.indexOf(row);
    const at = from + (to - from) * (up ? 1 - row.dataset.at : row.dataset.at);
    const ends = up ? { x1: 0, x2: box.width, y1: at * box.height, y2: at * box.height }
                    : { x1: at * box.width, x2: at * box.width, y1: 0, y2: box.height };
    Object.entries(ends).forEach(([name, value]) => cross.setAttribute(name, value));
    svg.append(cross);
    const pairs = heads.slice(1).map((head, index) => [head, row.cells[index + 1]]).filter(([head]) => told(head));
    tip.replaceChildren(line('b', heads[0].textContent + ' ' + row.cells[0].textContent), ...pairs.map(([head, cell]) => {
      const pair = document.createElement('span');
      pair.append(line('span', head.textContent), line('span', cell.textContent));
      return pair;
    }));
    figure.append(tip);
    const place = figure.getBoundingClientRect(), frame = svg.getBoundingClientRect();
    x = (x ?? frame.left + at * frame.width) - place.left;
    y = (y ?? frame.top + frame.height / 3) - place.top;
    const left = x + 18 + tip.offsetWidth > place.width ? x - 18 - tip.offsetWidth : x + 18;
    tip.style.left = Math.max(0, Math.min(left, place.width - tip.offsetWidth)) + 'px';
    tip.style.top = y + 14 + 'px';
  };
  const show = event => {
    const frame = svg.getBoundingClientRect();
    const share = up ? (event.clientY - frame.top) / frame.height : (event.clientX - frame.left) / frame.width;
    const along = (share - from) / (to - from);
    if (along < -.02 || along > 1.02) return hide();
    const wanted = up ? 1 - along : along;
    tell(rows.reduce((best, row) => Math.abs(row.dataset.at - wanted) < Math.abs(best.dataset.at - wanted) ? row : best), event.clientX, event.clientY);
  };
  svg.addEventListener('pointermove', show);
  svg.addEventListener('pointerdown', show);
  svg.addEventListener('pointerleave', hide);
  svg.tabIndex = 0;
  svg.addEventListener('blur', hide);
  svg.addEventListener('keydown', event => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (event.key === 'Escape') return hide();
    if (!step) return;
    event.preventDefault();
    tell(rows[tip.isConnected ? Math.max(0, Math.min(rows.length - 1, last + step)) : last]);
  });
});
valuesOnHover(document);
