// Builds the page from its data: dashboards, panels, and what each kind of panel shows.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const time = { from: data.from, step: data.step, count: data.count };
const redraws = [];

function make(name, properties, ...children) {
  const node = document.createElement(name);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

function shown(panel, value) {
  return panel.time ? moment(value) : figure(value);
}

const KINDS = { stat: addFigures, bars: addBars, table: addTable, timeseries: addChart, stacked: addChart };

function addFigures(box, panel) {
  const figures = panel.values.map((row) => {
    const big = make("b", { textContent: shown(panel, row.value) });
    if (panel.unit) big.append(make("span", { textContent: ` ${panel.unit}` }));
    return make("div", {}, big, ...(row.name ? [make("small", { textContent: row.name })] : []));
  });
  box.append(make("div", { className: "figures" }, ...figures));
}

function addBars(box, panel) {
  const most = panel.values.reduce((a, row) => Math.max(a, Math.abs(row.value)), 0) || 1;
  const rows = panel.values.map((row) => {
    const bar = make("i", { className: row.value < 0 ? "negative" : "" });
    bar.style.width = `${(Math.abs(row.value) / most) * 100}%`;
    const value = make("b", { textContent: `${shown(panel, row.value)}${panel.unit ? ` ${panel.unit}` : ""}` });
    const line = make("div", {}, make("span", { textContent: row.name || panel.title }), make("span", {}, bar), value);
    line.setAttribute("role", "listitem");
    return line;
  });
  const list = make("div", { className: "barlist", tabIndex: 0 }, ...rows);
  list.setAttribute("role", "list");
  list.setAttribute("aria-label", panel.title);
  box.append(list);
}

function table(columns, rows, heading) {
  const head = make("tr", {}, ...["", ...columns].map((text) => make("th", { textContent: text, scope: "col" })));
  const lines = rows.map((row) =>
    make("tr", {}, ...row.map((text) => make("td", { textContent: text }))));
  const scroll = make("div", { className: "scroll", tabIndex: 0 },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)));
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", heading);
  return scroll;
}

function addTable(box, panel) {
  const rows = panel.rows ?? panel.values.map((row) => ({ name: row.name, values: [row.value] }));
  const columns = panel.columns ?? [panel.time ? "time" : panel.unit || "value"];
  box.append(table(columns, rows.map((row) => [row.name, ...row.values.map((v) => shown(panel, v))]), panel.title));
}

function addChart(box, panel) {
  const svg = shape("svg", { role: "img", tabindex: 0, "aria-label": `${panel.title}: curves over time; arrow keys read values` });
  const readout = make("div", { className: "readout" });
  readout.setAttribute("aria-live", "polite");
  box.append(make("div", { className: "chart" }, svg), readout, legend(panel), valuesAsTable(panel));
  let geometry = null;
  const refreshCursor = addCursor(svg, readout, panel, time, () => geometry);
  redraws.push(() => { geometry = drawChart(svg, panel, time); refreshCursor(); });
}

function legend(panel) {
  const entries = panel.series.map((one, index) => {
    const key = shape("svg", { width: 22, height: 8, "aria-hidden": "true" });
    const { colour, dash } = style(index);
    shape("line", { x1: 0, x2: 22, y1: 4, y2: 4, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash }, key);
    return make("li", {}, key, make("span", { textContent: one.name }));
  });
  return make("ul", { className: "legend" }, ...entries);
}

function valuesAsTable(panel) {
  const details = make("details", {}, make("summary", { textContent: "values as a table" }));
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const columns = panel.series.map((one) => one.name + (panel.unit ? `, ${panel.unit}` : ""));
    const rows = [];
    for (let i = 0; i < time.count; i += 1) {
      if (panel.series.some((one) => one.values[i] !== null)) {
        rows.push([moment(time.from + i * time.step), ...panel.series.map((one) => figure(one.values[i]))]);
      }
    }
    details.append(table(columns, rows, `${panel.title}: values`));
  });
  return details;
}

function addPanel(grid, panel, number, board) {
  const heading = make("h3", { id: `${board.id}-${number}`, textContent: panel.title });
  if (panel.unit) heading.append(make("span", { className: "unit", textContent: ` in ${panel.unit}` }));
  const box = make("section", { className: `panel ${panel.kind}` }, heading, make("p", { textContent: panel.description }));
  box.setAttribute("aria-labelledby", heading.id);
  box.style.setProperty("--width", panel.width);
  if (panel.empty) box.append(make("p", { className: "empty", textContent: `No data. ${panel.empty}` }));
  else {
    KINDS[panel.kind](box, panel);
    const count = (panel.series ?? panel.values ?? panel.rows).length;
    if (panel.of > count) box.append(make("p", { className: "note", textContent: `${count} of ${panel.of} are shown.` }));
  }
  grid.append(box);
}

function addBoard(board) {
  const grid = make("div", { className: "grid" });
  board.panels.forEach((panel, number) => addPanel(grid, panel, number, board));
  const heading = make("h2", { textContent: board.title }, make("small", { textContent: board.question }));
  document.getElementById("boards").append(make("section", { id: board.id }, heading, grid));
  document.getElementById("links").append(make("a", { href: `#${board.id}`, textContent: board.title }));
}

function redraw() {
  for (const draw of redraws) draw();
}

const last = time.from + (time.count - 1) * time.step;
const chosen = Object.entries(data.chosen).map(([name, value]) => `${name} ${value}`).join(", ") || "all namespaces and jobs";
document.getElementById("about").textContent =
  `${moment(time.from)} to ${moment(last)} (${zone()}), a value every ${time.step} s; ${chosen}; from ${data.source}`;
document.getElementById("mock").hidden = !data.mock;
data.boards.forEach(addBoard);
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
let known = 0;
new ResizeObserver(() => {
  if (document.body.clientWidth !== known) { known = document.body.clientWidth; redraw(); }
}).observe(document.body);
redraw();
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
window.lowtide = { data, redraw };
