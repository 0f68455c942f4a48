// Drawing on canvases: scales, axes and the page's pictures. Knows no state of the page.
"use strict";

const MARKERS = ["circle", "square", "triangle", "diamond", "cross", "down", "star", "plus"];

function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"), soft: read("--soft"), grid: read("--grid"), paper: read("--paper"),
    accent: read("--accent"),
    letters: ["--a", "--b", "--c", "--d", "--e"].map(read), none: read("--none"),
  };
}

let exportRatio = null;

function setExportRatio(ratio) {
  exportRatio = ratio;
}

function prepare(canvas) {
  const ratio = exportRatio ?? (window.devicePixelRatio || 1);
  const width = canvas.clientWidth || 600;
  const height = canvas.clientHeight || 400;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const colours = palette();
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  return { pen, width, height, colours };
}

function makeScale(values, low, high, log) {
  let least = Infinity;
  let most = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least === Infinity) { least = log ? 1 : 0; most = log ? 10 : 1; }
  if (least === most) { least = log ? least / 2 : least - 0.5; most = log ? most * 2 : most + 0.5; }
  const t = log ? Math.log10 : (v) => v;
  const pad = (t(most) - t(least)) * 0.06;
  const from = t(least) - pad;
  const to = t(most) + pad;
  const at = (value) => low + ((t(value) - from) / (to - from)) * (high - low);
  const invert = (pixel) => {
    const inner = from + ((pixel - low) / (high - low)) * (to - from);
    return log ? 10 ** inner : inner;
  };
  return { at, invert, ticks: log ? logTicks(from, to) : ticks(from, to), low, high };
}

function ticks(from, to) {
  const raw = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let v = Math.ceil(from / step) * step; v <= to + step * 1e-9; v += step) {
    found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  }
  return found;
}

function logTicks(from, to) {
  const found = [];
  const few = to - from < 2.2;
  for (let e = Math.floor(from); e <= Math.ceil(to); e += 1) {
    for (const m of few ? [1, 2, 5] : [1]) {
      const t = e + Math.log10(m);
      if (t >= from && t <= to) found.push(m * 10 ** e);
    }
  }
  return found;
}

function short(value) {
  if (value === null || value === undefined) return "n.a.";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(size >= 1000 ? 5 : 3)));
}

function axes(area, x, y, xLabel, yLabel) {
  const { pen, width, height, colours } = area;
  pen.strokeStyle = colours.grid;
  pen.fillStyle = colours.soft;
  pen.lineWidth = 1;
  pen.textAlign = "center";
  for (const tick of x.ticks) {
    pen.beginPath(); pen.moveTo(x.at(tick), y.low); pen.lineTo(x.at(tick), y.high); pen.stroke();
    pen.fillText(short(tick), x.at(tick), y.low + 14);
  }
  pen.textAlign = "right";
  for (const tick of y.ticks) {
    pen.beginPath(); pen.moveTo(x.low, y.at(tick)); pen.lineTo(x.high, y.at(tick)); pen.stroke();
    pen.fillText(short(tick), x.low - 6, y.at(tick));
  }
  pen.fillStyle = colours.ink;
  pen.textAlign = "center";
  pen.fillText(xLabel, (x.low + x.high) / 2, height - 8);
  pen.save();
  pen.translate(11, (y.low + y.high) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(yLabel, 0, 0);
  pen.restore();
  pen.strokeStyle = colours.soft;
  pen.strokeRect(x.low, y.high, x.high - x.low, y.low - y.high);
}

const SHAPES = {
  triangle: [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]], down: [[0, 1.2], [1.1, -0.9], [-1.1, -0.9]],
  diamond: [[0, -1.3], [1.1, 0], [0, 1.3], [-1.1, 0]],
  cross: [[-1, -0.4], [-0.4, -1], [0, -0.5], [0.4, -1], [1, -0.4], [0.5, 0], [1, 0.4], [0.4, 1],
    [0, 0.5], [-0.4, 1], [-1, 0.4], [-0.5, 0]],
  plus: [[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4],
    [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]],
  star: [[0, -1.3], [0.4, -0.4], [1.2, -0.4], [0.6, 0.2], [0.8, 1.1], [0, 0.6], [-0.8, 1.1],
    [-0.6, 0.2], [-1.2, -0.4], [-0.4, -0.4]],
};

