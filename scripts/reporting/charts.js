"use strict";
// Draws the page's figures as SVG: axes, series with bars, a legend of buttons, what the pointer is on, zoom by dragging.
const FIGURES = JSON.parse(document.getElementById("data").textContent);
const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 300, LEFT = 58, RIGHT = 14, TOP = 12, BOTTOM = 42;

function node(name, attributes, parent) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

function amount(value) {
  for (const [factor, prefix] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]])
    if (Math.abs(value) >= factor) return +(value / factor).toPrecision(3) + prefix;
  return String(+value.toPrecision(3));
}

// A scale: a function to an even axis, and ticks over a range of that axis.
const SCALES = {
  linear: { to: (v) => v, ticks(low, high) {
    const rough = (high - low) / 5 || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push([i * step, amount(i * step)]);
    return ticks;
  } },
  log: { to: (v, axis) => Math.log10(Math.max(v, axis.least ?? 1)), ticks(low, high) {
    const ticks = [];
    const mantissas = high - low < 1.5 ? [1, 2, 5] : [1], every = Math.ceil((high - low) / 7);
    for (let e = Math.floor(low); e <= high; e += every)
      for (const m of mantissas) {
        const at = e + Math.log10(m);
        if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push([at, amount(m * 10 ** e)]);
      }
    return ticks;
  } },
  log2: { to: (v) => Math.log2(v), ticks(low, high) {
    const ticks = [], every = Math.ceil((high - low) / 10);
    for (let e = Math.ceil(low / every) * every; e <= high; e += every) ticks.push([e, e >= 0 && e <= 16 ? String(2 ** e) : amount(2 ** e)]);
    return ticks;
  } },
  percentile: { to: (v) => -Math.log10(1 - v), ticks(low, high) {
    const named = [[0, "0"], [0.5, "50"], [0.9, "90"], [0.99, "99"], [0.999, "99.9"], [0.9999, "99.99"], [0.99999, "99.999"], [0.999999, "99.9999"]];
    return named.map(([v, text]) => [-Math.log10(1 - v), text]).filter(([at]) => at >= low && at <= high);
  } },
};

function scaleOf(axis) {
  const { to, ticks } = SCALES[axis.scale];
  return { to: (v) => to(v, axis), ticks };
}

const SHAPES = {
  s: "M-3-3h6v6h-6z", D: "M0-4L4 0L0 4L-4 0z", d: "M0-4L3 0L0 4L-3 0z", "^": "M0-4L4 3H-4z", v: "M0 4L4-3H-4z", "<": "M-4 0L3-4V4z",
  ">": "M4 0L-3-4V4z", x: "M-3-3L3 3M-3 3L3-3", X: "M-3-3L3 3M-3 3L3-3", P: "M-4 0H4M0-4V4", _: "M-4 0H4", h: "M-4 0L-2-3.5H2L4 0L2 3.5H-2z",
};
const CIRCLE = "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z";
const DASHES = { "--": "7 4", ":": "2 3", "-": "none" };

// Black is the page's own: on a dark one it is light.
function ownColour(series) { return series.colour === "#000000" ? "--c:var(--fg)" : `--own:${series.colour}`; }

// A range that is so much as wide around the same middle; one moved, or cut, to lie within another.
function around(low, high, factor) {
  const middle = (low + high) / 2, half = ((high - low) / 2) * factor;
  return [middle - half, middle + half];
}
function within(low, high, least, most) {
  const width = Math.min(high - low, most - least), from = Math.min(Math.max(low, least), most - width);
  return [from, from + width];
}

