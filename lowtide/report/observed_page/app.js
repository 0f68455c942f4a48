// Builds the page from its data. Texts come ready for people; only times are formatted here, in UTC.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const span = data.to - data.from;

function make(name, properties, ...children) {
  const node = document.createElement(name);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

function percent(seconds) {
  return ((seconds - data.from) / span) * 100;
}

function clock(seconds, options) {
  return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }).format(seconds * 1000);
}

function moment(seconds) {
  return `${clock(seconds, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })} UTC`;
}

// Midnights in UTC, at most `wanted` of them; hours where the time is short.
function marks(wanted) {
  const steps = [3600, 10800, 21600, 43200, 86400, 172800, 604800, 1209600];
  const step = steps.find((s) => span / s <= wanted) ?? 2592000;
  const found = [];
  for (let t = Math.ceil(data.from / step) * step; t <= data.to; t += step) found.push([t, step]);
  return found;
}

function gridLines() {
  return make("div", { className: "lines" }, ...marks(14).map(([t]) => {
    const line = make("i", {});
    line.style.left = `${percent(t)}%`;
    return line;
  }));
}

function ticks() {
  const wanted = Math.max(2, Math.floor(document.getElementById("timeline").clientWidth / 90));
  return make("div", { className: "ticks" }, ...marks(wanted).filter(([t]) => percent(t) < 97).map(([t, step]) => {
    const options = step < 86400 ? { hour: "2-digit", minute: "2-digit" } : { weekday: "short", day: "numeric", month: "short" };
    const text = make("span", { textContent: clock(t, options) });
    text.style.left = `${percent(t)}%`;
    return text;
  }));
}

function curve({ zone, points }) {
  const box = make("div", { className: "curve" });
  const top = points.reduce((most, [, , value]) => Math.max(most, value), 0) || 1;
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 1000 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Carbon intensity of ${zone} over the time, at most ${Math.round(top)} ${data.unit}`);
  // A gap ends one shape and begins the next, so that nothing is drawn where nothing is known.
  const shapes = [];
  let last = null;
  for (const [start, end, value] of points) {
    const [x1, x2] = [percent(start) * 10, percent(end) * 10];
    const y = 100 - (value / top) * 92;
    if (last === null || start - last > 1) shapes.push({ from: x1, to: x2, line: `M${x1} ${y}` });
    const shape = shapes[shapes.length - 1];
    shape.line += `L${x1} ${y}L${x2} ${y}`;
    shape.to = x2;
    last = end;
  }
  for (const shape of shapes) {
    const path = document.createElementNS(namespace, "path");
    path.setAttribute("d", `${shape.line}L${shape.to} 100L${shape.from} 100Z`);
    svg.append(path);
  }
  box.append(gridLines(), svg, make("span", { className: "top", textContent: `carbon intensity of ${zone}, top ${Math.round(top)} ${data.unit}` }));
  return box;
}

function bar(kind, start, length, title) {
  const node = make("span", { className: `bar ${kind}`, title });
  node.style.left = `${Math.min(99.5, percent(start))}%`;
  node.style.width = `${(length / span) * 100}%`;
  return node;
}

function run(one) {
  const track = make("div", { className: "track" }, gridLines(),
    bar("ran", one.ran[0], one.ran[1] - one.ran[0], `ran from ${moment(one.ran[0])}`));
  const words = [`ran ${moment(one.ran[0])}`];
  if (one.planned !== null) {
    track.append(bar("plan", one.planned, one.length, `planner: from ${moment(one.planned)}`));
    words.push(`planner ${moment(one.planned)}`);
  }
  if (one.best !== null) {
    track.append(bar("best", one.best, one.length, `best: from ${moment(one.best)}`));
    words.push(`best ${moment(one.best)}`);
  }
  track.setAttribute("role", "img");
  track.setAttribute("aria-label", `${one.name}: ${words.join(", ")}`);
  const saved = one.planned === null ? `best ${one.bestSaved}` : `planner ${one.saved}, best ${one.bestSaved}`;
  return make("div", { className: "run" },
    make("p", {}, make("span", { textContent: one.name }), make("span", { textContent: `saves: ${saved}` })), track);
}

function legend() {
  const entries = [["ran", "as it ran"], ["plan", "by the planner, with the forecasts of its time"], ["best", "at best, with hindsight"]];
  return make("ul", { className: "legend" }, ...entries.map(([kind, text]) =>
    make("li", {}, make("i", { className: kind }), text)));
}

function timeline() {
  const box = document.getElementById("timeline");
  if (data.runs.length === 0) {
    box.replaceChildren(make("p", { className: "note", textContent: "No run is judged, so there is nothing to draw." }));
    return;
  }
  const more = data.runsOf - data.runs.length;
  box.replaceChildren(...data.curves.map(curve), ticks(), legend(), ...data.runs.map(run),
    ...(more > 0 ? [make("p", { className: "note", textContent: `${more} further judged runs could have saved less.` })] : []));
}

function weeks() {
  const section = document.getElementById("weeks");
  const groups = new Map();
  for (const row of data.rows) groups.set(row.week, [...(groups.get(row.week) ?? []), row]);
  for (const [week, rows] of groups) {
    const head = make("tr", {}, ...data.columns.map((text) => make("th", { textContent: text, scope: "col" })));
    const lines = rows.map((row) => make("tr", {}, ...row.cells.map((text, index) => {
      const cell = make("td", {}, make("span", { textContent: text }));
      cell.dataset.name = data.columns[index];
      return cell;
    })));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, table);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `Workloads of week ${week}`);
    section.append(make("h3", { textContent: week }), scroll);
  }
  const more = data.rowsOf - data.rows.length;
  if (more > 0) section.append(make("p", { className: "note", textContent: `${more} more rows are in the JSON.` }));
}

document.getElementById("title").textContent = `What waiting would have saved: namespace ${data.namespace}`;
document.getElementById("answer").textContent = data.answer;
document.getElementById("figures").append(...data.figures.map((one) =>
  make("div", {}, make("b", { textContent: one.value }), make("span", { textContent: one.name }))));
document.getElementById("basis").append(...data.basis.map((text) => make("li", { textContent: text })));
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
weeks();
timeline();
addEventListener("resize", timeline);