// Add a marker to the current path.
function outline(pen, kind, x, y, r) {
  if (kind === "circle") pen.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === "square") pen.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else {
    SHAPES[kind].forEach(([px, py], i) => {
      if (i === 0) pen.moveTo(x + px * r, y + py * r); else pen.lineTo(x + px * r, y + py * r);
    });
    pen.closePath();
  }
}

function marker(pen, kind, x, y, r) {
  pen.beginPath();
  outline(pen, kind, x, y, r);
  pen.fill();
  pen.stroke();
}

// Thousands of points: each kind of marker is drawn once and its pixels are copied.
function drawCrowd(pen, points, x, y, colours) {
  const ratio = pen.getTransform().a;
  const picture = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
  const pixels = new Uint32Array(picture.data.buffer);
  const { width, height } = picture;
  const stamps = new Map();
  const placed = points.map((point) => {
    const r = Math.round(point.size ?? 3);
    const kind = point.kind % MARKERS.length;
    const key = ((point.letter ?? 5) * 10 + kind) * 100 + r;
    let stamp = stamps.get(key);
    if (!stamp) {
      stamp = stampOf(point.letter === null ? colours.none : colours.letters[point.letter], colours.ink, kind, r, ratio);
      stamps.set(key, stamp);
    }
    const spot = { px: x.at(point.x), py: y.at(point.y) };
    const left = Math.round(spot.px * ratio);
    const top = Math.round(spot.py * ratio);
    for (let i = 0; i < stamp.length; i += 3) {
      const column = left + stamp[i];
      const row = top + stamp[i + 1];
      if (column >= 0 && column < width && row >= 0 && row < height) pixels[row * width + column] = stamp[i + 2];
    }
    return spot;
  });
  pen.putImageData(picture, 0, 0);
  return placed;
}

// The opaque pixels of a marker as (dx, dy, colour) triples.
function stampOf(fill, ink, kind, r, ratio) {
  const small = document.createElement("canvas");
  const half = Math.ceil(r * 1.5 * ratio);
  small.width = 2 * half;
  small.height = 2 * half;
  const own = small.getContext("2d", { willReadFrequently: true });
  own.setTransform(ratio, 0, 0, ratio, half, half);
  own.fillStyle = fill;
  own.strokeStyle = ink;
  own.lineWidth = 0.7;
  marker(own, MARKERS[kind], 0, 0, r);
  const colours = new Uint32Array(own.getImageData(0, 0, 2 * half, 2 * half).data.buffer);
  const triples = [];
  colours.forEach((colour, i) => {
    if (colour >>> 24 < 128) return;
    triples.push((i % (2 * half)) - half, Math.floor(i / (2 * half)) - half, colour | 0xff000000);
  });
  return triples;
}

// points: {x, y, letter, kind, size}; shade: {xs, ys, letterAt(ix, iy)} in data units, or null.
function drawScatter(canvas, { points, xLabel, yLabel, xLog, yLog, shade, front, selected }) {
  const area = prepare(canvas);
  const { pen, width, height, colours } = area;
  const x = makeScale(points.map((p) => p.x), 58, width - 12, xLog);
  const y = makeScale(points.map((p) => p.y), height - 40, 10, yLog);
  if (shade) drawShade(area, x, y, shade);
  axes(area, x, y, xLabel, yLabel);
  pen.save();
  pen.beginPath(); pen.rect(x.low, y.high, x.high - x.low, y.low - y.high); pen.clip();
  if (front.length > 1) {
    pen.strokeStyle = colours.ink;
    pen.setLineDash([5, 4]);
    pen.beginPath();
    front.forEach((p, i) => {
      if (i === 0) pen.moveTo(x.at(p.x), y.at(p.y)); else pen.lineTo(x.at(p.x), y.at(p.y));
    });
    pen.stroke();
    pen.setLineDash([]);
  }
  const many = points.length > 1000;
  pen.lineWidth = 1;
  const placed = many ? drawCrowd(pen, points, x, y, colours) : [];
  for (const point of many ? [] : points) {
    const px = x.at(point.x);
    const py = y.at(point.y);
    const r = point.size ?? 7;
    pen.fillStyle = point.letter === null ? colours.none : colours.letters[point.letter];
    pen.strokeStyle = colours.ink;
    marker(pen, MARKERS[point.kind % MARKERS.length], px, py, r);
    if (point.letter !== null && r >= 6) {
      pen.fillStyle = point.letter === 0 || point.letter === 4 ? "#ffffff" : "#111111";
      pen.font = "bold 9px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillText(LETTERS[point.letter], px, py + 0.5);
    }
    placed.push({ px, py });
  }
  if (selected !== null && points[selected]) {
    const { px, py } = placed[selected];
    pen.lineWidth = 3;
    pen.strokeStyle = colours.accent;
    pen.beginPath(); pen.arc(px, py, 12, 0, 2 * Math.PI); pen.stroke();
  }
  pen.restore();
  return placed;
}

