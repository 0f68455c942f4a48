// The page's state (kept in the address), and what follows from it: ratings, SAM, ranks.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
for (const table of DATA.tables ?? []) DATA.rows = DATA.rows.concat(rowsOf(table));
const PROPERTY = Object.fromEntries(DATA.properties.map((p) => [p.key, p]));
labelWidths = DATA.widths;
const BETTER = Object.fromEntries(DATA.properties.map((p) => [p.key, p.better]));
const TABS = [["overview", "picture and ranking"], ["apc", "APC and APEC"], ["epochs", "epochs"],
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
  missing: "undefined", sort: "letter", dir: "up", page: "0", zoom: "", sel: "", kind: "iso", a: "0.1", pb: "",
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
    const models = new Map();
    for (const row of rows) models.set(row.model, (models.get(row.model) ?? new Set()).add(row.name));
    BY_TASK[task] = {
      rows, keys, indexed: indexAll(rows, keys, BETTER, DATA.groups.map((g) => g.values)),
      known: keys.filter((key) => rows.some((r) => (r.values[key] ?? null) !== null)),
      places: [...new Set(rows.map((r) => DATA.groups[r.group].environment))],
      // Seeds of one model are told apart by the names of their jobs.
      items: rows.map((row) => ({
        row, title: models.get(row.model).size > 1 ? row.name : row.model, group: DATA.groups[row.group], accuracy: row.values.accuracy_top1 ?? null,
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
