// The arithmetic of the page: the same rules as lowtide.metrics, in correct mode.
// Pure functions over plain data; nothing here touches the document. Letters are 0 (A) to 4 (E),
// null means that there is none. Weights are counted in millionths, so that a half is a half.
"use strict";

const LETTERS = "ABCDE";
const TIE = 1e-9;

function indexOf(value, reference, better) {
  if (value === null || value === undefined) return null;
  if (!(reference > 0)) return null;
  if (better === "higher") return value / reference;
  return value > 0 ? reference / value : null;
}

function letterOf(index, bounds) {
  if (index === null || !bounds) return null;
  let letter = 0;
  for (const bound of bounds) {
    if (index < bound || Math.abs(index - bound) <= TIE * Math.abs(bound)) letter += 1;
  }
  return letter;
}

// One letter out of the weight and the number of properties that have each letter.
function compoundOf(weights, counts, how) {
  let total = 0;
  let properties = 0;
  for (let i = 0; i < 5; i += 1) { total += weights[i]; properties += counts[i]; }
  if (properties === 0) return null;
  if (how === "best") return counts.findIndex((n) => n > 0);
  if (how === "worst") return 4 - [...counts].reverse().findIndex((n) => n > 0);
  if (how === "majority") return counts.indexOf(Math.max(...counts));
  const pessimistic = how.startsWith("pessimistic");
  if (how.endsWith("mean")) {
    let sum = 0;
    for (let i = 0; i < 5; i += 1) sum += i * weights[i];
    const floor = Math.floor(sum / total);
    return pessimistic && floor * total < sum ? floor + 1 : floor;
  }
  let reached = 0;
  for (let letter = 0; letter < 5; letter += 1) {
    reached += weights[letter];
    if (reached * 2 > total) return letter;
    if (reached * 2 === total && reached > 0) {
      let next = letter + 1;
      while (weights[next] === 0) next += 1;
      return pessimistic ? Math.ceil((letter + next) / 2) : Math.floor((letter + next) / 2);
    }
  }
  return null;
}

function whole(weight) {
  return Math.round(Number(weight) * 1e6);
}

// Indices of every row, in the order of the keys; they change with no setting of the page.
function indexAll(rows, keys, better, references) {
  return rows.map((row) => {
    const reference = references[row.group] ?? {};
    return keys.map((key) => indexOf(row.values[key], reference[key], better[key]));
  });
}

// Rate rows by their indices. `settings` holds weights and boundaries by property key, the
// compound mode and what a missing value does. Returns one rating per row.
function rateAll(indexed, keys, settings) {
  const weights = keys.map((key) => whole(settings.weights[key] ?? 0));
  const bounds = keys.map((key) => settings.boundaries[key] ?? null);
  const allRated = bounds.every((list) => list !== null);
  const worst = settings.missing === "worst";
  const byLetter = new Array(5);
  const counts = new Array(5);
  return indexed.map((found) => {
    const indices = allRated ? found : found.map((index, i) => (bounds[i] === null ? null : index));
    const letters = new Array(keys.length);
    byLetter.fill(0);
    counts.fill(0);
    let missing = false;
    for (let i = 0; i < keys.length; i += 1) {
      const letter = letterOf(indices[i], bounds[i]);
      letters[i] = letter;
      if (bounds[i] === null || weights[i] <= 0) continue;
      if (letter === null) missing = true;
      byLetter[letter ?? 4] += weights[i];
      counts[letter ?? 4] += 1;
    }
    const letter = missing && !worst ? null : compoundOf(byLetter, counts, settings.compound);
    return { indices, letters, letter };
  });
}

// The groups of properties (Quality, Resources, Complexity, or what the data names): mean index of
// each, null where one of its indices is missing, and its letter from its own properties.
function groupsOf(rating, properties, settings) {
  const found = new Map();
  properties.forEach((property, i) => {
    if (!settings.boundaries[property.key]) return;
    if (!found.has(property.group)) found.set(property.group, []);
    found.get(property.group).push(i);
  });
  return [...found].map(([name, places]) => {
    const indices = places.map((i) => rating.indices[i]);
    const weights = new Array(5).fill(0);
    const counts = new Array(5).fill(0);
    for (const i of places) {
      const weight = whole(settings.weights[properties[i].key] ?? 0);
      if (weight <= 0 || rating.letters[i] === null) continue;
      weights[rating.letters[i]] += weight;
      counts[rating.letters[i]] += 1;
    }
    const missing = indices.includes(null);
    return {
      name, index: missing ? null : indices.reduce((s, v) => s + v, 0) / indices.length,
      letter: missing && settings.missing !== "worst" ? null : compoundOf(weights, counts, settings.compound),
    };
  });
}

// Weights with which every group counts the same, and every property the same inside its group.
function alikeWeights(properties) {
  const names = [...new Set(properties.map((p) => p.group))];
  return properties.map((p) => {
    const size = properties.filter((q) => q.group === p.group).length;
    return [p.key, Number((1 / (names.length * size)).toFixed(6))];
  });
}

