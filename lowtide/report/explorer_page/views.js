// The other views: APC, epochs, star and correlation, weights and boundaries.
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
  const most = xsKnown.length ? xsKnown.reduce((m, x) => Math.max(m, x), 0) * 1.5 : perHour ? 1000 : 0.001;
  const least = xsKnown.length ? xsKnown.reduce((m, x) => Math.min(m, x), Infinity) / 1.5 : most / 100;
  const xs = Array.from({ length: 120 }, (_, i) => least * (most / least) ** (i / 119));
  const quantity = perHour ? "Wh per hour" : "Wh per inference";
  const xLabel = price > 0 ? `cost (${state.currency} per ${perHour ? "hour" : "inference"})` : `consumption (${quantity})`;
  const name = price > 0 ? "APEC" : "APC";
  const item = chosen();
  const accuracy = item?.accuracy ?? points[0]?.item.accuracy ?? 0.9;
  const curve = (acc, ca, cb) => xs.map((x) => ({ x, y: apc(acc, x, ca, cb) }));
  const positive = points.filter((p) => p.x > 0).map((p) => ({ ...p, name: p.item.title }));
  const named = positive.length > 60 ? positive.flatMap((p, i) => (p.selected ? [i] : [])) : positive.map((_, i) => i);
  if (state.kind === "grid") {
    view.apcPoints = positive.map((p) => ({ ...p, y: p.item.accuracy }));
    view.apcPlaced = drawHeat($("apc"), {
      valueAt: (x, y) => apc(Math.min(1, Math.max(0, y)), x, a, b), xs, ys: accuraciesShown(positive),
      xLabel, yLabel: "top-1 accuracy", barTitle: name, points: view.apcPoints, named,
    });
  } else {
    const lines = { iso: ISO.map((acc) => ({ points: curve(acc, a, b), label: String(acc) })),
      a: [0, 0.25, 0.5].map((v) => ({ points: curve(accuracy, v, b), label: `a ${v}` })),
      b: [5, 100, 1000].map((v) => ({ points: curve(accuracy, a, v), label: `b ${v}` })) }[state.kind];
    const iso = state.kind === "iso";
    view.apcPoints = iso ? positive : [];
    const values = iso ? positive.map((p) => p.y) : lines.flatMap((one) => one.points.map((p) => p.y));
    const [smallest, largest] = rangeOf(values);
    const spread20 = largest / smallest > 20;
    view.apcPlaced = drawLines($("apc"), { lines, points: view.apcPoints, named: iso ? named : [], xLabel, yLabel: name, xLog: true,
      yLog: spread20 && smallest > 0, fit: "points", note: iso ? "" : `accuracy ${short(accuracy)}` });
  }
  $("apc-legend").textContent = `${name} = accuracy / (b · ${price > 0 ? "cost" : "consumption"} · ((1 - a)(1 - accuracy) + a) + 1), `
    + `a ${a}, b ${b}; ${["iso", "grid"].includes(state.kind) ? `points are the ${points.length} jobs with both values` : "lines only"}${state.kind === "iso" ? ", lines are equal accuracies" : ""}. `
    + "Wh per hour and Wh per inference are different metrics and are never shown together. "
    + (places.length > 1 ? `Shapes: ${places.map((p, i) => `${MARKERS[i % MARKERS.length]} ${p}`).join(", ")}.` : "");
}

// The accuracies that the heat map covers: those of the points, with room around them.
function accuraciesShown(points) {
  if (points.length === 0) return [0, 1];
  const [low, high] = rangeOf(points.map((p) => p.item.accuracy));
  const room = Math.max(0.05, (high - low) * 0.2);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

function drawEpochs() {
  const item = chosen();
  const history = item?.row.epoch_joules;
  if (history && history.length > 1) {
    let sum = 0;
    const unit = scaledUnit("kWh", history.reduce((total, joules) => total + joules, 0) / 3.6e6);
    const points = history.map((joules, i) => ({ x: i + 1, y: ((sum += joules) / 3.6e6) * unit.factor, letter: item.rating.letter, kind: 0 }));
    const fit = line(points);
    const last = item.row.planned_epochs ?? points.length;
    view.epochsPoints = points.map((p) => ({ ...p, item }));
    view.epochsPlaced = drawLines($("epochs"), { points, xLog: false, xLabel: "finished epochs", yLabel: `energy so far (${unit.label})`,
      lines: [{ points: [0, last].map((x) => ({ x, y: fit.offset + fit.slope * x })), dashed: true, label: "fit" }],
      note: `${item.title}: ${short(fit.slope)} ${unit.label} per epoch` });
    const p = item.row.prediction;
    $("epochs-legend").textContent = p
      ? `If all ${last} epochs run: ${short(p.value * unit.factor)} ${unit.label}, 90 % between ${short(p.low * unit.factor)} and ${short(p.high * unit.factor)} ${unit.label}.`
      : `R² ${fit.r2.toFixed(4)}.`;
    return;
  }
  const unit = unitOf("training_energy");
  const points = view.shown.map((i) => {
    const [total, each] = [i.row.values.training_energy, i.row.values.training_energy_per_epoch];
    return total && each ? { x: total / each, y: total * unit.factor, letter: i.rating.letter, kind: 0, selected: i === item, item: i, name: i.title } : null;
  }).filter(Boolean);
  const fit = points.length > 1 ? line(points) : null;
  const lines = fit ? [{ points: [0, points.reduce((m, p) => Math.max(m, p.x), 0)].map((x) => ({ x, y: fit.offset + fit.slope * x })), dashed: true, label: "all" }] : [];
  if (item && points.some((p) => p.selected)) {
    const own = points.find((p) => p.selected);
    lines.push({ points: [{ x: 0, y: 0 }, { x: own.x, y: own.y }], label: item.title });
  }
  view.epochsPoints = points;
  view.epochsPlaced = drawLines($("epochs"), { points, lines, named: points.length > 60 ? [] : points.map((_, i) => i), xLog: false, xLabel: "epochs of the full run", yLabel: `training energy (${unit.label})`, note: "" });
  $("epochs-legend").textContent = points.length === 0 ? "No training run with energy and epochs is shown."
    : `One point per run. Dashed: least squares over all${fit ? `, ${short(fit.slope)} ${unit.label} per epoch, R² ${fit.r2.toFixed(3)}` : ""}. `
      + "Solid: the chosen run, linear in its epochs. Totals of the shipped set are per-epoch means times the published number of epochs.";
}

function drawShape() {
  const keys = keysOf(state.task);
  const at = keys.map((key) => view.keys.indexOf(key));
  const best = at.map((i) => view.shown.reduce((m, item) => Math.max(m, item.rating.indices[i] ?? 0), 0) || 1);
  const shareOf = (item) => at.map((i, k) => (item.rating.indices[i] === null ? null : item.rating.indices[i] / best[k]));
  const item = chosen() ?? sorted()[0];
  const reference = view.shown.find((i) => i.row.model === item?.group.reference && i.group === item?.group);
  const rows = [item, reference].filter(Boolean).map((i) => [i.title, shareOf(i)]);
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
      const bars = counts.map((n) => element("td", {}, `${"\u25ae".repeat(Math.round((12 * n) / items.length))} ${n}`));
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
