// What can be saved: pictures, tables, rules.
"use strict";

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
