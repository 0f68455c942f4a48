// Pictures of many properties at once: star, correlation map and heat map.
"use strict";

// rows: [[label, [values 0..1 or null]]]; an axis per value.
function drawStar(canvas, axesLabels, rows) {
  const { pen, width, height, colours } = prepare(canvas);
  const cx = width / 2;
  const cy = height / 2 + 4;
  const radius = Math.max(40, Math.min(height / 2 - 40, width / 2 - widest(pen, axesLabels) * 0.85));
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
    pen.fillText(label, Math.min(width - size - 2, Math.max(2, wanted)), py, width / 2);
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

const RISING = [33, 102, 172];
const FALLING = [178, 24, 43];

function correlationColour(value) {
  const [r, g, b] = value > 0 ? RISING : FALLING;
  const strength = Math.abs(value);
  const mixed = [r, g, b].map((part) => Math.round(255 + (part - 255) * strength));
  return `rgb(${mixed.join(",")})`;
}

// A matrix of numbers -1..1 (or null) with the number in each cell; rows from the top.
function drawMatrix(canvas, labels, matrix) {
  const area = prepare(canvas);
  const { pen, width, height, colours } = area;
  const left = Math.min(165, width * 0.3);
  const top = 8;
  const cell = Math.min((width - left - 96) / labels.length, (height - top - 84) / labels.length);
  matrix.forEach((row, i) => {
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colours.ink;
    pen.textAlign = "right";
    pen.fillText(labels[i], left - 6, top + (i + 0.5) * cell, left - 8);
    row.forEach((value, j) => {
      pen.fillStyle = value === null ? colours.none : correlationColour(value);
      pen.fillRect(left + j * cell, top + i * cell, cell - 1, cell - 1);
      pen.fillStyle = value !== null && Math.abs(value) > 0.55 ? "#ffffff" : "#111111";
      pen.textAlign = "center";
      pen.font = `${Math.max(7, Math.min(12, cell / 2.6))}px system-ui, sans-serif`;
      const text = value === null ? "\u2013" : value.toFixed(cell > 26 ? 2 : 1);
      pen.fillText(text, left + (j + 0.5) * cell, top + (i + 0.5) * cell, cell - 3);
    });
  });
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = colours.ink;
  labels.forEach((label, j) => {
    pen.save();
    pen.translate(left + (j + 0.5) * cell, top + labels.length * cell + 6);
    pen.rotate(-Math.PI / 5);
    pen.textAlign = "right";
    pen.fillText(label, 0, 6, 138);
    pen.restore();
  });
  colourBar(area, {
    low: top + labels.length * cell, high: top, title: "rank correlation",
    ticks: [-1, -0.5, 0, 0.5, 1].map((v) => ({ share: (v + 1) / 2, text: String(v) })),
    colourAt: (share) => correlationColour(2 * share - 1),
  });
}

// Viridis, which keeps its order in grey and for colour-blind readers (matplotlib, CC0).
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function viridis(share) {
  const place = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return `rgb(${VIRIDIS[i].map((part, k) => Math.round(part + (VIRIDIS[i + 1][k] - part) * (place - i))).join(",")})`;
}

// A heat map of `valueAt(x, y)` over a logarithmic x axis, with the points upon it. Colours span the
// values shown, in equal ratios where they differ more than twentyfold.
function drawHeat(canvas, { valueAt, xs, ys, xLabel, yLabel, barTitle, points, named }) {
  const area = prepare(canvas);
  const { pen, colours } = area;
  const { x, y } = frame(area, { xs, ys, xLog: true, yLog: false, right: 104 });
  const [columns, rows] = [120, 90];
  const value = (c, r) => valueAt(x.invert(x.low + ((c + 0.5) / columns) * (x.high - x.low)), y.invert(y.low - ((r + 0.5) / rows) * (y.low - y.high)));
  const grid = Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_u, c) => value(c, r)));
  const known = grid.flat().filter((v) => v > 0);
  const [least, most] = [known.reduce((a, b) => Math.min(a, b), Infinity), known.reduce((a, b) => Math.max(a, b), 0)];
  const log = most / least > 20;
  const t = log ? Math.log10 : (v) => v;
  const share = (v) => (v > 0 ? (t(v) - t(least)) / (t(most) - t(least) || 1) : 0);
  const [w, h] = [(x.high - x.low) / columns, (y.low - y.high) / rows];
  grid.forEach((row, r) => row.forEach((v, c) => {
    pen.fillStyle = viridis(share(v));
    pen.fillRect(x.low + c * w, y.low - (r + 1) * h, w + 0.6, h + 0.6);
  }));
  axes({ ...area, colours: { ...colours, grid: "rgba(255,255,255,0.25)" } }, x, y, xLabel, yLabel);
  const placed = points.map((p) => {
    pen.fillStyle = "#ffffff";
    pen.strokeStyle = p.selected ? colours.accent : "#111111";
    pen.lineWidth = p.selected ? 3 : 1;
    marker(pen, MARKERS[p.kind % MARKERS.length], x.at(p.x), y.at(p.y), p.selected ? 7 : 5);
    return { px: x.at(p.x), py: y.at(p.y) };
  });
  drawNames({ pen, colours: { paper: "#ffffff", ink: "#111111" } }, { x, y }, placed, named.map((i) => ({ ...placed[i], name: points[i].name })));
  colourBar(area, { low: y.low, high: y.high, title: barTitle, colourAt: viridis,
    ticks: ticksOf(least, most, log).map(({ value: v, text }) => ({ share: share(v), text })) });
  return placed;
}
