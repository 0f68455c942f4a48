// Pictures of points and lines on canvases. Knows no state of the page.
"use strict";

const DENSE = 20000;
const CELL = 4;
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

// More points than a picture has room for: each cell has the colour of the letter that most of its
// jobs have, the stronger the more jobs it holds. Returns where the points are, and the most in a cell.
function drawDensity(pen, points, x, y, colours) {
  const cells = new Map();
  const placed = points.map((point) => {
    const spot = { px: x.at(point.x), py: y.at(point.y) };
    const key = Math.floor(spot.px / CELL) * 65536 + Math.floor(spot.py / CELL);
    let counts = cells.get(key);
    if (!counts) cells.set(key, counts = [0, 0, 0, 0, 0, 0]);
    counts[point.letter ?? 5] += 1;
    return spot;
  });
  const sums = new Map([...cells].map(([key, counts]) => [key, counts.reduce((a, b) => a + b)]));
  const [, most] = rangeOf([...sums.values()]);
  for (const [key, counts] of cells) {
    const letter = counts.indexOf(Math.max(...counts));
    pen.fillStyle = letter === 5 ? colours.none : colours.letters[letter];
    pen.globalAlpha = 0.2 + 0.8 * (Math.log1p(sums.get(key)) / Math.log1p(most));
    pen.fillRect(Math.floor(key / 65536) * CELL, (key % 65536) * CELL, CELL, CELL);
  }
  pen.globalAlpha = 1;
  return { placed, most };
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

// points: {x, y, letter, kind, size, name}; shade: {xs, ys, letterAt(ix, iy)} in data units, or null.
// `zoom` is [x0, x1, y0, y1] in data units or null; `named` the points whose names are wanted, the
// most important first. Returns where the points are, and both scales.
function drawScatter(canvas, { points, xLabel, yLabel, xLog, yLog, shade, front, selected, zoom, named }) {
  const area = prepare(canvas);
  const { pen, colours } = area;
  const { x, y } = frame(area, {
    xs: points.map((p) => p.x), ys: points.map((p) => p.y), xLog, yLog, right: 16,
    xDomain: zoom && zoom.slice(0, 2), yDomain: zoom && zoom.slice(2),
  });
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
  pen.lineWidth = 1;
  const dense = points.length > DENSE ? drawDensity(pen, points, x, y, colours) : null;
  const placed = dense ? dense.placed : points.length > 1000 ? drawCrowd(pen, points, x, y, colours)
    : points.map((point) => drawPoint(pen, point, x.at(point.x), y.at(point.y), colours));
  if (selected !== null && points[selected]) {
    const { px, py } = placed[selected];
    pen.lineWidth = 3;
    pen.strokeStyle = colours.accent;
    pen.beginPath(); pen.arc(px, py, 12, 0, 2 * Math.PI); pen.stroke();
  }
  drawNames(area, { x, y }, points.length > 300 ? [] : placed, named.map((i) => ({ ...placed[i], name: points[i].name })));
  pen.restore();
  return { placed, x, y, mostInCell: dense ? dense.most : null };
}

function drawPoint(pen, point, px, py, colours) {
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
  return { px, py };
}

// Names beside their points, none upon another name or a point; one without room is left out.
function drawNames({ pen, colours }, { x, y }, spots, named) {
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "left";
  const taken = spots.map(({ px, py }) => [px - 8, py - 8, px + 8, py + 8]);
  const free = ([l, t, r, b]) => l >= x.low + 2 && r <= x.high - 2 && t >= y.high + 1 && b <= y.low - 1
    && taken.every(([tl, tt, tr, tb]) => r <= tl || l >= tr || b <= tt || t >= tb);
  for (const { px, py, name } of named) {
    const text = name.length > 28 ? `${name.slice(0, 27)}\u2026` : name;
    const width = pen.measureText(text).width;
    const spot = [[px + 11, py], [px - 11 - width, py], [px - width / 2, py - 16], [px - width / 2, py + 16],
      [px + 9, py - 13], [px + 9, py + 13], [px - 9 - width, py - 13], [px - 9 - width, py + 13],
      [px - width / 2, py + 32], [px - width / 2, py - 32], [px + 20, py + 26], [px - 20 - width, py + 26]]
      .find(([left, middle]) => free([left, middle - 7, left + width, middle + 7]));
    if (!spot) continue;
    taken.push([spot[0], spot[1] - 7, spot[0] + width, spot[1] + 7]);
    if (Math.abs(spot[1] - py) > 20) {
      pen.strokeStyle = colours.soft ?? colours.ink;
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(px, py + Math.sign(spot[1] - py) * 8); pen.lineTo(Math.min(spot[0] + width, Math.max(spot[0], px)), spot[1] - Math.sign(spot[1] - py) * 7); pen.stroke();
    }
    pen.strokeStyle = colours.paper;
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.globalAlpha = 0.75;
    pen.strokeText(text, ...spot);
    pen.globalAlpha = 1;
    pen.fillStyle = colours.ink;
    pen.fillText(text, ...spot);
  }
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

// lines: [{points: [{x, y}], label, dashed}]; points as in drawScatter. The scales follow the points
// where there are any, so that lines far away do not press them together.
function drawLines(canvas, { lines, points, xLabel, yLabel, xLog, yLog = false, note, fit = "all", named = [] }) {
  const area = prepare(canvas);
  const { pen, colours } = area;
  const shown = fit === "points" && points.length > 0 ? points : [...lines.flatMap((l) => l.points), ...points];
  const right = Math.ceil(widest(pen, lines.map((one) => one.label ?? ""))) + 14;
  const { x, y } = frame(area, { xs: shown.map((p) => p.x), ys: shown.map((p) => p.y), xLog, yLog, right });
  axes(area, x, y, xLabel, yLabel);
  pen.save();
  pen.beginPath(); pen.rect(x.low, y.high, x.high - x.low, y.low - y.high); pen.clip();
  const inside = (p) => p.x >= x.edges[0] && p.x <= x.edges[1] && y.at(p.y) <= y.low + 0.5 && y.at(p.y) >= y.high - 0.5;
  for (const one of lines) {
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1.5;
    pen.setLineDash(one.dashed ? [6, 4] : []);
    pen.beginPath();
    one.points.forEach((p, k) => { if (k === 0) pen.moveTo(x.at(p.x), y.at(p.y)); else pen.lineTo(x.at(p.x), y.at(p.y)); });
    pen.stroke();
  }
  pen.setLineDash([]);
  const placed = points.map((p) => {
    pen.fillStyle = p.letter === null ? colours.none : colours.letters[p.letter];
    pen.strokeStyle = p.selected ? colours.accent : colours.ink;
    pen.lineWidth = p.selected ? 3 : 1;
    marker(pen, MARKERS[p.kind % MARKERS.length], x.at(p.x), y.at(p.y), p.selected ? 8 : 5);
    return { px: x.at(p.x), py: y.at(p.y) };
  });
  drawNames(area, { x, y }, placed, named.map((i) => ({ ...placed[i], name: points[i].name })));
  pen.restore();
  labelLines(area, { x, y }, lines, inside);
  if (note) {
    pen.fillStyle = colours.ink;
    pen.textAlign = "left";
    pen.fillText(note, x.low + 8, y.high + 14);
  }
  return placed;
}

// Each line is named right of its last visible point; names stay a line of text apart.
function labelLines({ pen, colours }, { x, y }, lines, inside) {
  const ends = lines.map((one) => (one.label ? one.points.filter(inside).pop() : undefined)).map((p, i) => ({ p, i })).filter(({ p }) => p);
  const heights = spread(ends.map(({ p }) => y.at(p.y)), 13);
  const over = Math.max(0, ...heights) - (y.low - 4);
  pen.fillStyle = colours.ink;
  pen.textAlign = "left";
  ends.forEach(({ i }, k) => pen.fillText(lines[i].label, x.high + 6, heights[k] - Math.max(0, over)));
}
