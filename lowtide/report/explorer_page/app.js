// The page: its state (kept in the address), its controls and its pictures.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const PROPERTY = Object.fromEntries(DATA.properties.map((p) => [p.key, p]));
const BETTER = Object.fromEntries(DATA.properties.map((p) => [p.key, p.better]));
const TABS = [["overview", "scatter and ranking"], ["apc", "APC and APEC"], ["epochs", "epochs"],
  ["shape", "star and correlation"], ["rules", "weights and boundaries"]];
const COMPOUNDS = ["optimistic median", "pessimistic median", "optimistic mean", "pessimistic mean",
  "best", "worst", "majority"];
const PAGE_ROWS = 50;
const $ = (id) => document.getElementById(id);

const TASKS = ["training", "inference"].filter((task) => DATA.rows.some((row) => row.task === task));
const energyOf = (task) => (task === "training" ? "training_energy" : "inference_energy");
const initial = () => ({
  tab: "overview", task: TASKS[0], env: "", find: "", x: "", y: "accuracy_top1", scale: "value",
  xlog: "1", bysize: "", unit: "Wh", alpha: "5", beta: "5", compound: COMPOUNDS[0],
  missing: "undefined", sort: "sam", dir: "down", page: "0", sel: "", kind: "iso", a: "0.1", pb: "",
  price: "0", currency: "cent EUR", kwhprice: "", money: "EUR", w: "", b: "", theme: "",
});
let state = initial();
let view = { rows: [], ratings: [], order: [], placed: [] };
const timings = {};

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  state = initial();
  for (const [key, value] of given) if (key in state) state[key] = value;
  if (!TASKS.includes(state.task)) state.task = TASKS[0];
}

