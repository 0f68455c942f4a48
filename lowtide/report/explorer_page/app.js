// Joins the parts: draws what the state asks for, fills the controls, opens the page.
"use strict";

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
  $("story").textContent = storyOf(view.shown);
  $("columns").dataset.tab = state.tab;
  redrawPictures();
  drawCard();
  writeAddress();
  timings.render = performance.now() - began;
}

// The view of the chosen tab, with as many rows of the ranking as are given.
function redrawPictures(rows = PAGE_ROWS) {
  ({ overview: drawOverview, apc: drawApc, epochs: drawEpochs, shape: drawShape, rules: drawRules })[state.tab]();
  drawRanking(rows);
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
  $("environments").size = Math.min(3, Math.max(2, places.length));
  $("environments").closest("label").hidden = places.length < 2;
  const wanted = state.env.split("|");
  for (const option of $("environments").options) option.selected = wanted.includes(option.value);
  for (const id of ["scale", "unit", "alpha", "beta", "missing", "find", "kwhprice", "money"]) if ($(id) !== document.activeElement) $(id).value = state[id];
  $("xlog").checked = state.xlog === "1";
  $("bysize").checked = state.bysize === "1";
  if (state.theme) document.documentElement.dataset.theme = state.theme; else delete document.documentElement.dataset.theme;
}

function chosen() {
  return view.all.find((item) => String(item.row.id) === state.sel) ?? null;
}

function drawCard() {
  const item = chosen();
  if (item === null) {
    $("card").replaceChildren(...leaders());
    return;
  }
  const properties = view.keys.map((key) => PROPERTY[key]);
  fillCard($("card"), item, properties, view.settings, samName(), item.sam);
}

// Before a job is chosen: the best by each figure, each a way to its card.
function leaders() {
  const unit = energyUnit(view.shown);
  const found = [
    ["least energy", (i) => i.energy, 1, (i) => `${short(i.energy * unit.factor)} ${unit.label}`],
    ["most accurate", (i) => i.accuracy, -1, (i) => percent(i.accuracy)],
    ["lowest SCI", (i) => i.row.job?.sci ?? null, 1, (i) => `${short(i.row.job.sci)} g per ${i.row.job.unit ?? "unit"}`],
    ["most avoided", (i) => i.row.job?.avoided_grams ?? null, -1, (i) => `${short(i.row.job.avoided_grams)} g`],
    [`highest ${samName()}`, (i) => i.sam, -1, (i) => short(i.sam)],
  ].map(([title, read, sign, text]) => {
    const known = view.shown.filter((i) => read(i) !== null);
    if (known.length === 0) return null;
    // Among equals the one with the least energy stands, as in the sentence above the picture.
    const first = known.reduce((a, b) => ((sign * (read(b) - read(a)) || (b.energy ?? Infinity) - (a.energy ?? Infinity)) < 0 ? b : a));
    return element("tr", { onclick: () => set({ sel: first.row.id }) }, element("td", {}, title),
      element("td", { class: "text" }, element("button", { type: "button" }, first.title)), element("td", {}, text(first)), element("td", {}, letterBadge(first.rating.letter)));
  }).filter(Boolean);
  const counts = [0, 1, 2, 3, 4, null].map((letter) => view.shown.filter((i) => i.rating.letter === letter).length);
  const letters = element("p", { class: "letters" }, ...counts.flatMap((n, i) => (n ? [letterBadge(i === 5 ? null : i), ` ${n}  `] : [])));
  const parts = [element("h2", {}, "At the front")];
  if (found.length) parts.push(element("table", {}, element("tbody", {}, ...found)));
  parts.push(element("h2", {}, "Letters"), letters,
    element("p", { class: "legend" }, "Choose a point or a row to see its card and label. In the picture the arrow keys go from point to point, + and - zoom."));
  return parts;
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