// Heights for labels that want to stand at `wanted`, moved down until they are `gap` apart.
function spread(wanted, gap) {
  const order = wanted.map((_, i) => i).sort((i, j) => wanted[i] - wanted[j]);
  const placed = [...wanted];
  for (let k = 1; k < order.length; k += 1) {
    placed[order[k]] = Math.max(placed[order[k]], placed[order[k - 1]] + gap);
  }
  return placed;
}

function quantile(sorted, p) {
  const position = (sorted.length - 1) * p;
  const lower = Math.floor(position);
  const upper = Math.min(lower + 1, sorted.length - 1);
  return sorted[lower] + (position - lower) * (sorted[upper] - sorted[lower]);
}

function boundariesFrom(indices) {
  const known = indices.filter((index) => index !== null).sort((a, b) => a - b);
  return known.length < 5 ? null : [0.8, 0.6, 0.4, 0.2].map((p) => quantile(known, p));
}

function sam(accuracy, energy, alpha, beta) {
  if (accuracy === null || energy === null) return null;
  if (!(energy > 1) || accuracy < 0 || accuracy > 1) return null;
  return (beta * accuracy ** alpha) / Math.log10(energy);
}

function apc(accuracy, consumption, a, b) {
  return accuracy / (b * consumption * ((1 - a) * (1 - accuracy) + a) + 1);
}

// Indices of the points that no other beats in both directions.
function pareto(points, xBetter, yBetter) {
  const sx = xBetter === "higher" ? -1 : 1;
  const sy = yBetter === "higher" ? -1 : 1;
  const order = points
    .map((point, i) => [point.x * sx, point.y * sy, i])
    .sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const front = [];
  let best = Infinity;
  for (const [, y, i] of order) {
    if (y < best) { front.push(i); best = y; }
  }
  return front;
}

function line(points) {
  // Least squares y = offset + slope x; null where x never changes.
  const n = points.length;
  const mx = points.reduce((s, p) => s + p.x, 0) / n;
  const my = points.reduce((s, p) => s + p.y, 0) / n;
  let sxx = 0;
  let sxy = 0;
  let syy = 0;
  for (const p of points) {
    sxx += (p.x - mx) ** 2;
    sxy += (p.x - mx) * (p.y - my);
    syy += (p.y - my) ** 2;
  }
  if (n < 2 || sxx === 0) return null;
  const slope = sxy / sxx;
  return { slope, offset: my - slope * mx, r2: syy > 0 ? (sxy * sxy) / (sxx * syy) : 1 };
}

function ranksOf(values) {
  const order = values.map((v, i) => i).sort((a, b) => values[a] - values[b]);
  const ranks = new Array(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j += 1;
    for (let k = i; k <= j; k += 1) ranks[order[k]] = (i + j) / 2;
    i = j + 1;
  }
  return ranks;
}

// Spearman correlation of every pair of columns (null where fewer than three pairs are known):
// ranks, so that a curved relation counts and units do not.
function correlations(columns) {
  const whole = columns.map((column) => (column.includes(null) ? null : ranksOf(column)));
  const matrix = columns.map(() => new Array(columns.length).fill(null));
  columns.forEach((xs, i) => columns.forEach((ys, j) => {
    if (j < i) { matrix[i][j] = matrix[j][i]; return; }
    if (whole[i] && whole[j]) { matrix[i][j] = correlation(whole[i], whole[j]); return; }
    const both = xs.map((x, k) => k).filter((k) => xs[k] !== null && ys[k] !== null);
    matrix[i][j] = correlation(ranksOf(both.map((k) => xs[k])), ranksOf(both.map((k) => ys[k])));
  }));
  return matrix;
}

function correlation(rx, ry) {
  if (rx.length < 3) return null;
  const fit = line(rx.map((x, i) => ({ x, y: ry[i] })));
  if (fit === null) return null;
  return Math.sign(fit.slope) * Math.sqrt(fit.r2);
}

// The rows of a table in columns: every figure of every job, and the texts of those that keep them.
function rowsOf(table) {
  const word = (column, at) => column.words[column.at[at]];
  const figures = (columns, at, row) => {
    for (const key of Object.keys(columns)) {
      const column = columns[key];
      const value = Array.isArray(column) ? column[at] : word(column, at);
      if (value !== null) row[key] = value;
    }
    return row;
  };
  const mock = new Set(table.mock);
  return table.name.map((name, at) => ({
    id: table.first + at, name, model: word(table.model, at), task: table.task, group: table.group[at],
    values: figures(table.values, at, {}), job: figures(table.job, at, {}),
    ...(mock.has(at) ? { mock: true } : {}), ...(table.whole[at] ?? {}),
  }));
}

// The least and the greatest of any number of values; a call with a million arguments would fail.
function rangeOf(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