function writeAddress() {
  const usual = initial();
  const changed = Object.entries(state).filter(([key, value]) => String(value) !== usual[key]);
  const text = new URLSearchParams(changed).toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

function set(changes) {
  Object.assign(state, changes);
  for (const key of Object.keys(state)) state[key] = String(state[key]);
  render();
}

// Weights and boundaries: what the page came with, changed by what the address says.
function rules() {
  const weights = { ...DATA.weights };
  const boundaries = structuredClone(DATA.boundaries[state.task] ?? {});
  for (const part of state.w.split(",").filter(Boolean)) {
    const [key, value] = part.split(":");
    if (key in PROPERTY && Number(value) >= 0) weights[key] = Number(value);
  }
  for (const part of state.b.split(",").filter(Boolean)) {
    const [key, list] = part.split(":");
    const bounds = (list ?? "").split(";").map(Number);
    if (key in PROPERTY && validBounds(bounds)) boundaries[key] = bounds;
  }
  return { weights, boundaries, compound: state.compound, missing: state.missing };
}

function validBounds(bounds) {
  return Array.isArray(bounds) && bounds.length === 4
    && bounds.every((b, i) => Number.isFinite(b) && (i === 0 || b <= bounds[i - 1]));
}

const BY_TASK = {};

// What no setting changes, computed once per task.
function ofTask(task) {
  if (!(task in BY_TASK)) {
    const rows = DATA.rows.filter((row) => row.task === task);
    const keys = DATA.tasks[task];
    BY_TASK[task] = {
      rows, keys, indexed: indexAll(rows, keys, BETTER, DATA.groups.map((g) => g.values)),
      known: keys.filter((key) => rows.some((r) => (r.values[key] ?? null) !== null)),
      places: [...new Set(rows.map((r) => DATA.groups[r.group].environment))],
      items: rows.map((row) => ({
        row, group: DATA.groups[row.group], accuracy: row.values.accuracy_top1 ?? null,
        energy: row.values[energyOf(task)] ?? null,
      })),
      version: 0,
    };
  }
  return BY_TASK[task];
}

function keysOf(task) {
  return ofTask(task).known;
}

function compute() {
  const began = performance.now();
  const settings = rules();
  const task = ofTask(state.task);
  const ratings = rateAll(task.indexed, task.keys, settings);
  task.items.forEach((item, i) => { item.rating = ratings[i]; });
  timings.rating = performance.now() - began;
  // SAM, the filter and the ranks change with other settings than the rules.
  const filter = [state.env, state.find].join("\n");
  const samKey = [state.unit, state.alpha, state.beta].join();
  if (task.samKey !== samKey) scoreAll(task.items);
  if (task.filter !== filter) task.shown = filtered(task.items);
  const same = task.samKey === samKey && task.filter === filter;
  if (!same) {
    rank(task.shown, "accuracy", "accuracyRank");
    rank(task.shown, "sam", "samRank");
  }
  Object.assign(task, { samKey, filter, version: task.version + (same ? 0 : 1) });
  view = { ...view, all: task.items, shown: task.shown, keys: task.keys, settings, version: `${state.task}/${task.version}` };
}

function scoreAll(items) {
  const factor = state.unit === "Wh" ? 1000 : 1;
  for (const item of items) {
    const energy = state.task === "training" ? scaled(item.energy, factor) : null;
    item.sam = sam(item.accuracy, energy, Number(state.alpha), Number(state.beta));
    item.nearSingular = energy !== null && energy < 10;
  }
}

function filtered(items) {
  const wanted = new Set(state.env.split("|").filter(Boolean));
  const text = state.find.toLowerCase();
  return items.filter((item) => (wanted.size === 0 || wanted.has(item.group.environment))
    && (!text || `${item.row.model} ${item.row.name}`.toLowerCase().includes(text)));
}

function scaled(value, factor) {
  return value === null || value === undefined ? null : value * factor;
}

function rank(items, by, into) {
  const order = items.filter((i) => i[by] !== null).sort((p, q) => q[by] - p[by]);
  for (const item of items) item[into] = null;
  order.forEach((item, i) => { item[into] = i && order[i - 1][by] === item[by] ? order[i - 1][into] : i + 1; });
}

function samName() {
  const weights = state.alpha === state.beta ? state.alpha : `(${state.alpha},${state.beta})`;
  return `SAM${weights}[${state.unit}]`;
}

function render() {
  const began = performance.now();
  if (!state.x || !(DATA.tasks[state.task].includes(state.x))) state.x = energyOf(state.task);
  if (!(DATA.tasks[state.task].includes(state.y))) state.y = "accuracy_top1";
  compute();
  fillControls();
  for (const [name] of TABS) {
    $(`view-${name}`).hidden = state.tab !== name;
    $(`tab-${name}`).setAttribute("aria-selected", String(state.tab === name));
    $(`tab-${name}`).tabIndex = state.tab === name ? 0 : -1;
  }
  ({ overview: () => { drawOverview(); drawRanking(); }, apc: drawApc, epochs: drawEpochs,
    shape: drawShape, rules: drawRules })[state.tab]();
  drawCard();
  writeAddress();
  timings.render = performance.now() - began;
}

function options(select, pairs, value) {
  const text = JSON.stringify(pairs);
  if (select.dataset.filled !== text) {
    select.replaceChildren(...pairs.map(([key, label]) => element("option", { value: key }, label)));
    select.dataset.filled = text;
  }
  if (!select.multiple) select.value = value;
}

function fillControls() {
  const axesPairs = keysOf(state.task).map((key) => [key, `${PROPERTY[key].label} (${PROPERTY[key].unit})`]);
  options($("task"), TASKS.map((t) => [t, t]), state.task);
  options($("x"), axesPairs, state.x);
  options($("y"), axesPairs, state.y);
  options($("compound"), COMPOUNDS.map((c) => [c, c]), state.compound);
  const { places } = ofTask(state.task);
  options($("environments"), places.map((p) => [p, p]), "");
  const wanted = state.env.split("|");
  for (const option of $("environments").options) option.selected = wanted.includes(option.value);
  for (const id of ["scale", "unit", "alpha", "beta", "missing", "find", "kwhprice", "money"]) if ($(id) !== document.activeElement) $(id).value = state[id];
  $("xlog").checked = state.xlog === "1";
  $("bysize").checked = state.bysize === "1";
  if (state.theme) document.documentElement.dataset.theme = state.theme; else delete document.documentElement.dataset.theme;
}

// The points and the Pareto front, which stay as they are while only the rules change.
let pointsMade = {};

function points(places) {
  const log = state.xlog === "1";
  const made = [view.version, state.x, state.y, state.scale, log, state.bysize].join("\n");
  const byIndex = state.scale === "index";
  // With an index, which properties are rated decides which points there are.
  if (pointsMade.key !== made || byIndex) {
    const read = (key) => {
      const i = view.keys.indexOf(key);
      return byIndex ? (item) => item.rating.indices[i] : (item) => item.row.values[key] ?? null;
    };
    const [readX, readY] = [read(state.x), read(state.y)];
    const most = view.shown.reduce((m, i) => Math.max(m, i.energy ?? 0), 0);
    const kinds = new Map(places.map((place, i) => [place, i]));
    const list = view.shown.map((item) => ({
      item, x: readX(item), y: readY(item), kind: kinds.get(item.group.environment),
      size: state.bysize === "1" ? 3 + 13 * Math.sqrt((item.energy ?? 0) / (most || 1)) : undefined,
    })).filter((p) => p.x !== null && p.y !== null && (!log || p.x > 0));
    const better = (key) => (byIndex ? "higher" : BETTER[key]);
    pointsMade = { key: made, list, front: pareto(list, better(state.x), better(state.y)).map((i) => list[i]) };
  }
  for (const point of pointsMade.list) point.letter = point.item.rating.letter;
  return pointsMade;
}

function drawOverview() {
  const places = [...new Set(view.shown.map((item) => item.group.environment))];
  const log = state.xlog === "1";
  const toIndex = state.scale === "index";
  const { list, front } = points(places);
  view.points = list;
  const selected = view.points.findIndex((p) => p.item.row.id === Number(state.sel || -1));
  const axis = (key) => (toIndex ? `${PROPERTY[key].label}, index` : `${PROPERTY[key].label} (${PROPERTY[key].unit})`);
  view.placed = drawScatter($("scatter"), {
    points: view.points, xLabel: axis(state.x), yLabel: axis(state.y), xLog: log, yLog: false,
    shade: shading(), front, selected: selected < 0 ? null : selected,
  });
  $("scatter").setAttribute("aria-label", `${axis(state.y)} against ${axis(state.x)}, ${view.points.length} jobs, ${front.length} on the Pareto front`);
  const rounded = places.map((p, i) => `${MARKERS[i % MARKERS.length]}: ${p}`).join(" · ");
  $("legend").textContent = `${view.points.length} jobs. Letter and colour: compound rating; dashed: Pareto front; `
    + `background: rating of the two axes${state.scale === "value" && places.length > 1 ? `, for ${places[0]}` : ""}. Shapes: ${rounded}`;
}

// Boundaries of both axes; in the value scale those of the first environment shown.
function shading() {
  const [bx, by] = [view.settings.boundaries[state.x], view.settings.boundaries[state.y]];
  if (!bx || !by || view.shown.length === 0) return null;
  const values = view.shown[0].group.values;
  const place = (key, bounds) => {
    if (state.scale === "index") return { edges: bounds, rises: false };
    const reference = values[key];
    if (!(reference > 0)) return null;
    const edges = bounds.map((b) => (BETTER[key] === "higher" ? b * reference : reference / Math.max(b, 1e-12)));
    return { edges, rises: BETTER[key] !== "higher" };
  };
  const [px, py] = [place(state.x, bx), place(state.y, by)];
  if (!px || !py) return null;
  const weight = (key) => whole(view.settings.weights[key] ?? 0) || 1;
  return {
    xs: px.edges, ys: py.edges, xRises: px.rises, yRises: py.rises,
    letterAt: (i, j) => {
      const [wx, wy] = [weight(state.x), weight(state.y)];
      return Math.floor((i * wx + j * wy) / (wx + wy));
    },
  };
}

const COLUMNS = [
  ["name", "job", (i) => i.row.model + (i.row.name === i.row.model ? "" : ` (${i.row.name})`)],
  ["letter", "letter", (i) => i.rating.letter], ["sam", "SAM", (i) => i.sam],
  ["samRank", "rank by SAM", (i) => i.samRank], ["accuracy", "accuracy", (i) => i.accuracy],
  ["accuracyRank", "rank by accuracy", (i) => i.accuracyRank],
  ["energy", "energy", (i) => i.energy], ["cost", "cost", (i) => costOf(i)],
  ["percost", "cost per accuracy point", (i) => perPoint(i)], ["sci", "SCI g", (i) => i.row.job?.sci ?? null],
  ["avoided", "avoided g", (i) => i.row.job?.avoided_grams ?? null],
  ["place", "environment", (i) => i.group.environment],
];

// Money for the electricity of one training, or of a million inferences; null without a price.
function costOf(item) {
  const price = Number(state.kwhprice);
  if (!(price > 0) || item.energy === null) return null;
  return price * (state.task === "training" ? item.energy : item.energy / 3.6);
}

function perPoint(item) {
  const cost = costOf(item);
  return cost === null || !(item.accuracy > 0) ? null : cost / (100 * item.accuracy);
}

let sortedMade = {};

function sorted() {
  const known = view.shown.some((item) => item.sam !== null);
  const by = state.sort === "sam" && !known ? "accuracy" : state.sort;
  const column = COLUMNS.find(([key]) => key === by) ?? COLUMNS[2];
  const sign = state.dir === "down" ? -1 : 1;
  const made = [view.version, by, sign, state.kwhprice].join("\n");
  if (by !== "letter" && sortedMade.key === made) return sortedMade.list;
  const collator = new Intl.Collator();
  const list = view.shown.map((item) => [column[2](item), item]).sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? collator.compare(a, b) : a - b);
  }).map(([, item]) => item);
  sortedMade = { key: made, list };
  return list;
}

