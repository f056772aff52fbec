'use strict';
// Zoom, hover and jumps. The page's elements carry their times (`--a`, `--b`: seconds) and their facts;
// zooming widens the canvas in its scrolling frame, and the browser does the rest.
(() => {
  const frame = document.querySelector('.timeline');
  if (!frame) return;
  const plot = frame.querySelector('.plot');
  const canvas = frame.querySelector('.canvas');
  const overview = frame.querySelector('.overview');
  const ticks = frame.querySelector('.ticks');
  const seconds = (element, name) => parseFloat(element.style.getPropertyValue(name));
  const [start, length] = [seconds(canvas, '--t0'), seconds(canvas, '--span')];
  const ZOOM_MAX = Math.max(1, Math.min(2000, length / 0.005)); // then the picture is 5 ms wide
  let zoom = 1;

  const label = () => canvas.querySelector('.name').offsetWidth;
  const width = () => plot.clientWidth - label(); // of the part of the lanes that can be seen, in pixels
  const whole = () => ticks.offsetWidth; // of the lanes, seen or not
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const element = (name, kind, text = '') =>
    Object.assign(document.createElement(name), { className: kind, textContent: text });

  // Zoom: `share` of the visible width stays where it is.
  function zoomTo(next, share = 0.5) {
    const at = (plot.scrollLeft + share * width()) / whole();
    zoom = clamp(next, 1, ZOOM_MAX);
    // Not by a property that the lanes inherit: each of their elements would be styled anew.
    canvas.style.width = `calc(var(--label) + (100% - var(--label)) * ${zoom})`;
    plot.scrollLeft = at * whole() - share * width();
    draw();
  }

  function show(from, until) { // seconds
    zoomTo(length / Math.max(until - from, length / ZOOM_MAX));
    plot.scrollLeft = (((from + until) / 2 - start) / length) * whole() - width() / 2;
    draw();
  }

  const lens = overview.appendChild(element('div', 'lens'));
  let awaited = false;
  function draw() {
    if (awaited) return;
    awaited = true;
    requestAnimationFrame(paint);
  }

  function paint() {
    awaited = false;
    const [from, seen] = [plot.scrollLeft / whole(), Math.min(1, width() / whole())];
    lens.style.left = `${from * 100}%`;
    lens.style.width = `${seen * 100}%`;
    lens.hidden = zoom === 1;
    drawTicks(start + from * length, length * seen);
  }

  function drawTicks(from, seen) {
    const rough = seen / Math.max(2, width() / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const marks = [];
    for (let nth = Math.ceil(from / step); nth * step <= Math.min(from + seen, start + length); nth++) {
      const mark = element('em', '', `${(nth * step).toFixed(digits)} s`);
      mark.style.setProperty('--a', nth * step);
      marks.push(mark);
    }
    ticks.replaceChildren(...marks);
  }

  // Jumps: to a lane, a fault's band or a mark, whichever the link names.
  function go(target) {
    if (!target || !frame.contains(target)) return false;
    const row = target.closest('.row');
    if (row && row.hidden) frame.querySelector('.tools').dispatchEvent(new Event('showall'));
    const times = [target, ...target.querySelectorAll('.stay, u')]
      .flatMap((one) => [seconds(one, '--a'), seconds(one, '--b')]).filter((time) => !Number.isNaN(time));
    if (times.length) {
      const [from, until] = [Math.min(...times), Math.max(...times)];
      const seen = row === target ? length : Math.max((until - from) * 2.5, length / 8);
      show((from + until - seen) / 2, (from + until + seen) / 2);
    }
    for (const one of document.querySelectorAll('.found')) one.classList.remove('found');
    target.classList.add('found');
    frame.scrollIntoView({ block: 'nearest' });
    if (row) plot.scrollTop = row.offsetTop - plot.clientHeight / 2;
    plot.focus({ preventScroll: true });
    return true;
  }
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && go(document.getElementById(link.hash.slice(1)))) event.preventDefault();
  });

  const marks = [...frame.querySelectorAll('.time > u')];
  let current = -1;
  function next(by) {
    if (!marks.length) return;
    current = (current + by + marks.length) % marks.length;
    go(marks[current]);
    tell(marks[current]);
  }

  // Exact facts of whatever is under the pointer.
  const facts = document.body.appendChild(element('div', 'facts'));
  facts.hidden = true;
  const exact = (time) => `${time.toFixed(3)} s`;
  const lasted = (time) => (time < 1 ? `${(time * 1000).toFixed(1)} ms` : exact(time));

  function lines(target) {
    const row = target.closest('.row');
    const name = row?.querySelector('.name');
    const state = [...target.classList].find((one) => one.startsWith('s-'));
    const [from, until] = [seconds(target, '--a'), seconds(target, '--b')];
    const what = target.matches('s') ? `stage ${target.textContent}` : state ? state.slice(2) : '';
    const kind = target.matches('.effect.again') ? 'effect delivered again, not applied'
      : target.matches('.effect') ? 'effect applied' : target.matches('u') ? 'evidence' : what;
    const when = Number.isNaN(from) ? '' : Number.isNaN(until) ? `at ${exact(from)}`
      : `${exact(from)} to ${exact(until)}, ${lasted(until - from)}`;
    let stay = target.matches('s:not(.late)') ? target : null; // a stage stands behind the stay that it is part of
    while (stay && !stay.matches('.stay')) stay = stay.previousElementSibling;
    const of = row && !target.matches('.name') ? name.dataset.w : '';
    return [name?.firstChild?.textContent, kind, target.dataset.w ?? stay?.dataset.w, when, of].filter(Boolean);
  }

  function tell(target, event) {
    const told = lines(target);
    facts.replaceChildren(...told.map((line, nth) => element(nth ? 'div' : 'b', '', line)));
    facts.hidden = told.length === 0;
    const box = target.getBoundingClientRect();
    const [x, y] = event ? [event.clientX, event.clientY] : [box.left, box.bottom];
    const below = y + 18 + facts.offsetHeight < innerHeight;
    facts.style.left = `${clamp(x + 14, 4, innerWidth - facts.offsetWidth - 4)}px`;
    facts.style.top = `${below ? y + 18 : y - facts.offsetHeight - 12}px`;
  }

  const told = '.stay, s, .life, .paused, .signal, .exit, .effect, .band, .budget, u, .name';
  plot.addEventListener('pointermove', (event) => {
    // Lanes lie above the bands: where a lane is empty, the band below is meant.
    const target = document.elementsFromPoint(event.clientX, event.clientY).find((one) => one.matches(told));
    if (target && !drag) tell(target, event);
    else facts.hidden = true;
  });
  plot.addEventListener('pointerleave', () => { facts.hidden = true; });
  plot.addEventListener('scroll', () => { facts.hidden = true; draw(); });

  // Drag to move; Ctrl and wheel, or a pinch, to zoom. The plain wheel scrolls, as everywhere.
  let drag = null;
  plot.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse' && event.button === 0 && event.target.closest('.time, .layer')) {
      drag = { x: event.clientX + plot.scrollLeft, y: event.clientY + plot.scrollTop };
    }
  });
  addEventListener('pointermove', (event) => {
    if (!drag) return;
    plot.classList.add('dragged');
    plot.scrollTo(drag.x - event.clientX, drag.y - event.clientY);
  });
  addEventListener('pointerup', () => {
    drag = null;
    plot.classList.remove('dragged');
  });

  const shareAt = (x) => clamp((x - plot.getBoundingClientRect().left - label()) / width(), 0, 1);
  const byWheel = (event) => Math.exp(-clamp(event.deltaY, -50, 50) / 130);
  plot.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomTo(zoom * byWheel(event), shareAt(event.clientX));
  }, { passive: false });
  overview.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoomTo(zoom * byWheel(event));
  }, { passive: false });

  let pinch = null;
  const apart = (touches) => Math.hypot(
    touches[0].clientX - touches[1].clientX, touches[0].clientY - touches[1].clientY);
  plot.addEventListener('touchstart', (event) => {
    pinch = event.touches.length === 2 ? { apart: apart(event.touches), zoom } : null;
  }, { passive: true });
  plot.addEventListener('touchmove', (event) => {
    if (!pinch || event.touches.length !== 2) return;
    event.preventDefault();
    const middle = (event.touches[0].clientX + event.touches[1].clientX) / 2;
    zoomTo((pinch.zoom * apart(event.touches)) / pinch.apart, shareAt(middle));
  }, { passive: false });

  // On the overview: drag over a part to see it, click to go there.
  let from = null;
  const share = (event) => {
    const box = overview.getBoundingClientRect();
    return clamp((event.clientX - box.left) / box.width, 0, 1);
  };
  overview.addEventListener('pointerdown', (event) => {
    from = share(event);
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener('pointermove', (event) => {
    if (from === null) return;
    lens.hidden = false;
    lens.style.left = `${Math.min(from, share(event)) * 100}%`;
    lens.style.width = `${Math.abs(share(event) - from) * 100}%`;
  });
  overview.addEventListener('pointerup', (event) => {
    if (from === null) return;
    let [low, high] = [from, share(event)].sort((a, b) => a - b);
    if (high - low < 0.005) {
      const half = zoom === 1 ? 0.1 : 0.5 / zoom;
      [low, high] = [low - half, low + half];
    }
    from = null;
    show(start + low * length, start + high * length);
  });

  const steps = {
    in: () => zoomTo(zoom * 1.6), out: () => zoomTo(zoom / 1.6), reset: () => zoomTo(1), next: () => next(1),
  };
  for (const button of frame.querySelectorAll('[data-zoom]')) {
    button.addEventListener('click', steps[button.dataset.zoom]);
  }
  const keys = {
    '+': steps.in, '=': steps.in, '-': steps.out, 0: steps.reset, n: steps.next, p: () => next(-1),
    Escape: () => { facts.hidden = true; },
  };
  plot.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  frame.querySelector('.dense-box').addEventListener('change', (event) => {
    plot.classList.toggle('dense', event.target.checked);
  });

  frame.append(element('div', 'hint',
    'Zoom: Ctrl and wheel, pinch, + and -, or drag over the part of the overview above. Move: drag, arrows. ' +
    'Whole run: 0. Hover for exact times.'));
  addEventListener('resize', draw);
  const goToHash = () => go(document.getElementById(location.hash.slice(1)));
  addEventListener('hashchange', goToHash);
  addEventListener('load', goToHash); // after the browser has scrolled to the place its own way
  paint(); // at once: a page that nobody looks at yet gets no frame to wait for
})();
