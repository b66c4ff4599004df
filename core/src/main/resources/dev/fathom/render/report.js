(() => {
  'use strict';
  const report = JSON.parse(document.getElementById('data').textContent);
  const tip = document.getElementById('tip');

  const format = (v) => {
    if (v === null || v === undefined) return 'n/a';
    const size = Math.abs(v);
    if (Number.isInteger(v) && size < 1e7) return String(v);
    if (size >= 1e5 || size < 1e-3) return v.toExponential(2).replace('e+', 'e');
    if (size >= 100) return String(Math.round(v));
    return String(Number(v.toPrecision(3)));
  };

  // As many decimals as tell a hundredth of the scale apart, so that the cells of a map align.
  const fixed = (v, scale) => {
    const decimals = Math.max(0, Math.ceil(2 - Math.log10(scale.high - scale.low)));
    return decimals > 6 ? format(v) : v.toFixed(decimals).replace(/^-(?=[0.]+$)/, '');
  };

  // Characters that would not be seen or would turn the line around, as their code points.
  const legible = (s) => s.replace(
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => c === '\n' ? '\u23ce' : c === '\t' ? '\u21e5'
      : '\u27e8' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0') + '\u27e9');

  const line = (name, text, small) => {
    const element = document.createElement('div');
    element.className = name;
    element.textContent = text;
    if (small) {
      const unit = document.createElement('small');
      unit.textContent = ' ' + small;
      element.append(unit);
    }
    return element;
  };

  const show = (anchor, parts, x, y) => {
    tip.replaceChildren(...parts);
    tip.classList.add('shown');
    const box = tip.getBoundingClientRect();
    if (x === undefined) {
      const at = anchor.getBoundingClientRect();
      x = at.left + at.width / 2;
      y = at.bottom - 8;
    }
    const left = x + 16 + box.width > innerWidth - 8 ? x - box.width - 14 : x + 16;
    const top = y + 18 + box.height > innerHeight - 8 ? y - box.height - 12 : y + 18;
    tip.style.left = Math.max(8, left) + 'px';
    tip.style.top = Math.max(8, top) + 'px';
  };
  const hide = () => tip.classList.remove('shown');

  const viewOf = (element) => {
    const [section, view] = element.dataset.view.split('.').map(Number);
    return report.sections[section].views[view];
  };

  // Heat maps: what a cell is follows from where it stands in its table.
  const place = (cell) => {
    const table = cell.closest('table');
    return {
      table,
      view: viewOf(table),
      row: Number(cell.parentElement.dataset.r),
      column: cell.cellIndex - 1 + Number(table.dataset.start),
    };
  };
  const cellParts = (cell) => {
    const { view, row, column } = place(cell);
    const [rows, columns] = view.grid.axes;
    const rowName = rows.labels ? rows.labels[row] : row;
    const columnName = columns.labels ? ' \u2018' + legible(columns.labels[column]) + '\u2019' : '';
    const parts = [
      line('place', `${legible(rows.name)} ${legible(String(rowName))} \u00b7 ${legible(columns.name)} ${column}${columnName}`),
      line('value', format(view.grid.values[row][column]), legible(view.scale.unit)),
    ];
    const details = view.details ? view.details[row][column] : [];
    if (details.length) parts.push(line('more', details.map(legible).join('\n')));
    return parts;
  };
  let lit = [];
  const light = (cell) => {
    lit.forEach((th) => th.classList.remove('lit'));
    lit = cell ? [cell.parentElement.cells[0], cell.closest('table').tHead.rows[0].cells[cell.cellIndex]] : [];
    lit.forEach((th) => th && th.classList.add('lit'));
  };

  const tokenParts = (span) => {
    const view = viewOf(span.parentElement);
    const token = view.tokens[Number(span.dataset.i)];
    const parts = [
      line('place', `token ${span.dataset.i} \u00b7 \u2018${legible(token.text)}\u2019`),
      line('value', format(token.value), legible(view.scale.unit)),
    ];
    if (token.details) parts.push(line('more', token.details.map(legible).join('\n')));
    return parts;
  };

  // Titles inside pictures become tips of the page, so that there is one look and no delay.
  for (const title of document.querySelectorAll('svg.picture title')) {
    title.parentElement.dataset.tip = title.textContent;
    title.remove();
  }
  const markParts = (mark) => {
    const [first, second, ...rest] = mark.dataset.tip.split('\n');
    const parts = [line('place', first)];
    if (second) parts.push(line('value', second));
    if (rest.length) parts.push(line('more', rest.join('\n')));
    return parts;
  };

  // Points of one name in pictures beside each other are shown together.
  const keyed = new Map();
  for (const mark of document.querySelectorAll('[data-key]')) {
    const key = mark.closest('section').id + ' ' + mark.dataset.key;
    if (!keyed.has(key)) keyed.set(key, []);
    keyed.get(key).push(mark);
  }
  let twins = [];
  const pair = (mark) => {
    const all = mark ? keyed.get(mark.closest('section').id + ' ' + mark.dataset.key) : [];
    if (all === twins) return;
    twins.forEach((other) => other.classList.remove('lit'));
    document.querySelectorAll('.twin').forEach((name) => name.remove());
    twins = all;
    for (const other of twins) {
      other.classList.add('lit');
      if (other.ownerSVGElement === mark.ownerSVGElement) continue;
      const box = other.getBBox();
      const name = document.createElementNS(other.namespaceURI, 'text');
      const right = box.x > other.ownerSVGElement.viewBox.baseVal.width * 0.7;
      name.setAttribute('class', 'twin');
      name.setAttribute('text-anchor', right ? 'end' : 'start');
      name.setAttribute('x', right ? box.x - 6 : box.x + box.width + 6);
      name.setAttribute('y', box.y + box.height / 2 + 4);
      name.textContent = other.dataset.name;
      other.ownerSVGElement.append(name);
    }
  };

  const partsOf = (target) => {
    const cell = target.closest('table.heat td');
    if (cell) return [cell, cellParts(cell)];
    const span = target.closest('.strip span');
    if (span) return [span, tokenParts(span)];
    const mark = target.closest('[data-tip]');
    if (mark) return [mark, markParts(mark)];
    return null;
  };
  document.addEventListener('pointermove', (event) => {
    const found = event.target instanceof Element && partsOf(event.target);
    pair(found ? event.target.closest('[data-key]') : null);
    if (!found) {
      hide();
      light(null);
      return;
    }
    light(found[0].closest('table.heat td'));
    show(found[0], found[1], event.clientX, event.clientY);
  });
  document.addEventListener('pointerleave', () => { hide(); pair(null); });
  // Scrolling takes the tip away from the pointer, but not from the cell that has the focus.
  document.addEventListener('scroll', () => {
    const at = document.activeElement;
    if (at.matches('table.heat td:focus-visible, .strip span:focus-visible')) show(at, partsOf(at)[1]);
    else hide();
  }, true);
  document.addEventListener('focusin', (event) => {
    const found = event.target.matches('table.heat td, .strip span') && partsOf(event.target);
    if (found) {
      light(found[0].closest('table.heat td'));
      show(found[0], found[1]);
      found[0].setAttribute('aria-describedby', 'tip');
    } else {
      hide();
    }
  });

  // One cell of each picture takes the focus; arrows move it.
  const move = (from, to) => {
    if (!to || to.tagName === 'TH') return;
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    show(to, partsOf(to)[1]);
  };
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide();
    const at = event.target;
    if (at.matches('table.heat td')) {
      const row = at.parentElement;
      const to = {
        ArrowLeft: () => at.previousElementSibling,
        ArrowRight: () => at.nextElementSibling,
        ArrowUp: () => row.previousElementSibling && row.previousElementSibling.cells[at.cellIndex],
        ArrowDown: () => row.nextElementSibling && row.nextElementSibling.cells[at.cellIndex],
        Home: () => row.cells[1],
        End: () => row.cells[row.cells.length - 1],
      }[event.key];
      if (to) {
        event.preventDefault();
        move(at, to());
      }
    } else if (at.matches('.strip span')) {
      const to = { ArrowLeft: at.previousElementSibling, ArrowRight: at.nextElementSibling };
      if (event.key in to) {
        event.preventDefault();
        move(at, to[event.key]);
      }
    }
  });

  // Tools above a heat map.
  const swap = (figure, numbers) => {
    for (const table of figure.querySelectorAll('table.heat')) {
      for (const cell of table.tBodies[0].querySelectorAll('td')) {
        if (cell.dataset.text === undefined) cell.dataset.text = cell.textContent;
        const { view, row, column } = place(cell);
        const value = view.grid.values[row][column];
        cell.textContent = numbers ? (value === null ? '' : fixed(value, view.scale)) : cell.dataset.text;
      }
    }
  };
  for (const button of document.querySelectorAll('button[data-do]')) {
    const figure = button.closest('figure');
    button.hidden = false;
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(on));
      if (button.dataset.do === 'numbers') swap(figure, on);
      if (button.dataset.do === 'compact') {
        figure.querySelectorAll('table.heat').forEach((t) => t.classList.toggle('compact', on));
      }
    });
  }
  for (const pager of document.querySelectorAll('.pager')) {
    const pages = [...pager.closest('figure').querySelectorAll('.page')];
    const [back, forth] = pager.querySelectorAll('button');
    const label = pager.querySelector('span');
    let current = 0;
    const turn = (to) => {
      current = Math.max(0, Math.min(pages.length - 1, to));
      pages.forEach((page, i) => { page.hidden = i !== current; });
      label.textContent = pages[current].dataset.range;
      back.disabled = current === 0;
      forth.disabled = current === pages.length - 1;
    };
    back.addEventListener('click', () => turn(current - 1));
    forth.addEventListener('click', () => turn(current + 1));
    pager.hidden = false;
    turn(0);
  }

  // Light, dark, or as the system prefers; remembered where the browser allows it.
  const themes = ['auto', 'light', 'dark'];
  const toggle = document.getElementById('theme');
  const recall = () => { try { return localStorage.getItem('fathom-theme'); } catch { return null; } };
  const apply = (theme) => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    toggle.textContent = 'Theme: ' + theme;
    toggle.dataset.theme = theme;
    try { localStorage.setItem('fathom-theme', theme); } catch { /* private windows */ }
  };
  toggle.hidden = false;
  toggle.addEventListener('click', () => apply(themes[(themes.indexOf(toggle.dataset.theme) + 1) % 3]));
  const asked = /[?&]theme=(light|dark)\b/.exec(location.search);
  apply(asked ? asked[1] : themes.includes(recall()) ? recall() : 'auto');

  // The table of contents follows the reader.
  if ('IntersectionObserver' in window) {
    const links = new Map([...document.querySelectorAll('nav a')].map((a) => [a.hash.slice(1), a]));
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          links.forEach((a) => a.classList.remove('here'));
          links.get(entry.target.id)?.classList.add('here');
        }
      }
    }, { rootMargin: '-10% 0px -75% 0px' });
    document.querySelectorAll('section').forEach((s) => seen.observe(s));
  }
})();
