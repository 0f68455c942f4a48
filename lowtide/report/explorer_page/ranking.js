// The ranking: one row per job, sorted by any column; a click anywhere in a row opens its card.
"use strict";

const COLUMNS = [
  ["name", "job", (i) => i.row.model + (i.row.name === i.row.model ? "" : ` (${i.row.name})`)],
  ["energy", "energy", (i) => i.energy], ["letter", "letter", (i) => i.rating.letter],
  ["accuracy", "accuracy", (i) => i.accuracy], ["sci", "SCI, g", (i) => i.row.job?.sci ?? null],
  ["avoided", "avoided, g", (i) => i.row.job?.avoided_grams ?? null], ["sam", "SAM", (i) => i.sam],
  ["samRank", "rank by SAM", (i) => i.samRank], ["accuracyRank", "rank by accuracy", (i) => i.accuracyRank],
  ["cost", "cost", (i) => costOf(i)], ["percost", "cost per accuracy point", (i) => perPoint(i)],
  ["dataset", "data set", (i) => i.group.dataset], ["place", "environment", (i) => i.group.environment],
];
const TEXT_COLUMNS = ["name", "dataset", "place"];
const ALWAYS = ["name", "energy", "letter", "accuracy", "place"];

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

function columnOf(key) {
  return COLUMNS.find(([name]) => name === key) ?? COLUMNS[2];
}

let sortedMade = {};

function sorted() {
  const known = (key) => view.shown.some((item) => columnOf(key)[2](item) !== null);
  const by = ["letter", "sam"].includes(state.sort) && !known(state.sort) ? (known("energy") ? "energy" : "accuracy") : state.sort;
  const column = columnOf(by);
  const sign = state.dir === "down" ? -1 : 1;
  const made = [view.version, by, sign, state.kwhprice].join("\n");
  if (by !== "letter" && sortedMade.key === made) return sortedMade.list;
  const collator = new Intl.Collator();
  const list = view.shown.map((item) => [column[2](item), item]).sort(([a, p], [b, q]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = sign * (typeof a === "string" ? collator.compare(a, b) : a - b);
    // Jobs with the same letter stand by their energy, the least first.
    return order || (by === "letter" ? (p.energy ?? Infinity) - (q.energy ?? Infinity) || 0 : 0);
  }).map(([, item]) => item);
  sortedMade = { key: made, list };
  return list;
}

function drawRanking(rows = PAGE_ROWS) {
  const several = new Set(view.shown.map((i) => i.group.dataset)).size > 1;
  const used = COLUMNS.filter(([key, , read]) => (key === "dataset" ? several : ALWAYS.includes(key) || view.shown.some((i) => read(i) !== null)));
  const unit = energyUnit(view.shown);
  const most = view.shown.reduce((m, i) => Math.max(m, i.energy ?? 0), 0);
  const title = (key, label) => ({
    sam: samName(), energy: `energy, ${unit.label}`, percost: `${state.money} per accuracy point`,
    cost: `${state.money} per ${state.task === "training" ? "training" : "million"}`,
  })[key] ?? label;
  $("ranking").tHead.replaceChildren(element("tr", {}, ...used.map(([key, label]) => element("th",
    { "aria-sort": state.sort === key ? (state.dir === "down" ? "descending" : "ascending") : "none", ...(TEXT_COLUMNS.includes(key) ? { class: "text" } : {}) },
    element("button", { type: "button", "data-sort": key, onclick: () => set({ sort: key, page: 0, dir: state.sort === key && state.dir === "down" ? "up" : "down" }) }, title(key, label))))));
  const order = sorted();
  const pages = Math.max(1, Math.ceil(order.length / rows));
  const page = Math.min(Math.max(0, Number(state.page) || 0), pages - 1);
  $("ranking").tBodies[0].replaceChildren(...order.slice(page * rows, (page + 1) * rows).map((item) => {
    const cells = used.map(([key, label, read]) => rankingCell(item, key, title(key, label), read(item), { unit, most }));
    const chosenOne = String(item.row.id) === state.sel;
    return element("tr", { onclick: () => set({ sel: item.row.id }), ...(chosenOne ? { class: "selected" } : {}) }, ...cells);
  }));
  $("ranking-note").textContent = rankingNotes(order).join(" ");
  $("page").textContent = pages === 1 ? `${order.length} jobs` : `page ${page + 1} of ${pages}, ${order.length} jobs`;
  $("previous").hidden = $("next").hidden = pages === 1;
  $("previous").disabled = page === 0;
  $("next").disabled = page + 1 >= pages;
}

function rankingCell(item, key, title, value, { unit, most }) {
  // On a narrow screen every value stands with the title of its column.
  const named = { "data-title": title };
  if (key === "name") return element("td", { class: "text" }, element("button", { type: "button", "data-job": item.row.id }, value));
  if (TEXT_COLUMNS.includes(key)) return element("td", { class: "text", ...named }, value);
  if (key === "letter") return element("td", named, letterBadge(value));
  if (key === "accuracy") return element("td", named, value === null ? "n.a." : percent(value));
  if (key === "energy" && value !== null) {
    return element("td", { class: "bar-cell", style: `--share: ${most > 0 ? value / most : 0}`, ...named }, short(value * unit.factor));
  }
  if (key === "sam" && item.nearSingular && value !== null) {
    return element("td", { title: "near_singular: below ten units of energy the value changes steeply", ...named }, `${short(value)} *`);
  }
  return element("td", named, short(value));
}

function rankingNotes(order) {
  const notes = [];
  const apart = DATA.apart?.[state.task] ?? [];
  if (apart.length) notes.push(`Not known to be made alike (${apart.join("; ")}): compare only what these do not touch.`);
  if (order.some((i) => i.nearSingular && i.sam !== null)) {
    notes.push("* near_singular: below ten units of energy SAM changes steeply; choose a smaller unit.");
  }
  if (order.some((i) => i.sam !== null)) {
    notes.push("SAM favours very large consumers (logarithm), its order changes with the unit, and it leaves out PUE and embodied emissions: read it beside the picture.");
  }
  const scored = order.map((i) => i.row.job).filter((job) => job?.sci !== undefined);
  const emissions = new Set(scored.map((job) => job.factor).filter((factor) => factor && factor !== "unknown"));
  const included = (job) => emissions.size > 1 ? ` of ${job.factor ?? "unknown"} emissions` : "";
  const bases = [...new Set(scored.map((job) => `${job.signal ?? "kind not stated"} intensity${included(job)} per ${job.unit ?? "unit"}`))];
  if (bases.length > 1) notes.push(`Not comparable: the SCI shown is of ${bases.length} kinds (${bases.join("; ")}).`);
  return notes;
}
