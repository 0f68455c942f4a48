// The first screen: the story in a sentence, the picture of two properties, the ranking.
"use strict";

const NAMED_MOST = 40;

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
      const { factor } = unitOf(key);
      return byIndex ? (item) => item.rating.indices[i] : (item) => scaled(item.row.values[key] ?? null, factor);
    };
    const [readX, readY] = [read(state.x), read(state.y)];
    const most = view.shown.reduce((m, i) => Math.max(m, i.energy ?? 0), 0);
    const kinds = new Map(places.map((place, i) => [place, i]));
    const list = view.shown.map((item) => ({
      item, name: item.title, x: readX(item), y: readY(item), kind: kinds.get(item.group.environment),
      size: state.bysize === "1" ? 3 + 13 * Math.sqrt((item.energy ?? 0) / (most || 1)) : undefined,
    })).filter((p) => p.x !== null && p.y !== null && (!log || p.x > 0));
    const better = (key) => (byIndex ? "higher" : BETTER[key]);
    pointsMade = { key: made, list, front: pareto(list, better(state.x), better(state.y)).map((i) => list[i]) };
  }
  for (const point of pointsMade.list) point.letter = point.item.rating.letter;
  return pointsMade;
}

function placesShown() {
  return [...new Set(view.shown.map((item) => item.group.environment))];
}

function zoomed() {
  const edges = state.zoom.split(",").map(Number);
  const valid = state.zoom && edges.length === 4 && edges.every(Number.isFinite) && edges[0] < edges[1] && edges[2] < edges[3]
    && (state.xlog !== "1" || edges[0] > 0);
  return valid ? edges : null;
}

function axisTitle(key) {
  return state.scale === "index" ? `${PROPERTY[key].label}, index` : `${PROPERTY[key].label} (${unitOf(key).label})`;
}

// Which points get a name: the chosen one, the front, then the best of the ranking.
function namesWanted(list, front) {
  const number = new Map(list.map((p, i) => [p, i]));
  const byItem = new Map(list.map((p, i) => [p.item, i]));
  const ranked = list.length > 300 ? [] : sorted().map((item) => byItem.get(item));
  const chosenOne = list.findIndex((p) => String(p.item.row.id) === state.sel);
  const wanted = [chosenOne < 0 ? undefined : chosenOne, ...front.map((p) => number.get(p)), ...ranked];
  return [...new Set(wanted)].filter((i) => i !== undefined).slice(0, NAMED_MOST);
}

function drawOverview() {
  const places = placesShown();
  const { list, front } = points(places);
  view.points = list;
  const selected = list.findIndex((p) => p.item.row.id === Number(state.sel || -1));
  const shade = shading();
  const drawn = drawScatter($("scatter"), {
    points: list, xLabel: axisTitle(state.x), yLabel: axisTitle(state.y), xLog: state.xlog === "1", yLog: false,
    shade, front, selected: selected < 0 ? null : selected, zoom: zoomed(), named: namesWanted(list, front),
  });
  Object.assign(view, { placed: drawn.placed, scales: drawn });
  $("unzoom").disabled = zoomed() === null;
  $("scatter").setAttribute("aria-label", `${axisTitle(state.y)} against ${axisTitle(state.x)}, ${list.length} jobs, ${front.length} on the Pareto front`);
  $("legend").textContent = legendOf(list, front, shade, places, drawn.mostInCell);
}