function drawShade(area, x, y, shade) {
  const { pen, colours } = area;
  const clampX = (v) => Math.min(x.high, Math.max(x.low, x.at(v)));
  const clampY = (v) => Math.max(y.high, Math.min(y.low, y.at(v)));
  const edge = (list, clamp, first, last) => [first, ...list.map(clamp), last];
  const xs = edge(shade.xs, clampX, shade.xRises ? x.low : x.high, shade.xRises ? x.high : x.low);
  const ys = edge(shade.ys, clampY, shade.yRises ? y.low : y.high, shade.yRises ? y.high : y.low);
  pen.globalAlpha = 0.22;
  for (let i = 0; i < 5; i += 1) {
    for (let j = 0; j < 5; j += 1) {
      pen.fillStyle = colours.letters[shade.letterAt(i, j)];
      const [left, right] = [Math.min(xs[i], xs[i + 1]), Math.max(xs[i], xs[i + 1])];
      const [top, bottom] = [Math.min(ys[j], ys[j + 1]), Math.max(ys[j], ys[j + 1])];
      pen.fillRect(left, top, right - left, bottom - top);
    }
  }
  pen.globalAlpha = 1;
}

// lines: [{points: [{x, y}], label, dashed}]; points as in drawScatter.
function drawLines(canvas, { lines, points, xLabel, yLabel, xLog, note }) {
  const area = prepare(canvas);
  const { pen, width, height, colours } = area;
  const all = [...lines.flatMap((l) => l.points), ...points];
  const x = makeScale(all.map((p) => p.x), 58, width - 70, xLog);
  const y = makeScale(all.map((p) => p.y), height - 40, 10, false);
  axes(area, x, y, xLabel, yLabel);
  const ends = lines.map((one) => one.points[one.points.length - 1]);
  const heights = spread(ends.map((end) => (end ? y.at(end.y) : 0)), 13);
  lines.forEach((one, i) => {
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1.5;
    pen.setLineDash(one.dashed ? [6, 4] : []);
    pen.beginPath();
    one.points.forEach((p, k) => {
      if (k === 0) pen.moveTo(x.at(p.x), y.at(p.y)); else pen.lineTo(x.at(p.x), y.at(p.y));
    });
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = colours.ink;
    pen.textAlign = "left";
    if (one.label && ends[i]) pen.fillText(one.label, x.at(ends[i].x) + 5, heights[i]);
  });
  const placed = points.map((p) => {
    pen.fillStyle = p.letter === null ? colours.none : colours.letters[p.letter];
    pen.strokeStyle = p.selected ? colours.accent : colours.ink;
    pen.lineWidth = p.selected ? 3 : 1;
    marker(pen, MARKERS[p.kind % MARKERS.length], x.at(p.x), y.at(p.y), p.selected ? 8 : 5);
    return { px: x.at(p.x), py: y.at(p.y) };
  });
  if (note) {
    pen.fillStyle = colours.ink;
    pen.textAlign = "left";
    pen.fillText(note, x.low + 8, y.high + 14);
  }
  return placed;
}

