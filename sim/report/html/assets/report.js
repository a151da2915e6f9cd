// The report's page: charts over the data that the page holds, and the table of
// flows. Nothing is fetched.
(function () {
'use strict';
const $ = id => document.getElementById(id);
const D = JSON.parse($('data').textContent);
const root = document.documentElement;
const css = name => getComputedStyle(root).getPropertyValue(name).trim();
const colour = k => css('--c' + k);
const N = D.bins, W = D.width_ns / 1e9, T0 = D.start_ns / 1e9;
const floorSpan = 1e-6; // a logarithmic axis has no place for less, in s

// Numbers in words, as the tables have them.
const digits = v => String(Number(v.toPrecision(3)));
function span(s) {
  if (s == null) return '-';
  if (s === 0) return '0';
  for (const [size, unit] of [[1, 's'], [1e-3, 'ms'], [1e-6, 'us']]) if (Math.abs(s) >= size * 0.9995) return digits(s / size) + unit;
  return digits(s * 1e9) + 'ns';
}
function bits(v) {
  for (const unit of ['bit', 'Kbit', 'Mbit', 'Gbit']) {
    if (Math.abs(v) < 1000) return digits(v) + unit;
    v /= 1000;
  }
  return digits(v) + 'Tbit';
}
const plain = v => v >= 1e6 ? digits(v / 1e6) + 'M' : v >= 1e4 ? digits(v / 1e3) + 'k' : String(v);
const percent = v => String(Number((v * 100).toPrecision(5))) + '%';
const clock = s => String(Number(s.toFixed(W < 1e-3 ? 5 : W < 0.1 ? 3 : 2))) + 's';

// What the page shows at the moment.
const state = { view: 'qdiscs', hidden: new Set(), log: true, tail: false };
let charts = [];

// lines are the series of a view: qdiscs side by side, or the flows of one.
function lines() {
  if (state.view === 'qdiscs') return D.runs.map((r, i) => ({ key: 'q' + i, label: r.label, title: r.line, k: r.colour, dash: r.dash, total: r.total, d: r.total, cdf: r.cdf, run: r }));
  const r = D.runs[+state.view];
  return r.flows.map((f, i) => ({ key: 'f' + i, label: f.name, title: f.name, k: f.colour, dash: f.dash, d: f, cdf: f.cdf, run: r }));
}
const shown = () => lines().filter(l => !state.hidden.has(l.key));
const dashes = n => [[], [6, 3], [2, 2]][n % 3];
const seconds = ns => ns.map(v => v < 0 ? null : state.log ? Math.max(v / 1e9, floorSpan) : v / 1e9);

// decades are round values for a logarithmic axis: powers of ten, and 2 and 5
// times them when there are few.
function decades(u, i, lo, hi) {
  const out = [], ms = Math.log10(hi / lo) > 2.5 ? [1] : [1, 2, 5];
  for (let e = Math.floor(Math.log10(lo)); e <= Math.ceil(Math.log10(hi)); e++) for (const m of ms) out.push(Number((m + 'e' + e)));
  return out.filter(v => v >= lo * 0.999 && v <= hi * 1.001);
}
const logAxis = on => on ? { splits: decades, filter: (u, vs) => vs } : {};

// groups are times and rates over so many bins that about 250 points remain.
const G = Math.max(Math.ceil(N / 250), 1);
function times(g) {
  const xs = [];
  for (let i = 0; i < N; i += g) xs.push(T0 + (i + Math.min(g, N - i) / 2) * W);
  return xs;
}
function rates(bytes, g) {
  const ys = [];
  for (let i = 0; i < N; i += g) {
    let sum = 0;
    const n = Math.min(g, N - i);
    for (let j = i; j < i + n; j++) sum += bytes[j];
    ys.push(sum * 8 / (n * W));
  }
  return ys;
}

// axis is an axis in the page's colours, which may change under it.
function axis(words, size, more) {
  return Object.assign({
    stroke: () => css('--faint'), grid: { stroke: () => css('--grid'), width: 1 }, ticks: { stroke: () => css('--grid'), width: 1, size: 5 },
    font: '12px system-ui, sans-serif', size, values: (u, vs) => vs.map(v => v == null ? '' : words(v)),
  }, more || {});
}
const left = () => window.innerWidth < 640 ? 56 : 74;
const sync = uPlot.sync('time');

// follow keeps the charts over time at the same part of the run.
let following = false;
function follow(u, key) {
  if (key !== 'x' || following) return;
  following = true;
  for (const c of charts) if (c.time && c.u !== u) c.u.setScale('x', { min: u.scales.x.min, max: u.scales.x.max });
  following = false;
  $('reset').disabled = u.scales.x.min <= T0 && u.scales.x.max >= T0 + N * W;
}

// touched is the chart that a finger was last on.
let touched = null;
addEventListener('touchstart', e => {
  if (touched && !touched.over.contains(e.target)) { touched = null; document.querySelectorAll('.tip').forEach(t => { t.style.display = 'none'; }); }
}, { passive: true });
function touch(u, e) {
  const t = e.touches[0], r = u.over.getBoundingClientRect();
  touched = u;
  u.setCursor({ left: t.clientX - r.left, top: t.clientY - r.top });
}

// tip shows what a chart says beside the pointer or the finger.
function tip(words) {
  let box;
  return { hooks: {
    init: u => { box = document.createElement('div'); box.className = 'tip'; u.over.appendChild(box); u.over.addEventListener('mouseleave', () => { box.style.display = 'none'; });
      for (const kind of ['touchstart', 'touchmove']) u.over.addEventListener(kind, e => touch(u, e), { passive: true }); },
    setCursor: u => {
      const at = u.cursor.left;
      if (at == null || at < 0 || touched !== u && !u.over.matches(':hover')) { box.style.display = 'none'; return; }
      const said = words(u, u.cursor.idx, u.posToVal(at, 'x'));
      if (!said) { box.style.display = 'none'; return; }
      box.replaceChildren(bold(said.head), ...said.rows.map(row));
      box.style.display = 'block';
      const w = box.offsetWidth, h = box.offsetHeight;
      box.style.left = (at + 14 + w > u.over.clientWidth ? Math.max(at - w - 14, 0) : at + 14) + 'px';
      box.style.top = Math.max(Math.min(u.cursor.top + 12, u.over.clientHeight - h), 0) + 'px';
    },
  } };
}
function bold(text) { const b = document.createElement('b'); b.textContent = text; return b; }
function row(r) {
  const d = document.createElement('div'), i = document.createElement('i');
  i.style.background = colour(r.k);
  d.append(i, r.text);
  return d;
}
const short = (s, n) => s.length > n ? s.slice(0, n / 2) + '…' + s.slice(-n / 2) : s;

function make(id, height, time, opts, data, words) {
  const el = $(id);
  el.replaceChildren();
  const u = new uPlot(Object.assign({
    width: el.clientWidth || 600, height: height(), legend: { show: false }, padding: [8, 14, 0, 0],
    plugins: [tip(words)],
    cursor: { sync: time ? { key: sync.key, scales: ['x', null] } : undefined, drag: { x: time, y: false, setScale: time }, points: { size: 6 }, focus: { prox: 30 } },
    hooks: time ? { setScale: [follow] } : {},
  }, opts), data, el);
  charts.push({ id, u, time, height });
  return u;
}
const tall = () => window.innerWidth < 640 ? 240 : 300;
const low = () => window.innerWidth < 640 ? 190 : 220;
const spanScale = () => state.log ? { distr: 3, log: 10 } : { range: (u, a, b) => [0, b > 0 ? b * 1.05 : 1] };
const fromZero = { range: (u, a, b) => [0, b > 0 ? b * 1.08 : 1] };
const timeScale = () => ({ time: false, range: (u, a, b) => a == null || a === b ? [T0, T0 + N * W] : [Math.max(a, T0), Math.min(b, T0 + N * W)] });

function stroke(l, alpha) {
  return () => { const c = colour(l.k); return alpha == null ? c : c + Math.round(alpha * 255).toString(16).padStart(2, '0'); };
}

// drawSojourn has median and 99th percentile of qdiscs, means of flows.
function drawSojourn(ls) {
  const qdiscs = state.view === 'qdiscs', data = [times(1)], series = [{}], bands = [];
  for (const l of ls) {
    if (qdiscs) {
      data.push(seconds(l.d.p99), seconds(l.d.p50));
      series.push({ stroke: stroke(l, 0.55), width: 1, dash: dashes(l.dash), points: { show: false }, spanGaps: false });
      bands.push({ series: [series.length - 1, series.length], fill: stroke(l, 0.16) });
    } else data.push(seconds(l.d.mean));
    series.push({ stroke: stroke(l), width: 1.6, dash: dashes(l.dash), points: { show: false }, spanGaps: false });
  }
  $('cap-sojourn').textContent = (qdiscs ? 'median (line) to 99th percentile (shaded)' : 'mean of each flow under ' + D.runs[+state.view].label) + ', each ' + span(W);
  make('sojourn', tall, true, { series, bands, scales: { x: timeScale(), y: spanScale() },
    axes: [axis(clock, 30, { space: 70 }), axis(span, left(), logAxis(state.log))] }, data, (u, i) => i == null ? null : {
    head: clock(data[0][i]),
    rows: ls.filter(l => l.d.count[i] > 0).map(l => ({ k: l.k, text: short(l.label, 44) + (qdiscs ? ': p50 ' + span(l.d.p50[i] / 1e9) + ', p99 ' + span(l.d.p99[i] / 1e9) + ', max ' : ': mean ' + span(l.d.mean[i] / 1e9) + ', max ') + span(l.d.max[i] / 1e9) })),
  });
}

// drawTicks has a row for each line: a stroke where packets were dropped, half
// of one where they were marked.
function drawTicks(ls) {
  const rowHeight = 20, x = times(1);
  const paint = u => {
    const c = u.ctx, px = devicePixelRatio, b = u.bbox, h = b.height / Math.max(ls.length, 1);
    c.save();
    c.beginPath(); c.rect(b.left, b.top, b.width, b.height); c.clip();
    ls.forEach((l, r) => {
      const most = Math.max(...l.d.drops, ...l.d.marks, 1), y = b.top + r * h;
      c.fillStyle = colour(l.k);
      for (let i = 0; i < N; i++) {
        const n = l.d.drops[i] || l.d.marks[i];
        if (!n) continue;
        const at = u.valToPos(x[i], 'x', true);
        if (at < b.left - 2 || at > b.left + b.width + 2) continue;
        c.globalAlpha = 0.45 + 0.55 * Math.log1p(n) / Math.log1p(most);
        const part = l.d.drops[i] ? 0.8 : 0.4;
        c.fillRect(at - px * 0.75, y + h * (0.9 - part), px * 1.5, h * part);
      }
      c.globalAlpha = 1;
    });
    c.restore();
  };
  // A flow's row is named by the end of its source, where flows differ most.
  const name = l => state.view === 'qdiscs' ? short(l.label, window.innerWidth < 640 ? 7 : 9) : (/ (.*)>/.exec(l.label) || [l.label, l.label])[1].slice(-9);
  const names = (u, vs) => vs.map(v => { const l = ls[Math.round(v - 0.5)]; return l ? name(l) : ''; });
  const n = Math.max(ls.length, 1);
  make('ticks', () => 34 + rowHeight * n, true, {
    series: [{}, { stroke: 'transparent', points: { show: false } }],
    scales: { x: timeScale(), y: { range: [0, n], dir: -1 } },
    axes: [axis(clock, 26, { space: 70 }), axis(plain, left(), { splits: () => ls.map((_, i) => i + 0.5), values: names, grid: { show: false }, ticks: { show: false }, font: '11px system-ui, sans-serif' })],
    hooks: { setScale: [follow], draw: [paint] },
  }, [x, x.map(() => 0)], (u, i) => {
    if (i == null) return null;
    const rows = ls.filter(l => l.d.drops[i] || l.d.marks[i]).map(l => ({ k: l.k, text: short(l.label, 44) + ': ' + l.d.drops[i] + ' dropped, ' + l.d.marks[i] + ' marked' }));
    return rows.length ? { head: clock(x[i]), rows } : null;
  });
}

// drawQueue is about qdiscs, whose flows share a queue.
function drawQueue(ls) {
  if (state.view !== 'qdiscs') ls = [{ k: D.runs[+state.view].colour, label: D.runs[+state.view].label, dash: 0, d: D.runs[+state.view].total }];
  const data = [times(1)], series = [{}], bands = [];
  for (const l of ls) {
    data.push(l.d.queue_max, l.d.queue_min);
    series.push({ stroke: stroke(l), width: 1.4, dash: dashes(l.dash), points: { show: false } }, { stroke: stroke(l, 0.3), width: 0.7, points: { show: false } });
    bands.push({ series: [series.length - 2, series.length - 1], fill: stroke(l, 0.14) });
  }
  $('cap-queue').textContent = 'most (line) and fewest packets queued, each ' + span(W);
  make('queue', low, true, { series, bands, scales: { x: timeScale(), y: fromZero }, axes: [axis(clock, 30, { space: 70 }), axis(plain, left(), { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] })] }, data, (u, i) => i == null ? null : {
    head: clock(data[0][i]),
    rows: ls.map(l => ({ k: l.k, text: l.label + ': ' + l.d.queue_min[i] + ' to ' + l.d.queue_max[i] + ' packets, at most ' + plain(l.d.queue_bytes[i]) + ' bytes' })),
  });
}

function drawThroughput(ls) {
  const data = [times(G), ...ls.map(l => rates(l.d.bytes, G))];
  const series = [{}, ...ls.map(l => ({ stroke: stroke(l), width: 1.6, dash: dashes(l.dash), points: { show: false } }))];
  $('cap-throughput').textContent = 'delivered at the far end of the link, each ' + span(W * G);
  make('throughput', low, true, { series, scales: { x: timeScale(), y: fromZero }, axes: [axis(clock, 30, { space: 70 }), axis(bits, left())] }, data, (u, i) => i == null ? null : {
    head: clock(data[0][i]), rows: ls.map((l, j) => ({ k: l.k, text: short(l.label, 44) + ': ' + bits(data[j + 1][i]) })),
  });
}

// share is how much of a distribution is no longer than s.
function share(cdf, s) {
  let a = 0, b = cdf.ns.length;
  while (a < b) { const m = (a + b) >> 1; if (cdf.ns[m] / 1e9 <= s) a = m + 1; else b = m; }
  return a === 0 ? 0 : cdf.percent[a - 1] / 100;
}

// drawCDF has each line's own spans on the axis; its tail is what is longer, on a
// logarithmic axis.
function drawCDF(ls) {
  ls = ls.filter(l => l.cdf && l.cdf.ns.length);
  const tables = ls.map(l => {
    const xs = [], ys = [];
    l.cdf.ns.forEach((ns, i) => {
      const x = state.log ? Math.max(ns / 1e9, floorSpan) : ns / 1e9;
      const y = state.tail ? 1 - l.cdf.percent[i] / 100 : l.cdf.percent[i] / 100;
      if (state.tail && y < 5e-6) return;
      if (xs.length && xs[xs.length - 1] === x) ys[ys.length - 1] = y; else { xs.push(x); ys.push(y); }
    });
    return [xs, ys];
  }).filter(t => t[0].length);
  const data = tables.length ? uPlot.join(tables) : [[0, 1]];
  const series = [{}, ...ls.map(l => ({ stroke: stroke(l), width: 1.8, dash: dashes(l.dash), points: { show: false }, spanGaps: true }))];
  $('cap-cdf').textContent = state.tail ? 'share of packets that stayed in the queue for longer' : 'share of packets that left the queue within a time';
  make('cdf', tall, false, { series: series.slice(0, data.length), scales: { x: Object.assign({ time: false }, state.log ? { distr: 3, log: 10 } : {}), y: state.tail ? { distr: 3, log: 10 } : { range: [0, 1] } },
    axes: [axis(span, 30, Object.assign({ space: 60 }, logAxis(state.log))), axis(percent, left(), logAxis(state.tail))] }, data, (u, i, x) => ({
    head: (state.tail ? 'longer than ' : 'within ') + span(x),
    rows: ls.map(l => { const s = share(l.cdf, x); return { k: l.k, text: short(l.label, 44) + ': ' + percent(state.tail ? Number((1 - s).toFixed(6)) : s) }; }),
  }));
}

function draw() {
  const zoom = charts.find(c => c.time), at = zoom && { min: zoom.u.scales.x.min, max: zoom.u.scales.x.max };
  charts.forEach(c => c.u.destroy());
  charts = [];
  const ls = shown();
  following = true;
  drawSojourn(ls); drawTicks(ls); drawQueue(ls); drawThroughput(ls); drawCDF(ls);
  if (at && at.min != null) charts.filter(c => c.time).forEach(c => c.u.setScale('x', at));
  following = false;
}

function resize() {
  for (const c of charts) {
    const w = $(c.id).clientWidth;
    if (w && w !== c.u.width) c.u.setSize({ width: w, height: c.height() });
  }
}

// drawLegend has a button for every line, which hides it.
function drawLegend() {
  $('legend').replaceChildren(...lines().map(l => {
    const b = document.createElement('button'), i = document.createElement('i');
    b.type = 'button'; b.title = l.title; i.className = 'swatch k' + l.k;
    b.setAttribute('aria-pressed', String(!state.hidden.has(l.key)));
    b.append(i, short(l.label, 48));
    b.addEventListener('click', () => {
      if (!state.hidden.delete(l.key)) state.hidden.add(l.key);
      b.setAttribute('aria-pressed', String(!state.hidden.has(l.key)));
      draw();
    });
    return b;
  }));
}

function controls() {
  const view = $('view');
  view.append(new Option('qdiscs', 'qdiscs'), ...D.runs.map((r, i) => new Option('flows under ' + r.label, String(i))));
  view.addEventListener('change', () => { state.view = view.value; state.hidden.clear(); drawLegend(); draw(); });
  $('log').addEventListener('click', () => { state.log = !state.log; $('log').setAttribute('aria-pressed', String(state.log)); draw(); });
  $('tail').addEventListener('click', () => { state.tail = !state.tail; $('tail').setAttribute('aria-pressed', String(state.tail)); draw(); });
  $('reset').disabled = true;
  $('reset').addEventListener('click', () => charts.filter(c => c.time).forEach(c => c.u.setScale('x', { min: T0, max: T0 + N * W })));
  $('about-time').textContent = (matchMedia('(hover: none)').matches ? 'Touch a chart for its values.' : 'Drag over a chart to look closer; all follow. A double click shows the whole run again.') + ' Each point is ' + span(W) + ' of the run.';
  $('bar').hidden = false;
  $('save').hidden = false;
}

// The theme: the system's, until the reader chooses.
function themes() {
  const names = ['auto', 'light', 'dark'];
  let at = 0;
  try { at = Math.max(names.indexOf(localStorage.getItem('uq-theme')), 0); } catch { /* no storage in this browser */ }
  const set = () => {
    if (at) root.dataset.theme = names[at]; else delete root.dataset.theme;
    $('theme').textContent = 'theme: ' + names[at];
    charts.forEach(c => c.u.redraw(false, true));
  };
  $('theme').addEventListener('click', () => { at = (at + 1) % 3; try { localStorage.setItem('uq-theme', names[at]); } catch { /* not kept */ } set(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', set);
  set();
}

// The table of flows can be sorted by any column and searched.
function flowTable() {
  const table = $('flows');
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows], total = $('found').textContent.replace(/^\d+ of /, '');
  const heads = [...table.querySelectorAll('th[aria-sort]')];
  const value = (r, i) => { const v = r.cells[i].dataset.v; return v !== '' && isFinite(v) ? +v : v; };
  heads.forEach((th, i) => {
    const b = document.createElement('button');
    b.type = 'button'; b.textContent = th.textContent; b.title = 'sort by ' + th.textContent;
    th.replaceChildren(b);
    b.addEventListener('click', () => {
      const down = i === 0 ? th.getAttribute('aria-sort') === 'ascending' : th.getAttribute('aria-sort') !== 'descending';
      heads.forEach(h => h.setAttribute('aria-sort', 'none'));
      th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const sorted = rows.map((r, n) => [r, value(r, i), n]);
      sorted.sort((a, c) => {
        if (a[1] === c[1]) return a[2] - c[2];
        if (a[1] === '') return 1; // what is not known comes last
        if (c[1] === '') return -1;
        return (a[1] < c[1] ? -1 : 1) * (down ? -1 : 1);
      });
      body.append(...sorted.map(s => s[0]));
    });
  });
  const index = rows.map(r => r.cells[0].textContent.toLowerCase());
  $('search').addEventListener('input', e => {
    const words = e.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    rows.forEach((r, i) => { r.hidden = !words.every(w => index[i].includes(w)); if (!r.hidden) n++; });
    $('found').textContent = n + ' of ' + total;
  });
}

// The data as files, made here.
const field = v => { const s = v == null ? '' : String(v); return /[",\n]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s; };
const us = ns => ns < 0 ? '' : ns / 1e3;
const files = {
  series() {
    const out = [['time_s', 'qdisc', 'flow', 'dequeued', 'sojourn_mean_us', 'sojourn_min_us', 'sojourn_p50_us', 'sojourn_p99_us', 'sojourn_max_us', 'arrived_bytes', 'delivered_bytes', 'drops', 'marks', 'queue_min', 'queue_max', 'queue_max_bytes']];
    for (const r of D.runs) {
      for (let i = 0; i < N; i++) {
        const t = r.total, time = ((D.start_ns + i * D.width_ns) / 1e9).toFixed(6);
        out.push([time, r.line, '', t.count[i], us(t.mean[i]), us(t.min[i]), us(t.p50[i]), us(t.p99[i]), us(t.max[i]), t.arrived[i], t.bytes[i], t.drops[i], t.marks[i], t.queue_min[i], t.queue_max[i], t.queue_bytes[i]]);
        for (const f of r.flows) if (f.count[i] || f.bytes[i] || f.drops[i] || f.marks[i]) out.push([time, r.line, f.name, f.count[i], us(f.mean[i]), '', '', '', us(f.max[i]), '', f.bytes[i], f.drops[i], f.marks[i], '', '', '']);
      }
    }
    return out;
  },
  distribution() {
    const out = [['qdisc', 'flow', 'percentile', 'sojourn_us']];
    for (const r of D.runs) for (const c of [{ name: '', cdf: r.cdf }, ...r.flows]) if (c.cdf) c.cdf.ns.forEach((ns, i) => out.push([r.line, c.name, c.cdf.percent[i], ns / 1e3]));
    return out;
  },
  flows() {
    const out = [['qdisc', 'flow', 'arrived_packets', 'delivered_packets', 'delivered_bytes', 'drops', 'marks', 'throughput_bps', 'sojourn_mean_us', 'sojourn_p50_us', 'sojourn_p95_us', 'sojourn_p99_us', 'sojourn_max_us']];
    for (const q of D.report.qdiscs) for (const f of [...q.flows || [], ...q.other_flows ? [q.other_flows] : []]) out.push([q.line, f.flow, f.arrived_packets, f.delivered_packets, f.bytes, f.drops, f.marks, f.throughput_bps, f.sojourn_us.mean, f.sojourn_us.p50, f.sojourn_us.p95, f.sojourn_us.p99, f.sojourn_us.max]);
    return out;
  },
};
function fileOf(what) {
  if (what === 'report') return ['uq-report.json', 'application/json', JSON.stringify(D.report, null, 2) + '\n'];
  return ['uq-' + what + '.csv', 'text/csv', files[what]().map(r => r.map(field).join(',') + '\n').join('')];
}
function saving() {
  for (const b of document.querySelectorAll('[data-save]')) b.addEventListener('click', () => {
    const [name, type, text] = fileOf(b.dataset.save);
    const a = document.createElement('a');
    a.href = URL.createObjectURL(new Blob([text], { type }));
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 1000);
  });
}

controls();
drawLegend();
draw();
themes();
flowTable();
saving();
new ResizeObserver(resize).observe(document.querySelector('main'));
addEventListener('beforeprint', resize);
root.dataset.drawn = String(charts.length);
window.uqReport = { charts: () => charts, fileOf }; // for the page's own test
})();
