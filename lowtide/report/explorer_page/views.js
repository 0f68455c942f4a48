// The other views (APC, epochs, star, rules), the controls, and what can be saved.
"use strict";

const ISO = [0.7, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999];

function consumption(item) {
  const v = item.row.values;
  if (item.row.task === "training") {
    return v.training_energy && v.training_time ? (1000 * v.training_energy) / v.training_time : null;
  }
  return v.inference_energy ? v.inference_energy / 3600 : null;
}

function drawApc() {
  const perHour = state.task === "training";
  const price = Number(state.price) || 0;
  const usual = price > 0 ? (perHour ? 50 : 10) : (perHour ? 0.1 : 1);
  const a = Number(state.a);
  const b = state.pb === "" ? usual : Number(state.pb);
  for (const [id, value] of [["apc-kind", state.kind], ["apc-a", a], ["apc-b", b], ["apc-price", price], ["apc-currency", state.currency]]) {
    if ($(id) !== document.activeElement) $(id).value = value;
  }
  const cost = price > 0 ? price : 1;
  const places = [...new Set(view.shown.map((item) => item.group.environment))];
  const points = view.shown
    .map((item) => ({ item, c: consumption(item), letter: item.rating.letter, kind: places.indexOf(item.group.environment), selected: String(item.row.id) === state.sel }))
    .filter((p) => p.c !== null && p.item.accuracy !== null)
    .map((p) => ({ ...p, x: p.c * cost, y: apc(p.item.accuracy, p.c * cost, a, b) }));
  const xsKnown = points.map((p) => p.x).filter((x) => x > 0);
  const most = xsKnown.reduce((m, x) => Math.max(m, x), perHour ? 10 : 0.001) * 3;
  const edge = (most / 3) * 1.1;
  const least = xsKnown.reduce((m, x) => Math.min(m, x), most / 100) / 3;
  const xs = Array.from({ length: 80 }, (_, i) => least * (most / least) ** (i / 79));
  const quantity = perHour ? "Wh per hour" : "Wh per inference";
  const xLabel = price > 0 ? `cost (${state.currency} per ${perHour ? "hour" : "inference"})` : `consumption (${quantity})`;
  const name = price > 0 ? "APEC" : "APC";
  const item = chosen();
  const accuracy = item?.accuracy ?? points[0]?.item.accuracy ?? 0.9;
  const curve = (acc, ca, cb) => xs.map((x) => ({ x, y: apc(acc, x, ca, cb) }));
  if (state.kind === "grid") {
    drawHeat($("apc"), {
      cells: Array.from({ length: 100 }, (_, r) => Array.from({ length: 101 }, (_u, c) => apc((r + 0.5) / 100, (c + 0.5) * (edge / 101), a, b))),
      xMax: edge, yMax: 1, xLabel, yLabel: "accuracy", points: points.map((p) => ({ ...p, y: p.item.accuracy })),
    });
  } else {
    const lines = { iso: ISO.map((acc) => ({ points: curve(acc, a, b), label: String(acc) })),
      a: [0, 0.25, 0.5].map((v) => ({ points: curve(accuracy, v, b), label: `a ${v}` })),
      b: [5, 100, 1000].map((v) => ({ points: curve(accuracy, a, v), label: `b ${v}` })) }[state.kind];
    view.apcPoints = points.filter((p) => p.x > 0);
    view.apcPlaced = drawLines($("apc"), { lines, points: state.kind === "iso" ? points.filter((p) => p.x > 0) : [], xLabel, yLabel: name, xLog: true,
      note: state.kind === "iso" ? "" : `accuracy ${short(accuracy)}` });
  }
  $("apc-legend").textContent = `${name} = accuracy / (b · ${price > 0 ? "cost" : "consumption"} · ((1 - a)(1 - accuracy) + a) + 1), `
    + `a ${a}, b ${b}; points are the ${points.length} jobs shown${state.kind === "iso" ? ", lines are equal accuracies" : ""}. `
    + "Wh per hour and Wh per inference are different metrics and are never shown together. "
    + `Shapes: ${places.map((p, i) => `${MARKERS[i % MARKERS.length]}: ${p}`).join(" · ")}`;
}

