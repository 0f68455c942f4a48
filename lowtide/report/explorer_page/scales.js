// Scales, ticks and axes of the pictures. Knows no state of the page.
"use strict";

function short(value) {
  if (value === null || value === undefined) return "n.a.";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(size >= 1000 ? 5 : 3)));
}

// As many decimals as neighbouring ticks need to differ.
function tickText(value, step) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    return value.toExponential(Math.min(12, Math.max(0, Math.floor(Math.log10(size) + 1e-9) - Math.floor(Math.log10(step) + 1e-9))));
  }
  return value.toFixed(Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))));
}

// Ticks of [from, to] in data units: at least two, each with its text.
function ticksOf(low, high, log) {
  if (log) {
    for (const factors of [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
      const found = [];
      for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) {
        for (const m of factors) {
          const value = Number(`${m}e${e}`);
          if (value >= low && value <= high) found.push({ value, text: short(value) });
        }
      }
      if (found.length >= 3) return found;
    }
  }
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const fine = step / power === 2.5 ? step / 10 : step;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    found.push({ value: i * step, text: tickText(i * step, fine) });
  }
  return found;
}

// Data to pixels. `domain` ([low, high]) is a part that was zoomed into; without it all values.
function makeScale(values, low, high, log, domain = null) {
  const t = log ? Math.log10 : (v) => v;
  let [from, to] = domain ? [t(domain[0]), t(domain[1])] : spanOf(values, log);
  if (!(to > from)) to = from + Math.max(Math.abs(from) * 1e-6, 1e-12);
  const at = (value) => low + ((t(value) - from) / (to - from)) * (high - low);
  const invert = (pixel) => {
    const inner = from + ((pixel - low) / (high - low)) * (to - from);
    return log ? 10 ** inner : inner;
  };
  const edges = log ? [10 ** from, 10 ** to] : [from, to];
  return { at, invert, ticks: ticksOf(edges[0], edges[1], log), low, high, edges };
}

function spanOf(values, log) {
  let least = Infinity;
  let most = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least === Infinity) [least, most] = log ? [1, 10] : [0, 1];
  if (least === most) {
    const room = log ? 0 : Math.max(Math.abs(least) * 0.1, 1e-9);
    [least, most] = log ? [least / 2, most * 2] : [least - room, most + room];
  }
  const t = log ? Math.log10 : (v) => v;
  const pad = (t(most) - t(least)) * 0.07;
  return [t(least) - pad, t(most) + pad];
}

function widest(pen, texts) {
  return texts.reduce((most, text) => Math.max(most, pen.measureText(text).width), 0);
}

// Both scales inside an area: room on the left for the texts of the y axis, right and above as given.
function frame({ pen, width, height }, { xs, ys, xLog, yLog, xDomain = null, yDomain = null, right = 12, top = 10 }) {
  const y = makeScale(ys, height - 42, top, yLog, yDomain);
  const left = Math.ceil(widest(pen, y.ticks.map((tick) => tick.text))) + 30;
  return { x: makeScale(xs, left, width - right, xLog, xDomain), y };
}

function axes(area, x, y, xLabel, yLabel) {
  const { pen, height, colours } = area;
  pen.strokeStyle = colours.grid;
  pen.fillStyle = colours.soft;
  pen.lineWidth = 1;
  pen.textAlign = "center";
  let free = -Infinity;
  for (const { value, text } of x.ticks) {
    const px = x.at(value);
    pen.beginPath(); pen.moveTo(px, y.low); pen.lineTo(px, y.high); pen.stroke();
    const half = pen.measureText(text).width / 2;
    // A text that would touch the one before it is left out; its line stays.
    if (px - half < free) continue;
    free = px + half + 8;
    pen.fillText(text, px, y.low + 14);
  }
  pen.textAlign = "right";
  free = Infinity;
  for (const { value, text } of y.ticks) {
    const py = y.at(value);
    pen.beginPath(); pen.moveTo(x.low, py); pen.lineTo(x.high, py); pen.stroke();
    if (py > free - 13) continue;
    free = py;
    pen.fillText(text, x.low - 6, py);
  }
  pen.fillStyle = colours.ink;
  pen.textAlign = "center";
  pen.fillText(xLabel, (x.low + x.high) / 2, height - 9, x.high - x.low);
  pen.save();
  pen.translate(11, (y.low + y.high) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(yLabel, 0, 0, y.low - y.high);
  pen.restore();
  pen.strokeStyle = colours.soft;
  pen.strokeRect(x.low, y.high, x.high - x.low, y.low - y.high);
}

// A bar of colours with its scale, at the right edge; `colourAt` takes a share from 0 to 1.
function colourBar({ pen, width, colours }, { low, high, ticks, colourAt, title }) {
  const left = width - 78;
  const steps = 64;
  const part = (low - high) / steps;
  for (let i = 0; i < steps; i += 1) {
    pen.fillStyle = colourAt((i + 0.5) / steps);
    pen.fillRect(left, low - (i + 1) * part, 14, part + 0.6);
  }
  pen.strokeStyle = colours.soft;
  pen.lineWidth = 1;
  pen.strokeRect(left, high, 14, low - high);
  pen.fillStyle = colours.ink;
  pen.textAlign = "left";
  for (const { share, text } of ticks) pen.fillText(text, left + 19, low - share * (low - high), 58);
  pen.save();
  pen.textAlign = "center";
  pen.translate(left - 10, (low + high) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(title, 0, 0, low - high);
  pen.restore();
}
