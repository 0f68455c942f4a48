// Pointer, keys and controls.
"use strict";

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

// The numbers of a point: what the picture shows of it, then energy, accuracy and SCI.
function tooltipLines(item, pairs) {
  const unit = energyUnit(view.shown);
  const lines = [`${item.row.model}${item.row.name === item.row.model ? "" : ` (${item.row.name})`}`, item.group.environment,
    `rated ${item.rating.letter === null ? "n.a." : LETTERS[item.rating.letter]}`, ...pairs];
  if (item.energy !== null) lines.push(`energy ${short(item.energy * unit.factor)} ${unit.label}`);
  if (item.accuracy !== null) lines.push(`accuracy ${percent(item.accuracy)}`);
  if (item.row.job?.sci !== undefined) lines.push(`SCI ${short(item.row.job.sci)} g per ${item.row.job.unit ?? "unit"}`);
  return [...new Set(lines)];
}

function hover(canvas, placed, points, titles) {
  canvas.addEventListener("pointermove", (event) => {
    const i = nearest(placed(), event, canvas);
    const point = i < 0 ? null : points()[i];
    $("tooltip").hidden = !point?.item;
    if (!point?.item) return;
    const [x, y] = titles();
    const pairs = [`${x}: ${short(point.x)}`, `${y}: ${short(point.y)}`];
    $("tooltip").replaceChildren(...tooltipLines(point.item, pairs).map((text, k) => element(k ? "div" : "b", {}, text)));
    const box = $("tooltip").getBoundingClientRect();
    $("tooltip").style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 6))}px`;
    $("tooltip").style.top = `${event.clientY + 14 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 14}px`;
  });
  canvas.addEventListener("pointerleave", () => { $("tooltip").hidden = true; });
  canvas.addEventListener("click", (event) => {
    const i = nearest(placed(), event, canvas);
    if (i >= 0 && points()[i].item) set({ sel: points()[i].item.row.id });
  });
}

function zoomTo(x0, x1, y0, y1) {
  const edges = [Math.min(x0, x1), Math.max(x0, x1), Math.min(y0, y1), Math.max(y0, y1)];
  set({ zoom: edges.map((v) => v.toPrecision(6)).join(",") });
}

// Around the chosen point, or the middle; above 1 is closer.
function zoomBy(factor) {
  const { x, y } = view.scales;
  const at = view.points.findIndex((p) => String(p.item.row.id) === state.sel);
  const spot = at < 0 ? { px: (x.low + x.high) / 2, py: (y.low + y.high) / 2 } : view.placed[at];
  const [w, h] = [(x.high - x.low) / (2 * factor), (y.low - y.high) / (2 * factor)];
  zoomTo(x.invert(spot.px - w), x.invert(spot.px + w), y.invert(spot.py + h), y.invert(spot.py - h));
}

// A rectangle drawn with the mouse is zoomed into; a double click shows everything again.
function zoomByDragging(canvas) {
  let start = null;
  const frameOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const { x, y } = view.scales;
    return { x: Math.min(x.high, Math.max(x.low, event.clientX - box.left)), y: Math.min(y.low, Math.max(y.high, event.clientY - box.top)) };
  };
  const show = (end) => {
    const far = end && (Math.abs(end.x - start.x) > 8 && Math.abs(end.y - start.y) > 8);
    $("rubber").hidden = !far;
    if (far) Object.assign($("rubber").style, { left: `${Math.min(start.x, end.x)}px`, top: `${Math.min(start.y, end.y)}px`, width: `${Math.abs(end.x - start.x)}px`, height: `${Math.abs(end.y - start.y)}px` });
    return far;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    start = frameOf(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => { if (start) show(frameOf(event)); });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const end = frameOf(event);
    const far = show(end);
    $("rubber").hidden = true;
    const { x, y } = view.scales;
    const from = start;
    start = null;
    if (far) zoomTo(x.invert(from.x), x.invert(end.x), y.invert(from.y), y.invert(end.y));
  });
  canvas.addEventListener("pointercancel", () => { start = null; $("rubber").hidden = true; });
  canvas.addEventListener("dblclick", () => set({ zoom: "" }));
}

// Everything that is shown goes on paper: all rows, in the light colours.
function connectPrinting() {
  let theme = null;
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme ?? "";
    document.documentElement.dataset.theme = "light";
    redrawPictures(2000);
  });
  addEventListener("afterprint", () => {
    if (theme === null) return;
    document.documentElement.dataset.theme = theme;
    if (!theme) delete document.documentElement.dataset.theme;
    theme = null;
    redrawPictures();
  });
}

function connect() {
  for (const id of ["task", "x", "y", "scale", "unit", "compound", "missing"]) {
    const also = { task: { env: "", sel: "", x: "", page: 0, b: "", zoom: "" }, x: { zoom: "" }, y: { zoom: "" }, scale: { zoom: "" } }[id];
    $(id).addEventListener("change", () => set({ [id]: $(id).value, ...also }));
  }
  for (const id of ["alpha", "beta"]) $(id).addEventListener("change", () => { if (Number($(id).value) > 0) set({ [id]: $(id).value }); });
  for (const id of ["xlog", "bysize"]) $(id).addEventListener("change", () => set({ [id]: $(id).checked ? "1" : id === "xlog" ? "0" : "", zoom: "" }));
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
  hover($("scatter"), () => view.placed, () => view.points, () => [axisTitle(state.x), axisTitle(state.y)]);
  hover($("apc"), () => view.apcPlaced, () => view.apcPoints, () => [state.price > 0 ? "cost" : "consumption, Wh", state.kind === "grid" ? "accuracy" : Number(state.price) > 0 ? "APEC" : "APC"]);
  hover($("epochs"), () => view.epochsPlaced, () => view.epochsPoints ?? [], () => ["epochs", "energy in the picture"]);
  zoomByDragging($("scatter"));
  connectPrinting();
  $("unzoom").addEventListener("click", () => set({ zoom: "" }));
  $("closer").addEventListener("click", () => zoomBy(2));
  $("scatter").addEventListener("keydown", (event) => {
    if (["+", "-", "0"].includes(event.key)) {
      if (event.key === "0") set({ zoom: "" }); else zoomBy(event.key === "+" ? 1.5 : 1 / 1.5);
      return;
    }
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
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => render(), 100); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => render());
}

boot();
window.lowtide = { data: DATA, state: () => state, view: () => view, set, timings, toCsv, toJson };