// rows: [[label, [values 0..1 or null]]]; an axis per value.
function drawStar(canvas, axesLabels, rows) {
  const { pen, width, height, colours } = prepare(canvas);
  const cx = width / 2;
  const cy = height / 2 + 4;
  const radius = Math.min(width, height) / 2 - 44;
  const at = (i, r) => {
    const angle = -Math.PI / 2 + (2 * Math.PI * i) / axesLabels.length;
    return [cx + Math.cos(angle) * r * radius, cy + Math.sin(angle) * r * radius];
  };
  pen.strokeStyle = colours.grid;
  for (const ring of [0.25, 0.5, 0.75, 1]) {
    pen.beginPath();
    axesLabels.forEach((_, i) => pen.lineTo(...at(i, ring)));
    pen.closePath();
    pen.stroke();
  }
  pen.fillStyle = colours.ink;
  pen.textAlign = "left";
  axesLabels.forEach((label, i) => {
    // A label begins or ends at its axis, so that it never lies on the picture.
    const [px, py] = at(i, 1.09);
    const side = Math.sign(Math.round(px - cx));
    const size = pen.measureText(label).width;
    const wanted = side > 0 ? px : side < 0 ? px - size : px - size / 2;
    pen.fillText(label, Math.min(width - size - 2, Math.max(2, wanted)), py);
  });
  rows.forEach(([, values], k) => {
    pen.strokeStyle = k === 0 ? colours.accent : colours.soft;
    pen.lineWidth = k === 0 ? 3 : 1.5;
    pen.setLineDash(k === 0 ? [] : [5, 4]);
    pen.beginPath();
    values.forEach((value, i) => pen.lineTo(...at(i, value ?? 0)));
    pen.closePath();
    pen.stroke();
  });
  pen.setLineDash([]);
}

// A matrix of numbers -1..1 (or null) with the number in each cell; rows from the top.
function drawMatrix(canvas, labels, matrix) {
  const { pen, width, height, colours } = prepare(canvas);
  const left = Math.min(165, width * 0.34);
  const top = 8;
  const cell = Math.min((width - left - 8) / labels.length, (height - top - 84) / labels.length);
  matrix.forEach((row, i) => {
    pen.fillStyle = colours.ink;
    pen.textAlign = "right";
    pen.fillText(labels[i], left - 6, top + (i + 0.5) * cell, left - 8);
    row.forEach((value, j) => {
      const strength = value === null ? 0 : Math.abs(value);
      pen.fillStyle = value === null ? colours.none : value > 0 ? "#2166ac" : "#b2182b";
      pen.globalAlpha = value === null ? 0.3 : 0.1 + 0.9 * strength;
      pen.fillRect(left + j * cell, top + i * cell, cell - 1, cell - 1);
      pen.globalAlpha = 1;
      pen.fillStyle = strength > 0.55 ? "#ffffff" : colours.ink;
      pen.textAlign = "center";
      if (cell > 26) {
        const text = value === null ? "–" : value.toFixed(2);
        pen.fillText(text, left + (j + 0.5) * cell, top + (i + 0.5) * cell, cell - 5);
      }
    });
  });
  pen.fillStyle = colours.ink;
  labels.forEach((label, j) => {
    pen.save();
    pen.translate(left + (j + 0.5) * cell, top + labels.length * cell + 6);
    pen.rotate(-Math.PI / 5);
    pen.textAlign = "right";
    pen.fillText(label, 0, 6, 90);
    pen.restore();
  });
}

// A grid of values 0..1 as a heat map; cells[row][column], row 0 at the bottom.
function drawHeat(canvas, { cells, xMax, yMax, xLabel, yLabel, points }) {
  const area = prepare(canvas);
  const { pen, width, height, colours } = area;
  const x = { at: (v) => 58 + (v / xMax) * (width - 70), ticks: ticks(0, xMax), low: 58, high: width - 12 };
  const y = { at: (v) => height - 40 - (v / yMax) * (height - 50), ticks: ticks(0, yMax), low: height - 40, high: 10 };
  const w = (x.high - x.low) / cells[0].length;
  const h = (y.low - y.high) / cells.length;
  cells.forEach((row, r) => row.forEach((value, c) => {
    pen.fillStyle = `hsl(${Math.round(260 - 200 * value)} 70% ${Math.round(20 + 60 * value)}%)`;
    pen.fillRect(x.low + c * w, y.low - (r + 1) * h, w + 0.6, h + 0.6);
  }));
  axes(area, x, y, xLabel, yLabel);
  for (const p of points) {
    if (p.x > xMax || p.y > yMax) continue;
    pen.fillStyle = "#ffffff";
    pen.strokeStyle = p.selected ? colours.accent : "#111111";
    pen.lineWidth = p.selected ? 3 : 1;
    marker(pen, "circle", x.at(p.x), y.at(p.y), 4);
  }
}