function drawRanking() {
  const used = COLUMNS.filter(([key, , read]) => ["name", "letter", "sam", "accuracy"].includes(key) || view.shown.some((i) => read(i) !== null));
  const unit = PROPERTY[energyOf(state.task)].unit;
  const title = (key, label) => ({
    sam: samName(), energy: `energy ${unit}`, percost: `${state.money} per accuracy point`,
    cost: `${state.money} per ${state.task === "training" ? "training" : "million"}`,
  })[key] ?? label;
  $("ranking").tHead.replaceChildren(element("tr", {}, ...used.map(([key, label]) => element("th",
    { "aria-sort": state.sort === key ? (state.dir === "down" ? "descending" : "ascending") : "none", ...(key === "name" || key === "place" ? { class: "text" } : {}) },
    element("button", { type: "button", "data-sort": key, onclick: () => set({ sort: key, page: 0, dir: state.sort === key && state.dir === "down" ? "up" : "down" }) }, title(key, label))))));
  const order = sorted();
  const pages = Math.max(1, Math.ceil(order.length / PAGE_ROWS));
  const page = Math.min(Number(state.page), pages - 1);
  $("ranking").tBodies[0].replaceChildren(...order.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS).map((item) => {
    const cells = used.map(([key, , read]) => {
      if (key === "name") return element("td", { class: "text" }, element("button", { type: "button", "data-job": item.row.id, onclick: () => set({ sel: item.row.id }) }, read(item)));
      if (key === "letter") return element("td", {}, letterBadge(item.rating.letter));
      const value = read(item);
      if (key === "sam" && item.nearSingular) return element("td", { title: "near_singular: below ten units of energy the value changes steeply" }, `${short(value)} *`);
      return element("td", key === "place" ? { class: "text" } : {}, typeof value === "string" ? value : short(value));
    });
    return element("tr", String(item.row.id) === state.sel ? { class: "selected" } : {}, ...cells);
  }));
  $("ranking-note").textContent = rankingNotes(order).join(" ");
  $("page").textContent = `page ${page + 1} of ${pages}, ${order.length} jobs`;
  $("previous").disabled = page === 0;
  $("next").disabled = page + 1 >= pages;
}