// Names only what the picture shows.
function legendOf(list, front, shade, places, mostInCell) {
  const parts = [`${list.length} ${list.length === 1 ? "job" : "jobs"}`];
  const absent = view.shown.length - list.length;
  if (absent > 0) parts.push(`${absent} more without both values`);
  const rated = list.some((p) => p.letter !== null);
  if (mostInCell) parts.push(`every cell holds 1 to ${mostInCell} of them, the stronger its colour the more`);
  if (rated) parts.push(mostInCell ? "colour: the letter that most of its jobs have" : "letter and colour: compound rating");
  if (list.some((p) => p.letter === null)) parts.push("grey: not rated");
  if (front.length > 1) parts.push("dashed: Pareto front");
  if (shade) parts.push(`background: rating of the two axes${state.scale === "value" && places.length > 1 ? `, for ${places[0]}` : ""}`);
  if (places.length > 1 && !mostInCell) parts.push(`shapes: ${places.map((p, i) => `${MARKERS[i % MARKERS.length]} ${p}`).join(", ")}`);
  return `${parts.join(" · ")}.`;
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
    const { factor } = unitOf(key);
    const edges = bounds.map((b) => factor * (BETTER[key] === "higher" ? b * reference : reference / Math.max(b, 1e-12)));
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

// What a reader should know first, in sentences with numbers.
function storyOf(items) {
  const known = items.filter((i) => i.energy !== null && i.accuracy !== null);
  if (items.length === 0) return "No job is shown: clear the search or choose other environments.";
  const count = `${items.length} ${items.length === 1 ? "job" : "jobs"}`;
  if (known.length === 0) return `${count}, none with both energy and accuracy.`;
  const least = known.reduce((a, b) => (b.energy < a.energy ? b : a));
  const best = known.reduce((a, b) => (b.accuracy > a.accuracy || (b.accuracy === a.accuracy && b.energy < a.energy) ? b : a));
  const rated = items.filter((i) => i.rating.letter !== null);
  const top = rated.length ? rangeOf(rated.map((i) => i.rating.letter))[0] : null;
  const unit = energyUnit(items);
  const text = (item) => `${item.title} (${short(item.energy * unit.factor)} ${unit.label}, ${percent(item.accuracy)})`;
  // A job of unknown energy may be more accurate still: it has no place in this comparison.
  const unknown = items.filter((i) => i.energy === null && i.accuracy !== null).length;
  const among = unknown ? " of those with a known energy" : "";
  const parts = [least === best && known.length > 1 ? `${text(best)} needs the least energy and is the most accurate${among}` : `Least energy: ${text(least)}`];
  if (least !== best) {
    parts.push(`most accurate${among}: ${text(best)}, ${short(best.energy / least.energy)} times the energy for ${short(100 * (best.accuracy - least.accuracy))} points`);
  }
  if (top !== null) {
    const holders = [...new Set(rated.filter((i) => i.rating.letter === top).map((i) => i.row.model))];
    parts.push(`best letter ${LETTERS[top]}: ${holders.slice(0, 3).join(", ")}${holders.length > 3 ? ` and ${holders.length - 3} more` : ""}`);
  }
  const datasets = [...new Set(items.map((i) => i.group.dataset))];
  const apart = placesShown().length > 1 || datasets.length > 1
    ? ` They ran in ${placesShown().length} environments on ${datasets.length === 1 ? "one data set" : `${datasets.length} data sets`}: compare energy only inside one.` : "";
  return `${count}. ${parts.join("; ")}.${apart}`;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

const SMALLER = { kWh: [["MWh", 1e-3, 1000], ["kWh", 1, 1], ["Wh", 1e3, 1e-3], ["J", 3.6e6, 0]], h: [["h", 1, 1], ["min", 60, 1 / 60], ["s", 3600, 0]] };

// A property's unit scaled to what `most` reaches: kWh to Wh, h to min; others stay.
function scaledUnit(unit, most) {
  const [base, ...rest] = unit.split("/");
  const step = (SMALLER[base] ?? []).find(([, , least]) => most >= least && most > 0);
  return step ? { label: [step[0], ...rest].join("/"), factor: step[1] } : { label: unit, factor: 1 };
}

function mostOf(items, read) {
  return items.reduce((m, i) => Math.max(m, read(i) ?? 0), 0);
}

// One unit for a whole column or axis, so that numbers side by side can be compared.
function unitOf(key, items = view.shown) {
  return scaledUnit(PROPERTY[key].unit, mostOf(items, (i) => i.row.values[key]));
}

function energyUnit(items) {
  return unitOf(energyOf(state.task), items);
}
