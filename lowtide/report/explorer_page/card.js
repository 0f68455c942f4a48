// The card of one job: its label in small, its figures, and value, index, letter and weight of
// every property. Texts from reports only ever become text nodes.
"use strict";

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value); else node.setAttribute(key, value);
  }
  for (const child of children) node.append(child);
  return node;
}

function letterBadge(letter) {
  const name = letter === null ? "–" : LETTERS[letter];
  return element("span", { class: `letter ${letter === null ? "" : name}` }, name);
}

function shape(name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const LABEL_COLOURS = ["#1a7f37", "#74b62e", "#ffd60a", "#f48c06", "#c1121f"];

function smallLabel(row, group, rating, pictograms) {
  const svg = shape("svg", {
    viewBox: "0 0 190 250", role: "img", "font-family": "Helvetica, Arial, sans-serif",
    "aria-label": `Energy label of ${row.name}: ${rating.letter === null ? "not rated" : LETTERS[rating.letter]}`,
  });
  svg.append(shape("rect", { x: 0.5, y: 0.5, width: 189, height: 249, fill: "#fff", stroke: "#111" }));
  const put = (x, y, size, text, options = {}) => svg.append(
    shape("text", { x, y, "font-size": size, fill: "#111", ...options }, text));
  put(8, 20, 13, row.model.slice(0, 24), { "font-weight": "bold" });
  put(8, 33, 8, group.environment.slice(0, 42));
  for (let i = 0; i < 5; i += 1) {
    const y = 42 + i * 19;
    const right = 50 + i * 14;
    svg.append(shape("polygon", {
      points: `8,${y} ${right},${y} ${right + 8},${y + 8} ${right},${y + 16} 8,${y + 16}`,
      fill: LABEL_COLOURS[i], stroke: "#111",
    }));
    put(13, y + 12.5, 11, LETTERS[i], { "font-weight": "bold", fill: i % 4 === 0 ? "#fff" : "#111" });
  }
  const y = 42 + (rating.letter ?? 2) * 19;
  svg.append(shape("polygon", {
    points: `138,${y + 8} 148,${y - 3} 182,${y - 3} 182,${y + 19} 148,${y + 19}`,
    fill: rating.letter === null ? "#9a9a9a" : "#111",
  }));
  put(166, y + 14, rating.letter === null ? 10 : 18, rating.letter === null ? "n.a." : LETTERS[rating.letter],
    { "font-weight": "bold", fill: "#fff", "text-anchor": "middle" });
  pictograms.forEach(({ word, text, letter }, i) => {
    const x = 8 + (i % 2) * 88;
    const top = 144 + Math.floor(i / 2) * 48;
    svg.append(shape("rect", {
      x, y: top, width: 84, height: 44, stroke: "#111",
      fill: letter === null ? "#e4e4e4" : LABEL_COLOURS[letter],
    }));
    const ink = letter === 0 || letter === 4 ? "#fff" : "#111";
    put(x + 5, top + 13, 8, word, { fill: ink });
    put(x + 5, top + 33, 11, text, { fill: ink, "font-weight": "bold" });
    put(x + 78, top + 14, 11, letter === null ? "-" : LETTERS[letter],
      { fill: ink, "font-weight": "bold", "text-anchor": "end" });
  });
  if (row.mock) {
    svg.append(shape("rect", { x: 0, y: 238, width: 190, height: 12, fill: "#111" }));
    put(95, 247, 7.5, "STAND-IN GPU: NUMBERS ARE NOT REAL", { fill: "#fff", "text-anchor": "middle" });
  }
  return svg;
}

function figuresOf(row, samName, samValue) {
  const job = row.job ?? {};
  const grams = (value) => (value === undefined || value === null ? null
    : Math.abs(value) >= 1000 ? `${short(value / 1000)} kg` : `${short(value)} g`);
  const lines = [[samName, samValue === null ? "undefined" : short(samValue)]];
  if (job.sci !== undefined) lines.push(["SCI", `${grams(job.sci)} per ${job.unit ?? "unit"}`]);
  if (job.sci_low !== undefined && job.sci_high !== undefined) {
    lines.push(["SCI in 95 of 100 cases", `${grams(job.sci_low)} to ${grams(job.sci_high)}`]);
  }
  if (job.operational_grams !== undefined) lines.push(["carbon O + M", `${grams(job.operational_grams)} + ${grams(job.embodied_grams) ?? "n.a."}`]);
  if (job.run_now_grams !== undefined) lines.push(["run at once (estimate)", grams(job.run_now_grams)]);
  if (job.avoided_grams !== undefined) {
    const percent = job.avoided_percent === undefined ? "" : ` (${Math.round(job.avoided_percent)} %)`;
    lines.push(["avoided by waiting", `${grams(job.avoided_grams)}${percent}`]);
  }
  for (const key of ["signal", "zone", "energy_kind", "started_at", "finished_at"]) {
    if (job[key] !== undefined) lines.push([key.replace("_", " "), String(job[key])]);
  }
  if (row.mock) lines.push(["GPU", "stand-in, figures are not real"]);
  return lines;
}

function fillCard(card, { row, group, rating }, properties, settings, samName, samValue) {
  const { weights } = settings;
  card.replaceChildren();
  card.append(element("h2", {}, row.name === row.model ? row.model : `${row.model} (${row.name})`));
  card.append(element("p", { class: "legend" },
    `${row.task} on ${group.dataset}, ${group.environment}; index against ${group.reference}`));
  const table = element("table", {}, element("thead", {}, element("tr", {},
    ...["property", "letter", "value", "unit", "index", "weight"].map((t, i) => element("th", i ? {} : { class: "text" }, t)))));
  const body = element("tbody");
  properties.forEach((property, i) => {
    body.append(element("tr", {}, element("td", {}, property.label),
      element("td", {}, letterBadge(rating.letters[i])),
      element("td", {}, short(row.values[property.key])), element("td", {}, property.unit),
      element("td", {}, short(rating.indices[i])),
      element("td", {}, String(weights[property.key] ?? 0))));
  });
  table.append(body);
  const list = element("table", {}, element("tbody", {}, ...figuresOf(row, samName, samValue).map(
    ([name, text]) => element("tr", {}, element("td", {}, name), element("td", {}, text ?? "n.a.")))));
  const byKey = (key) => properties.findIndex((p) => p.key === key);
  const energy = row.task === "training" ? "training_energy" : "inference_energy";
  const time = row.task === "training" ? "training_time" : "inference_time";
  const pictograms = [["energy", energy], ["time", time], ["top-1", "accuracy_top1"], ["parameters", "parameters"]]
    .map(([word, key]) => {
      const i = byKey(key);
      const value = row.values[key];
      if (value === null || value === undefined) return { word, text: "n.a.", letter: null };
      const unit = { kWh: " kWh", h: " h", fraction: "", million: " M", "J/sample": " J", "ms/sample": " ms" };
      const text = key === "accuracy_top1" ? `${(value * 100).toFixed(1)} %` : short(value) + (unit[properties[i].unit] ?? "");
      return { word, text, letter: rating.letters[i] };
    });
  const groups = element("table", { class: "groups" }, element("thead", {}, element("tr", {},
    ...["group", "letter", "mean index"].map((t, i) => element("th", i ? {} : { class: "text" }, t)))),
  element("tbody", {}, ...groupsOf(rating, properties, settings).map((one) => element("tr", {},
    element("td", {}, one.name), element("td", {}, letterBadge(one.letter)), element("td", {}, short(one.index))))));
  const left = element("div", { class: "scroll" }, table, groups, list);
  const draw = () => smallLabel(row, group, rating, pictograms);
  const enlarge = element("button", { type: "button", id: "enlarge", onclick: () => showLabel(draw(), row.name) }, "enlarge");
  card.append(element("div", { class: "card-grid" }, left, element("div", {}, draw(), enlarge)));
}

// The label alone, as large as the window, to print or to save.
function showLabel(svg, name) {
  const dialog = document.getElementById("label");
  const content = () => new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
  dialog.replaceChildren(svg, element("div", { class: "bar" },
    element("button", { type: "button", id: "label-svg", onclick: () => save(`label-${name}.svg`, content()) }, "save SVG"),
    element("button", { type: "button", onclick: () => window.print() }, "print or save PDF"),
    element("button", { type: "button", id: "label-close", onclick: () => dialog.close() }, "close")));
  dialog.showModal();
}