function drawEpochs() {
  const item = chosen();
  const history = item?.row.epoch_joules;
  if (history && history.length > 1) {
    let sum = 0;
    const points = history.map((joules, i) => ({ x: i + 1, y: (sum += joules) / 3.6e6, letter: item.rating.letter, kind: 0 }));
    const fit = line(points);
    const last = item.row.planned_epochs ?? points.length;
    drawLines($("epochs"), { points, xLog: false, xLabel: "finished epochs", yLabel: "energy so far (kWh)",
      lines: [{ points: [0, last].map((x) => ({ x, y: fit.offset + fit.slope * x })), dashed: true, label: "fit" }],
      note: `${item.row.model}: ${short(fit.slope)} kWh per epoch` });
    const p = item.row.prediction;
    $("epochs-legend").textContent = p
      ? `If all ${last} epochs run: ${short(p.value)} kWh, 95 % between ${short(p.low)} and ${short(p.high)} kWh (epochs independent and alike).`
      : `R² ${fit.r2.toFixed(4)}.`;
    return;
  }
  const points = view.shown.map((i) => {
    const [total, each] = [i.row.values.training_energy, i.row.values.training_energy_per_epoch];
    return total && each ? { x: total / each, y: total, letter: i.rating.letter, kind: 0, selected: i === item, item: i } : null;
  }).filter(Boolean);
  const fit = points.length > 1 ? line(points) : null;
  const lines = fit ? [{ points: [0, points.reduce((m, p) => Math.max(m, p.x), 0)].map((x) => ({ x, y: fit.offset + fit.slope * x })), dashed: true, label: "all" }] : [];
  if (item && points.some((p) => p.selected)) {
    const own = points.find((p) => p.selected);
    lines.push({ points: [{ x: 0, y: 0 }, { x: own.x, y: own.y }], label: item.row.model });
  }
  drawLines($("epochs"), { points, lines, xLog: false, xLabel: "epochs of the full run", yLabel: "training energy (kWh)", note: "" });
  $("epochs-legend").textContent = points.length === 0 ? "No training run with energy and epochs is shown."
    : `One point per run. Dashed: least squares over all${fit ? `, ${short(fit.slope)} kWh per epoch, R² ${fit.r2.toFixed(3)}` : ""}. `
      + "Solid: the chosen run, linear in its epochs. Totals of the shipped set are per-epoch means times the published number of epochs.";
}

function drawShape() {
  const keys = keysOf(state.task);
  const at = keys.map((key) => view.keys.indexOf(key));
  const best = at.map((i) => view.shown.reduce((m, item) => Math.max(m, item.rating.indices[i] ?? 0), 0) || 1);
  const shareOf = (item) => at.map((i, k) => (item.rating.indices[i] === null ? null : item.rating.indices[i] / best[k]));
  const item = chosen() ?? sorted()[0];
  const reference = view.shown.find((i) => i.row.model === item?.group.reference && i.group === item?.group);
  const rows = [item, reference].filter(Boolean).map((i) => [i.row.model, shareOf(i)]);
  drawStar($("star"), keys.map((key) => PROPERTY[key].label), rows);
  $("star-legend").textContent = rows.length === 0 ? "" : `Solid: ${rows[0][0]}${rows[1] ? `; dashed: ${rows[1][0]}, the reference` : ""}. The rim is the best of the jobs shown.`;
  const columns = keys.map((key) => view.shown.map((i) => i.row.values[key] ?? null));
  drawMatrix($("matrix"), keys.map((key) => PROPERTY[key].label), correlations(columns));
}

function drawRules() {
  $("rules").tHead.replaceChildren(element("tr", {}, ...["property", "weight", "", "A above", "B above", "C above", "D above"].map((t) => element("th", { class: "text" }, t))));
  const rows = keysOf(state.task).map((key) => {
    const weight = String(view.settings.weights[key] ?? 0);
    const change = (value) => changeRule("w", key, value);
    const slide = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: weight, "aria-label": `weight of ${PROPERTY[key].label}`, "data-weight": key });
    const number = element("input", { type: "number", min: 0, step: 0.05, value: weight, "aria-label": `weight of ${PROPERTY[key].label}, number` });
    slide.addEventListener("input", () => { number.value = slide.value; change(slide.value); });
    number.addEventListener("change", () => change(number.value));
    const bounds = view.settings.boundaries[key];
    const fields = bounds ? bounds.map((bound, i) => {
      const field = element("input", { type: "number", step: "any", value: Number(bound.toPrecision(5)), "aria-label": `${PROPERTY[key].label}: ${LETTERS[i]} above`, "data-bound": `${key}:${i}` });
      field.addEventListener("change", () => changeRule("b", key, bounds.map((old, k) => (k === i ? field.value : old)).join(";")));
      return element("td", {}, field);
    }) : [element("td", { colspan: 4 }, "fewer than five values: not rated")];
    return element("tr", {}, element("td", {}, PROPERTY[key].label), element("td", {}, slide), element("td", {}, number), ...fields);
  });
  const active = document.activeElement?.dataset ?? {};
  // A slider that is being moved must not be replaced under the finger.
  if (active.weight === undefined || $("rules").tBodies[0].rows.length !== rows.length) $("rules").tBodies[0].replaceChildren(...rows);
  const places = [...new Set(view.shown.map((i) => i.group.environment))];
  $("letters").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...["letters by environment", ..."ABCDE", "none"].map((t, i) => element("th", i ? {} : { class: "text" }, t)))),
    element("tbody", {}, ...places.map((place) => {
      const items = view.shown.filter((i) => i.group.environment === place);
      const counts = [0, 1, 2, 3, 4, null].map((l) => items.filter((i) => i.rating.letter === l).length);
      const bars = counts.map((n) => element("td", {}, `${"▮".repeat(Math.round((12 * n) / items.length))} ${n}`));
      return element("tr", {}, element("td", {}, place), ...bars);
    }))));
}

