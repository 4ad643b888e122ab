// Values on hover: each row of the table behind a chart has its place along the chart. Without this script, the table is there.
document.querySelectorAll('figure svg[data-axis]').forEach(svg => {
  const figure = svg.closest('figure'), table = figure.querySelector('table');
  if (!table) return;
  const heads = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
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
  const show = event => {
    const frame = svg.getBoundingClientRect();
    const share = up ? (event.clientY - frame.top) / frame.height : (event.clientX - frame.left) / frame.width;
    const along = (share - from) / (to - from);
    if (along < -.02 || along > 1.02) return hide();
    const wanted = up ? 1 - along : along;
    const row = rows.reduce((best, row) => Math.abs(row.dataset.at - wanted) < Math.abs(best.dataset.at - wanted) ? row : best);
    const at = from + (to - from) * (up ? 1 - row.dataset.at : row.dataset.at);
    const ends = up ? { x1: 0, x2: box.width, y1: at * box.height, y2: at * box.height }
                    : { x1: at * box.width, x2: at * box.width, y1: 0, y2: box.height };
    Object.entries(ends).forEach(([name, value]) => cross.setAttribute(name, value));
    svg.append(cross);
    tip.replaceChildren(line('b', heads[0] + ' ' + row.cells[0].textContent), ...heads.slice(1).map((head, index) => {
      const pair = document.createElement('span');
      pair.append(line('span', head), line('span', row.cells[index + 1].textContent));
      return pair;
    }));
    figure.append(tip);
    const place = figure.getBoundingClientRect();
    const x = event.clientX - place.left, y = event.clientY - place.top;
    tip.style.left = Math.max(0, x + 18 + tip.offsetWidth > place.width ? x - 18 - tip.offsetWidth : x + 18) + 'px';
    tip.style.top = y + 14 + 'px';
  };
  svg.addEventListener('pointermove', show);
  svg.addEventListener('pointerdown', show);
  svg.addEventListener('pointerleave', hide);
});