class Chart {
  constructor(figure) {
    this.data = FIGURES[figure.dataset.figure];
    this.figure = figure;
    this.plot = figure.querySelector(".plot");
    this.reset = figure.querySelector(".reset");
    this.reset.onclick = () => { this.plot.focus(); this.zoom = null; this.draw(); };
    this.plot.onkeydown = (event) => this.key(event);
    this.hidden = new Set();
    // `null` is often several times above all others, and would flatten them.
    const top = (s) => Math.max(...s.points.map((p) => p[1] || 0));
    const isNull = (s) => s.name.toLowerCase() === "null";  // in files without titles: its name
    const others = this.data.series.filter((s) => !isNull(s)).map(top);
    this.data.series.forEach((s, i) => { if (isNull(s) && this.data.y.scale === "linear" && top(s) > 1.2 * Math.max(...others)) this.hidden.add(i); });
    if (this.hidden.size) figure.querySelector("figcaption").append(" Null is far above and hidden; its button shows it.");
    this.data.series.forEach((s, i) => this.addLegend(s, i));
  }

  addLegend(series, i) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", !this.hidden.has(i));
    const icon = node("svg", { viewBox: "-13 -6 26 12", class: "plot s", "aria-hidden": "true", style: `${ownColour(series)};min-height:0` });
    node("path", { d: "M-13 0H13", class: "line", "stroke-dasharray": DASHES[series.line] || "none" }, icon);
    node("path", { d: SHAPES[series.marker] || CIRCLE, class: "dot" }, icon);
    button.append(icon, series.name);
    button.onclick = () => {
      this.hidden.has(i) ? this.hidden.delete(i) : this.hidden.add(i);
      button.setAttribute("aria-pressed", !this.hidden.has(i));
      this.draw();
    };
    this.figure.querySelector(".legend").append(button);
  }

  range(axis, places, scale) {
    const values = this.shown().flatMap(([s]) => s.points.flatMap((p) => (p[1] === null ? [] : places.map((k) => p[k]).filter((v) => v !== null))));
    let low = Infinity, high = -Infinity;
    for (const v of values) { const at = scale.to(v); low = Math.min(low, at); high = Math.max(high, at); }
    if (low > high) [low, high] = [0, 1];
    if (axis.scale === "linear") return [0, high * 1.06 || 1];
    if (axis.scale === "percentile") return [0, high + 0.1];
    const pad = axis.scale === "log2" ? Math.max(0.35, 0.08 * (high - low)) : Math.max(0.08 * (high - low) + 0.05, (1 - high + low) / 2);  // a decade at least
    return [low - pad, high + pad];
  }

  whole() {
    const { x, y } = this.data;
    return [...this.range(x, [0], scaleOf(x)), ...this.range(y, [1, 2, 3], scaleOf(y))];
  }

  // + and - zoom around the middle, 0 shows all; arrows move what is zoomed, and else the page as everywhere.
  key(event) {
    const whole = this.whole(), [x0, x1, y0, y1] = this.zoom || whole;
    const scaled = (f) => [...around(x0, x1, f), ...around(y0, y1, f)];
    const moved = (dx, dy) => [x0 + dx * (x1 - x0), x1 + dx * (x1 - x0), y0 + dy * (y1 - y0), y1 + dy * (y1 - y0)];
    const step = 0.2, zoomed = { "+": () => scaled(2 / 3), "=": () => scaled(2 / 3) };
    if (this.zoom) Object.assign(zoomed, {
      "-": () => scaled(3 / 2), 0: () => whole, ArrowLeft: () => moved(-step, 0), ArrowRight: () => moved(step, 0), ArrowUp: () => moved(0, step), ArrowDown: () => moved(0, -step),
    });
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(zoomed, event.key)) return;
    event.preventDefault();
    const [a, b, c, d] = zoomed[event.key]();
    const found = [...within(a, b, whole[0], whole[1]), ...within(c, d, whole[2], whole[3])];
    this.zoom = found.every((end, i) => Math.abs(end - whole[i]) < 1e-9 * (Math.abs(whole[i]) + 1)) ? null : found;
    this.draw();
  }

  shown() { return this.data.series.map((s, i) => [s, i]).filter(([, i]) => !this.hidden.has(i)); }

  draw(wanted = this.plot.clientWidth || 480) {
    const width = Math.max(280, wanted);
    const sx = scaleOf(this.data.x), sy = scaleOf(this.data.y);
    const [x0, x1, y0, y1] = this.zoom || this.whole();
    const px = (at) => LEFT + ((at - x0) / (x1 - x0)) * (width - LEFT - RIGHT);
    const py = (at) => HEIGHT - BOTTOM - ((at - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
    const svg = node("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${this.data.title}, ${this.data.panel}: ${this.data.y.title} against ${this.data.x.title}; the CSV has the numbers` });
    let free = -Infinity;  // from here on no text stands
    for (const [at, text] of sx.ticks(x0, x1)) {
      node("path", { d: `M${px(at)} ${TOP}V${HEIGHT - BOTTOM}`, class: "grid" }, svg);
      const half = Math.max(17, 3.5 * text.length + 4);
      if (px(at) - half < free) continue;
      free = px(at) + half;
      node("text", { x: px(at), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, svg).textContent = text;
    }
    for (const [at, text] of sy.ticks(y0, y1)) {
      node("path", { d: `M${LEFT} ${py(at)}H${width - RIGHT}`, class: "grid" }, svg);
      node("text", { x: LEFT - 6, y: py(at) + 4, "text-anchor": "end" }, svg).textContent = text;
    }
    node("text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, svg).textContent = this.data.x.title;
    node("text", { transform: `translate(12 ${(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg).textContent = this.data.y.title;
    const clip = `clip${this.figure.dataset.figure}`;
    node("rect", { x: LEFT, y: 0, width: width - LEFT - RIGHT + 6, height: HEIGHT - BOTTOM + 4 }, node("clipPath", { id: clip }, svg));
    const inside = node("g", { "clip-path": `url(#${clip})` }, svg);
    this.spots = [];
    const shown = this.shown();
    shown.forEach(([series, i], place) => {
      const apart = this.data.x.scale === "log2" ? (place - (shown.length - 1) / 2) * Math.min(4, 40 / shown.length) : 0;
      this.drawSeries(series, inside, (v) => px(sx.to(v)) + apart, (v) => py(sy.to(v)));
    });
    this.plot.replaceChildren(svg);
    this.reset.hidden = !this.zoom;
    this.listen(svg, width, { x0, x1, y0, y1 });
  }

  drawSeries(series, parent, px, py) {
    const g = node("g", { class: "s", style: ownColour(series) }, parent);
    let line = "", bars = "", gap = true;
    for (const [x, y, low, high] of series.points) {
      if (y === null) { gap = true; continue; }
      line += `${gap ? "M" : "L"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
      gap = false;
      if (low !== null && high > low) bars += `M${px(x).toFixed(1)} ${py(low).toFixed(1)}V${py(high).toFixed(1)}`;
    }
    node("path", { d: line, class: "line", "stroke-dasharray": DASHES[series.line] || "none" }, g);
    if (bars) node("path", { d: bars, class: "bars" }, g);
    const dots = series.points.length <= 60;
    for (const point of series.points) {
      const [x, y, , , hollow] = point;
      if (y === null) continue;
      this.spots.push([px(x), py(y), series, point]);
      if (!dots && !hollow) continue;
      const shape = hollow && "xXP_".includes(series.marker) ? CIRCLE : SHAPES[series.marker] || CIRCLE;
      node("path", { d: shape, class: hollow ? "dot hollow" : "dot", transform: `translate(${px(x).toFixed(1)} ${py(y).toFixed(1)})` }, g);
    }
  }

  listen(svg, width, { x0, x1, y0, y1 }) {
    let from = null, box = null;
    const place = (event) => {
      const r = svg.getBoundingClientRect();
      return [((event.clientX - r.left) * width) / r.width, ((event.clientY - r.top) * HEIGHT) / r.height];
    };
    svg.onpointerdown = (event) => { if (event.pointerType === "mouse") { from = place(event); svg.setPointerCapture(event.pointerId); event.preventDefault(); } };
    svg.onpointermove = (event) => {
      const at = place(event);
      if (from) {
        box ||= node("rect", { class: "zoom" }, svg);
        for (const [k, v] of Object.entries({ x: Math.min(from[0], at[0]), y: Math.min(from[1], at[1]), width: Math.abs(at[0] - from[0]), height: Math.abs(at[1] - from[1]) })) box.setAttribute(k, v);
      }
      this.tip(at, svg);
    };
    svg.onpointerleave = () => this.figure.querySelector(".tip")?.remove();
    svg.onpointerup = (event) => {
      if (!from) return;
      const at = place(event), start = from;
      from = null;
      box?.remove();
      if (Math.abs(at[0] - start[0]) < 8 || Math.abs(at[1] - start[1]) < 8) return;
      const ux = (x) => x0 + ((x - LEFT) / (width - LEFT - RIGHT)) * (x1 - x0);
      const uy = (y) => y0 + ((HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)) * (y1 - y0);
      this.zoom = [ux(Math.min(at[0], start[0])), ux(Math.max(at[0], start[0])), uy(Math.max(at[1], start[1])), uy(Math.min(at[1], start[1]))];
      this.draw();
    };
  }

  tip([x, y], svg) {
    this.figure.querySelector(".tip")?.remove();
    let best = null, least = 400;
    for (const spot of this.spots) {
      const d = (spot[0] - x) ** 2 + (spot[1] - y) ** 2;
      if (d < least) [best, least] = [spot, d];
    }
    if (!best) return;
    const [, , series, [at, value, low, high, hollow]] = best, tip = document.createElement("div");
    tip.className = "tip";
    const where = this.data.x.scale === "percentile" ? `p${+(100 * at).toPrecision(6)}` : `${amount(at)} ${this.data.x.title}`;
    tip.textContent = `${series.name}, ${where}: ${amount(value)} ${this.data.y.title}` + (low !== null ? ` (${amount(low)} to ${amount(high)})` : "") + (hollow ? ", hollow" : "");
    tip.style.left = `${Math.min(best[0], svg.clientWidth - 180)}px`;
    tip.style.top = `${this.plot.offsetTop + best[1] + 10}px`;
    this.figure.append(tip);
  }
}

function quoted(value) { return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value; }

function download(rows, name) {
  const url = URL.createObjectURL(new Blob([rows.map((row) => row.map((v) => quoted(String(v ?? ""))).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: `${name.replace(/[^\w.-]+/g, "-")}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

for (const button of document.querySelectorAll("[data-csv]"))
  button.onclick = () => download([...document.getElementById(button.dataset.csv).rows].map((row) => [...row.cells].map((c) => c.dataset.v ?? c.textContent)), button.dataset.name);
for (const button of document.querySelectorAll("[data-points]"))
  button.onclick = () => {
    const figure = FIGURES[button.dataset.points];
    const rows = figure.series.flatMap((s) => s.points.filter((p) => p[1] !== null).map((p) => [s.name, ...p]));
    download([["series", figure.x.title, figure.y.title, "low", "high", "hollow"], ...rows], `${figure.title} ${figure.panel}`);
  };

const theme = document.getElementById("theme"), prefersDark = matchMedia("(prefers-color-scheme: dark)");
function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  theme.textContent = dark ? "Light" : "Dark";
  theme.setAttribute("aria-label", `${theme.textContent} theme`);
}
theme.onclick = () => setTheme(document.documentElement.dataset.theme !== "dark");
prefersDark.onchange = () => setTheme(prefersDark.matches);
setTheme(prefersDark.matches);

// A figure is drawn when it comes near the window. Before printing all are, as wide as a column of the paper.
const PAPER_COLUMN = 350, charts = new Map();
function show(figure, width) {
  if (!charts.has(figure)) charts.set(figure, new Chart(figure));
  charts.get(figure).draw(width);
}
const seen = new IntersectionObserver((entries) => { for (const e of entries) if (e.isIntersecting && !charts.has(e.target)) show(e.target); }, { rootMargin: "600px" });
for (const figure of document.querySelectorAll("figure[data-figure]")) seen.observe(figure);
addEventListener("beforeprint", () => { for (const figure of document.querySelectorAll("figure[data-figure]")) show(figure, PAPER_COLUMN); });
addEventListener("afterprint", () => { for (const chart of charts.values()) chart.draw(); });
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { for (const chart of charts.values()) chart.draw(); }, 100); });