function rankingNotes(order) {
  const notes = [];
  if (order.some((i) => i.nearSingular && i.sam !== null)) {
    notes.push("* near_singular: below ten units of energy SAM changes steeply; choose a smaller unit.");
  }
  const scored = order.map((i) => i.row.job).filter((job) => job?.sci !== undefined);
  const bases = [...new Set(scored.map((job) => `${job.signal ?? "kind not stated"} intensity per ${job.unit ?? "unit"}`))];
  if (bases.length > 1) notes.push(`Not comparable: the SCI shown is of ${bases.length} kinds (${bases.join("; ")}).`);
  return notes;
}

function chosen() {
  return view.all.find((item) => String(item.row.id) === state.sel) ?? null;
}

function drawCard() {
  const item = chosen();
  if (item === null) {
    $("card").replaceChildren(element("p", {}, "Choose a point or a row to see its card. In the picture the arrow keys go from point to point."));
    return;
  }
  const properties = view.keys.map((key) => PROPERTY[key]);
  fillCard($("card"), item, properties, view.settings, samName(), item.sam);
}

function boot() {
  const began = performance.now();
  $("about").textContent = DATA.about;
  $("mock").hidden = !DATA.rows.some((row) => row.mock);
  $("tabs").append(...TABS.map(([name, label]) => element("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}`, onclick: () => set({ tab: name }),
  }, label)));
  readAddress();
  connect();
  render();
  timings.boot = performance.now() - began;
  timings.open = performance.now();
}
