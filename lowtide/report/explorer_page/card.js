// The card of one job: its label, its figures, and value, index, letter and weight of
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
  const name = letter === null ? "\u2013" : LETTERS[letter];
  return element("span", { class: `letter ${letter === null ? "" : name}` }, name);
}

function shape(name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// What the label of a row says now: its texts came with the page, its letters change with the rules.
function labelContent({ row, group, rating }, settings) {
  const places = DATA.tasks[row.task];
  const letterOfKey = (key) => { const i = places.indexOf(key); return i < 0 ? null : rating.letters[i]; };
  const { subtitle, numbers } = row.label;
  const [carbon, sci] = [row.label.carbon, row.label.sci].map(([word, number, note]) => ({ word, number, note }));
  const set = `${group.set.name} (${group.set.rows === 1 ? "1 row" : `${group.set.rows} rows`}: ${group.dataset}, ${group.environment})`;
  const own = state.w || state.b ? ", own weights or boundaries" : "";
  return {
    title: row.model, subtitle, environment: row.label.environment ?? group.environment, carbon, sci, letter: rating.letter, mock: row.mock === true, issued: DATA.issued, url: null,
    reason: rating.letter === null ? `no letter against ${group.set.name}: a weighed value is missing` : "",
    sources: DATA.sources[row.label.sources], basis: `Rated against ${set}, ${settings.compound}${own}.`,
    pictograms: DATA.pictograms[row.task].map(([key, word], i) => ({ word, number: numbers[i], letter: letterOfKey(key) })),
  };
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
  for (const key of ["signal", "factor", "zone", "energy_kind", "started_at", "finished_at"]) {
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
    ...["property", "letter", "value", "index", "weight"].map((t, i) => element("th", i ? {} : { class: "text" }, t)))));
  const body = element("tbody");
  properties.forEach((property, i) => {
    body.append(element("tr", {}, element("td", {}, property.label),
      element("td", {}, letterBadge(rating.letters[i])),
      element("td", {}, withUnit(row.values[property.key], property.unit)),
      element("td", {}, short(rating.indices[i])),
      element("td", {}, String(weights[property.key] ?? 0))));
  });
  table.append(body);
  const list = element("table", {}, element("tbody", {}, ...figuresOf(row, samName, samValue).map(
    ([name, text]) => element("tr", {}, element("td", {}, name), element("td", {}, text ?? "n.a.")))));
  const groups = element("table", { class: "groups" }, element("thead", {}, element("tr", {},
    ...["group", "letter", "mean index"].map((t, i) => element("th", i ? {} : { class: "text" }, t)))),
  element("tbody", {}, ...groupsOf(rating, properties, settings).map((one) => element("tr", {},
    element("td", {}, one.name), element("td", {}, letterBadge(one.letter)), element("td", {}, short(one.index))))));
  const left = element("div", { class: "scroll" }, list, table, groups);
  if (!row.label) {
    card.append(left, element("p", { class: "legend" }, "The label of this job is not in this page: lowtide label draws it."));
    return;
  }
  const draw = () => labelSvg(labelContent({ row, group, rating }, settings));
  const enlarge = element("button", { type: "button", id: "enlarge", onclick: () => showLabel(draw(), row.name) }, "enlarge or save");
  card.append(element("div", { class: "card-grid" }, element("div", { class: "small-label" }, draw(), enlarge), left));
}

function withUnit(value, unit) {
  if (value === null || value === undefined) return "n.a.";
  if (unit === "fraction") return percent(value);
  const { factor, label } = scaledUnit(unit, Math.abs(value));
  return `${short(value * factor)} ${label}`;
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
