// Curves over time as SVG: scales, axes, lines or stacked areas, and a cursor that reads them.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 230;
const EDGE = { left: 46, right: 10, top: 8, bottom: 22 };
// Colour is never alone: every curve of the same colour has another dash.
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 4", "12 4"];

function style(index) {
  return { colour: `var(--c${index % 6})`, dash: DASHES[Math.floor(index / 6 + index) % DASHES.length] };
}

function shape(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

function label(parent, text, attributes) {
  shape("text", attributes, parent).textContent = text;
}

// Stacked curves stand on the sum of those before; a gap counts as nothing.
function stack(series, count) {
  const floor = new Array(count).fill(0);
  return series.map((one) => {
    const below = floor.slice();
    const above = one.values.map((value, i) => (value === null ? null : (floor[i] += value)));
    return { below, above };
  });
}

function extent(panel, layers) {
  const values = layers ? layers.flatMap((l) => l.above) : panel.series.flatMap((s) => s.values);
  const known = values.filter((v) => v !== null);
  let low = Math.min(0, ...known.length ? [known.reduce((a, b) => Math.min(a, b))] : []);
  let high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (high <= low) { high = low + (Math.abs(low) || 1); }
  return { low, high: high + (high - low) * 0.04 };
}

// Runs of neighbouring values: a missing one is a gap, never a line across it.
function runs(values) {
  const found = [];
  let current = [];
  values.forEach((value, i) => {
    if (value !== null) current.push(i);
    else if (current.length) { found.push(current); current = []; }
  });
  if (current.length) found.push(current);
  return found;
}

function drawChart(svg, panel, time) {
  svg.replaceChildren();
  const width = Math.max(240, svg.clientWidth || 600);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const layers = panel.kind === "stacked" ? stack(panel.series, time.count) : null;
  const { low, high } = extent(panel, layers);
  const end = time.from + (time.count - 1) * time.step;
  const x = (i) => EDGE.left + (i / Math.max(1, time.count - 1)) * (width - EDGE.left - EDGE.right);
  const y = (v) => HEIGHT - EDGE.bottom - ((v - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  for (const tick of ticks(low, high, 4)) {
    shape("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y(tick), y2: y(tick), class: "grid-line" }, svg);
    label(svg, figure(tick), { x: EDGE.left - 5, y: y(tick) + 4, "text-anchor": "end" });
  }
  for (const at of timeTicks(time.from, end, width / 90)) {
    const px = x((at - time.from) / time.step);
    shape("line", { x1: px, x2: px, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "grid-line" }, svg);
    label(svg, clock(at, end - time.from), { x: Math.min(px, width - 22), y: HEIGHT - 6, "text-anchor": "middle" });
  }
  panel.series.forEach((one, index) => {
    const values = layers ? layers[index].above : one.values;
    const { colour, dash } = style(index);
    for (const run of runs(values)) {
      if (layers) {
        const down = run.slice().reverse().map((i) => `L${x(i)},${y(layers[index].below[i])}`);
        const up = run.map((i, k) => `${k ? "L" : "M"}${x(i)},${y(values[i])}`);
        shape("path", { d: `${up.join("")}${down.join("")}Z`, fill: colour, "fill-opacity": 0.25 }, svg);
      }
      const line = run.map((i, k) => `${k ? "L" : "M"}${x(i).toFixed(1)},${y(values[i]).toFixed(1)}`).join("");
      // A single sample has no length to draw; a short stroke shows that it is there.
      shape("path", { d: run.length > 1 ? line : `${line}h3`, fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": dash, class: "curve" }, svg);
    }
  });
  return { x, width };
}

// The cursor is moved by pointer and arrow keys; its moment is read out beside the picture.
function addCursor(svg, readout, panel, time, geometry) {
  let at = null;
  const show = (index) => {
    at = index;
    svg.querySelector(".cursor")?.remove();
    if (at === null) { readout.textContent = ""; return; }
    const px = geometry().x(at);
    shape("line", { x1: px, x2: px, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "cursor" }, svg);
    const said = panel.series.filter((s) => s.values[at] !== null)
      .map((s) => `${s.name} ${figure(s.values[at])}${panel.unit ? ` ${panel.unit}` : ""}`);
    readout.textContent = `${moment(time.from + at * time.step)}: ${said.join(", ") || "no data"}`;
  };
  svg.addEventListener("pointermove", (event) => {
    const { width } = geometry();
    const box = svg.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width * width - EDGE.left) / (width - EDGE.left - EDGE.right);
    show(Math.max(0, Math.min(time.count - 1, Math.round(share * (time.count - 1)))));
  });
  svg.addEventListener("pointerleave", () => { if (document.activeElement !== svg) show(null); });
  svg.addEventListener("blur", () => show(null));
  svg.addEventListener("focus", () => show(at ?? time.count - 1));
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -time.count, End: time.count };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(Math.max(0, Math.min(time.count - 1, (at ?? time.count - 1) + moves[event.key])));
  });
  return () => show(at);
}