function changeRule(which, key, text) {
  const bad = which === "w" ? !(text !== "" && Number(text) >= 0) : !validBounds(text.split(";").map((t) => (t === "" ? NaN : Number(t))));
  $("rules-message").textContent = bad ? (which === "w" ? "A weight must be a number of at least 0." : "Boundaries must be four numbers that do not rise.") : "";
  if (bad) return;
  const parts = Object.fromEntries(state[which].split(",").filter(Boolean).map((p) => p.split(":")));
  parts[key] = text;
  set({ [which]: Object.entries(parts).map(([k, v]) => `${k}:${v}`).join(",") });
}

function save(name, content, type) {
  const link = element("a", { href: URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Drawn once more at 800 dots per inch, which print asks for (a CSS pixel is 1/96 inch).
function savePicture(id) {
  setExportRatio(800 / 96);
  render();
  $(id).toBlob((blob) => save(`${id}.png`, blob));
  setExportRatio(null);
  render();
}

function toCsv() {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    // A leading = + - @ would be a formula in a spreadsheet.
    const text = typeof value === "string" && /^[=+\-@]/.test(value) ? `'${value}` : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const money = Number(state.kwhprice) > 0 ? [`cost ${state.money}`, `${state.money} per accuracy point`] : [];
  const head = ["job", "model", "task", "dataset", "environment", "letter", samName(), ...money, ...view.keys, ...view.keys.map((k) => `${k} index`)];
  const lines = sorted().map((i) => [i.row.name, i.row.model, i.row.task, i.group.dataset, i.group.environment,
    i.rating.letter === null ? null : LETTERS[i.rating.letter], i.sam, ...(money.length ? [costOf(i), perPoint(i)] : []), ...view.keys.map((k) => i.row.values[k]), ...i.rating.indices]);
  return [head, ...lines].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function toJson() {
  return JSON.stringify({ task: state.task, rules: view.settings, jobs: sorted().map((i) => ({
    name: i.row.name, model: i.row.model, environment: i.group.environment, reference: i.group.reference,
    letter: i.rating.letter === null ? null : LETTERS[i.rating.letter], sam: i.sam, sam_name: samName(),
    values: i.row.values, indices: Object.fromEntries(view.keys.map((k, n) => [k, i.rating.indices[n]])),
  })) }, null, 1);
}

function nearest(placed, event, canvas) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let best = -1;
  let distance = 18 ** 2;
  (placed ?? []).forEach((p, i) => {
    const d = (p.px - x) ** 2 + (p.py - y) ** 2;
    if (d < distance) { distance = d; best = i; }
  });
  return best;
}

function hover(canvas, placed, points) {
  canvas.addEventListener("pointermove", (event) => {
    const i = nearest(placed(), event, canvas);
    const item = i < 0 ? null : points()[i].item;
    $("tooltip").hidden = !item;
    if (!item) return;
    $("tooltip").textContent = `${item.row.model}, ${item.group.environment}: ${item.rating.letter === null ? "not rated" : LETTERS[item.rating.letter]}`;
    $("tooltip").style.left = `${Math.min(event.clientX + 14, innerWidth - 220)}px`;
    $("tooltip").style.top = `${event.clientY + 14}px`;
  });
  canvas.addEventListener("pointerleave", () => { $("tooltip").hidden = true; });
  canvas.addEventListener("click", (event) => {
    const i = nearest(placed(), event, canvas);
    if (i >= 0 && points()[i].item) set({ sel: points()[i].item.row.id });
  });
}

function loadRules(file) {
  file.text().then((text) => {
    const data = JSON.parse(text);
    for (const [key, bounds] of Object.entries(data.boundaries ?? {})) {
      if (!(key in PROPERTY) || !validBounds(bounds)) throw new Error(`boundaries of ${key} must be four numbers that do not rise`);
    }
    for (const [key, weight] of Object.entries(data.weights ?? {})) {
      if (!(key in PROPERTY) || !(Number(weight) >= 0)) throw new Error(`weight of ${key} must be a number of at least 0`);
    }
    $("rules-message").textContent = "";
    set({ w: Object.entries(data.weights ?? {}).map(([k, v]) => `${k}:${v}`).join(","),
      b: Object.entries(data.boundaries ?? {}).map(([k, v]) => `${k}:${v.join(";")}`).join(",") });
  }).catch((error) => { $("rules-message").textContent = `The file cannot be used: ${error.message}.`; });
}

function connect() {
  for (const id of ["task", "x", "y", "scale", "unit", "compound", "missing"]) {
    $(id).addEventListener("change", () => set({ [id]: $(id).value, ...(id === "task" ? { env: "", sel: "", x: "", page: 0, b: "" } : {}) }));
  }
  for (const id of ["alpha", "beta"]) $(id).addEventListener("change", () => { if (Number($(id).value) > 0) set({ [id]: $(id).value }); });
  for (const id of ["xlog", "bysize"]) $(id).addEventListener("change", () => set({ [id]: $(id).checked ? "1" : id === "xlog" ? "0" : "" }));
  $("find").addEventListener("input", () => set({ find: $("find").value, page: 0 }));
  $("environments").addEventListener("change", () => set({ env: [...$("environments").selectedOptions].map((o) => o.value).join("|"), page: 0 }));
  $("reset").addEventListener("click", () => { state = initial(); render(); });
  $("theme").addEventListener("click", () => {
    const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    set({ theme: dark ? "light" : "dark" });
  });
  $("previous").addEventListener("click", () => set({ page: Number(state.page) - 1 }));
  $("next").addEventListener("click", () => set({ page: Number(state.page) + 1 }));
  $("csv").addEventListener("click", () => save("lowtide.csv", toCsv(), "text/csv"));
  $("json").addEventListener("click", () => save("lowtide.json", toJson(), "application/json"));
  for (const button of document.querySelectorAll("[data-png]")) {
    button.addEventListener("click", () => savePicture(button.dataset.png));
  }
  for (const [id, key] of [["apc-kind", "kind"], ["apc-a", "a"], ["apc-b", "pb"], ["apc-price", "price"], ["apc-currency", "currency"]]) {
    $(id).addEventListener("change", () => set({ [key]: $(id).value, ...(key === "price" ? { pb: "" } : {}) }));
  }
  $("quantiles").addEventListener("click", () => {
    const found = view.keys.map((key, i) => [key, boundariesFrom(view.shown.map((item) => item.rating.indices[i]))]);
    set({ b: found.filter(([, b]) => b !== null).map(([k, b]) => `${k}:${b.join(";")}`).join(",") });
  });
  $("alike").addEventListener("click", () => {
    const rated = view.keys.filter((key) => view.settings.boundaries[key]).map((key) => PROPERTY[key]);
    set({ w: alikeWeights(rated).map(([k, v]) => `${k}:${v}`).join(",") });
  });
  for (const id of ["kwhprice", "money"]) $(id).addEventListener("change", () => set({ [id]: $(id).value }));
  $("print").addEventListener("click", () => window.print());
  $("published").addEventListener("click", () => set({ w: "", b: "" }));
  $("save-rules").addEventListener("click", () => save("rules.json", JSON.stringify({ weights: view.settings.weights, boundaries: view.settings.boundaries }, null, 1), "application/json"));
  $("load-rules").addEventListener("change", (event) => { if (event.target.files[0]) loadRules(event.target.files[0]); });
  hover($("scatter"), () => view.placed, () => view.points);
  hover($("apc"), () => (state.kind === "iso" ? view.apcPlaced : []), () => view.apcPoints);
  $("scatter").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step || view.points.length === 0) return;
    event.preventDefault();
    const order = [...view.points].sort((p, q) => p.x - q.x || p.y - q.y);
    const now = order.findIndex((p) => String(p.item.row.id) === state.sel);
    const next = now < 0 ? (step > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, now + step));
    set({ sel: order[next].item.row.id });
  });
  $("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = TABS.findIndex(([name]) => name === state.tab);
    const next = TABS[(now + step + TABS.length) % TABS.length][0];
    set({ tab: next });
    $(`tab-${next}`).focus();
  });
  addEventListener("hashchange", () => { readAddress(); render(); });
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(render, 100); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
}

boot();
window.lowtide = { data: DATA, state: () => state, view: () => view, set, timings, toCsv, toJson };
