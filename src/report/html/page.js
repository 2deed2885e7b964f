(() => {
  'use strict';
  const end = Number(document.body.dataset.end) || 1;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The pointer: one instant in all figures at once, with the values there.
  const short = (value) => {
    const cut = (number, digits) => String(Number(number.toFixed(digits)));
    if (value === null) return '–';
    if (value >= 1e7) return cut(value / 1e6, 1) + 'M';
    if (value >= 1e4) return cut(value / 1e3, 1) + 'k';
    return cut(value, value >= 10 ? 1 : 2);
  };
  const instant = (ms) => {
    if (ms < 120000) return Number((ms / 1000).toFixed(end < 120000 ? 2 : 1)) + 's';
    const s = Math.round(ms / 1000), h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60);
    return (h ? h + 'h' : '') + (m ? m + 'm' : '') + (s % 60 ? s % 60 + 's' : '');
  };
  // The last that is not after an instant.
  const last = (count, at, ms) => {
    let low = 0, high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(middle) <= ms) low = middle + 1; else high = middle;
    }
    return low - 1;
  };
  const figures = all('figure').map((figure) => ({
    area: figure.querySelector('.area'),
    cursor: figure.querySelector('.cursor'),
    when: figure.querySelector('.when'),
    outputs: all('.legend output', figure),
    data: JSON.parse(figure.querySelector('script').textContent),
  }));
  figures.forEach((figure) => { figure.rest = figure.outputs.map((output) => output.textContent); });
  const show = (ms, chosen, share) => figures.forEach((figure) => {
    const { area, cursor, when, outputs, data } = figure;
    cursor.style.left = ms * 100 / end + '%';
    cursor.hidden = false;
    when.textContent = instant(ms);
    if (data.times) {
      const index = last(data.times.length, (n) => data.times[n], ms);
      outputs.forEach((output, n) => { output.textContent = index < 0 ? '–' : short(data.values[n][index]) + data.unit; });
    } else if (figure === chosen && data.rows.length) {
      const row = data.rows[Math.min(data.rows.length - 1, Math.max(0, Math.floor(share * data.rows.length)))];
      const index = last(row[1].length, (n) => row[1][n][0], ms);
      const value = index < 0 ? null : row[1][index][1];
      outputs[0].textContent = row[0] + ': ' + (value === null ? 'no such node' : value + data.unit);
    }
    area.dataset.ms = ms;
  });
  const hide = () => figures.forEach(({ cursor, when, outputs, rest }) => {
    cursor.hidden = true;
    when.textContent = '';
    outputs.forEach((output, n) => { output.textContent = rest[n]; });
  });
  const within = (share) => Math.min(1, Math.max(0, share));
  figures.forEach((figure) => {
    const { area } = figure;
    const point = (event) => {
      const box = area.getBoundingClientRect();
      show(Math.round(within((event.clientX - box.left) / box.width) * end), figure, (event.clientY - box.top) / box.height);
    };
    area.addEventListener('pointermove', point);
    area.addEventListener('pointerdown', point);
    area.addEventListener('pointerleave', hide);
    area.addEventListener('blur', hide);
    area.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      show(within((Number(area.dataset.ms || 0) + step * end / 200) / end) * end, figure, 0);
    });
  });

  // The timeline: rows by text, namespace and kind.
  const rows = all('#events tbody tr');
  const text = document.getElementById('filter-text');
  if (text) {
    const namespace = document.getElementById('filter-namespace');
    const kinds = all('.filter-kind');
    const count = document.getElementById('filter-count');
    const words = rows.map((row) => row.textContent.toLowerCase());
    const filter = () => {
      const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const shown = new Set(kinds.filter((kind) => kind.checked).map((kind) => kind.value));
      let left = 0;
      rows.forEach((row, n) => {
        row.hidden = !(shown.has(row.dataset.kind)
          && (!namespace.value || row.dataset.namespace === namespace.value)
          && wanted.every((word) => words[n].includes(word)));
        left += row.hidden ? 0 : 1;
      });
      count.textContent = left + ' of ' + rows.length;
    };
    [text, namespace, ...kinds].forEach((control) => control.addEventListener('input', filter));
    filter();
  }
  rows.forEach((row) => {
    row.addEventListener('pointerenter', () => show(Number(row.dataset.at), null, 0));
    row.addEventListener('pointerleave', hide);
  });
})();
