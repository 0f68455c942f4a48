// The energy label, with the shapes that `lowtide.report.label` draws: a test holds them equal.
// Content in, plain shapes out: {points, fill, stroke} or {x, y, text, size, anchor, bold, fill}.
"use strict";

const LABEL = { width: 298, height: 650, margin: 16, usable: 266, ink: "#111111", paper: "#ffffff", grey: "#767676" };
const LABEL_COLOURS = ["#1a7f37", "#74b62e", "#ffd60a", "#f48c06", "#c1121f"];
const LABEL_ICONS = [
  [[[10, 0], [2, 13], [8, 13], [6, 22], [16, 8], [10, 8]]],
  [[[6, 0], [14, 0], [20, 6], [20, 14], [14, 20], [6, 20], [0, 14], [0, 6], [6, 0], [7, 2.5],
    [2.5, 7], [2.5, 13], [7, 17.5], [13, 17.5], [17.5, 13], [17.5, 7], [13, 2.5], [7, 2.5]],
  [[9, 4], [11, 4], [11, 9.5], [15, 12], [14, 13.7], [9, 10.6]]],
  [[[0, 11], [4, 7], [8, 12], [17, 2], [20, 5], [8, 19]]],
  [[[0, 0], [20, 0], [20, 5], [0, 5]], [[0, 7.5], [20, 7.5], [20, 12.5], [0, 12.5]],
    [[0, 15], [20, 15], [20, 20], [0, 20]]],
];

// Texts fitted to a width, after lowtide.report.lettering; `widths` is its table.
let labelWidths = { regular: [], bold: [] };

function textWidth(text, size, bold = false) {
  const table = bold ? labelWidths.bold : labelWidths.regular;
  let total = 0;
  for (const sign of text) {
    const point = sign.codePointAt(0);
    total += point >= 32 && point <= 255 ? table[point - 32] : point < 0x1100 ? 700 : 1000;
  }
  return (total * size) / 1000;
}

function bounded(text) {
  const signs = [...text];
  return signs.length <= 400 ? text : `${signs.slice(0, 400).join("")}...`;
}

function fitted(given, start, width, { bold = false, least = 5 } = {}) {
  let text = bounded(given);
  let size = start;
  while (size > least && textWidth(text, size, bold) > width) size -= 0.5;
  while ([...text].length > 4 && textWidth(text, size, bold) > width) {
    text = `${[...text.replace(/\.\.\.$/, "")].slice(0, -1).join("").trimEnd()}...`;
  }
  return [text, size];
}

function wrapped(text, size, width, most, bold = false) {
  const lines = [];
  let line = "";
  for (const word of bounded(text).split(" ").filter(Boolean)) {
    const longer = line ? `${line} ${word}` : word;
    if (textWidth(longer, size, bold) <= width) { line = longer; continue; }
    if (line) lines.push(line);
    let rest = [...word];
    for (;;) {
      let room = rest.length;
      while (room > 1 && textWidth(rest.slice(0, room).join(""), size, bold) > width) room -= 1;
      if (room >= rest.length) break;
      let cut = room;
      for (let i = room - 1; i >= Math.floor(room / 2); i -= 1) if ("-_/.".includes(rest[i])) { cut = i + 1; break; }
      lines.push(rest.slice(0, cut).join(""));
      rest = rest.slice(cut);
    }
    line = rest.join("");
  }
  lines.push(line);
  if (lines.length <= most) return lines;
  return [...lines.slice(0, most - 1), fitted(`${lines[most - 1]}...`, size, width, { bold, least: size })[0]];
}

function paragraph(text, width, sizes) {
  for (const [size, most] of sizes.slice(0, -1)) {
    const lines = wrapped(text, size, width, most, true);
    if (lines.join("").replaceAll(" ", "") === bounded(text).replaceAll(" ", "")) return [lines, size];
  }
  const [size, most] = sizes[sizes.length - 1];
  return [wrapped(text, size, width, most, true), size];
}

function box(x, y, width, height, fill, stroke = null) {
  return { points: [[x, y], [x + width, y], [x + width, y + height], [x, y + height]], fill, stroke };
}

function words(x, y, text, size, options = {}) {
  return { x, y, text, size, anchor: "start", bold: false, fill: LABEL.ink, ...options };
}

function labelShapes(content) {
  const { width, height, margin, usable, ink, paper } = LABEL;
  const shapes = [box(0, 0, width, height, paper, ink), ...labelHeading(content)];
  if (content.mock) {
    shapes.push(box(margin, 128, usable, 18, ink),
      words(width / 2, 141, "STAND-IN GPU: NUMBERS ARE NOT REAL", 10, { anchor: "middle", bold: true, fill: paper }));
  }
  shapes.push(...(content.letter === null ? labelNotRated(content.reason) : labelArrows(content.letter)));
  content.pictograms.forEach((one, i) => shapes.push(...labelPictogram(one, i, margin + (i % 2) * 135, 330 + Math.floor(i / 2) * 82)));
  [content.carbon, content.sci].forEach((one, i) => shapes.push(...labelPlain(one, margin + i * 135, 494)));
  shapes.push(...labelFooter(content));
  return shapes;
}

function labelHeading(content) {
  const { width, margin, usable, ink, paper } = LABEL;
  const [title, size] = paragraph(content.title, usable, [[30, 1], [22, 2], [18, 2], [14, 3]]);
  const shapes = [box(0, 0, width, 20, ink),
    words(margin, 14, "LOWTIDE ENERGY LABEL", 10, { bold: true, fill: paper }),
    words(width - margin, 14, content.issued, 10, { anchor: "end", fill: paper })];
  let y = 24;
  for (const line of title) { y += size * 1.15; shapes.push(words(margin, y, line, size, { bold: true })); }
  for (const text of [content.subtitle, content.environment]) {
    for (const line of wrapped(text, 10, usable, 2)) { y += 12; shapes.push(words(margin, y + 2, line, 10)); }
  }
  return shapes;
}

function labelArrow(letter) {
  const [left, y, right] = [LABEL.margin, 154 + letter * 34, LABEL.margin + 70 + letter * 22];
  return [[left, y], [right, y], [right + 13, y + 13], [right, y + 26], [left, y + 26]];
}

function labelInk(letter) {
  return letter === 0 || letter === 4 ? LABEL.paper : LABEL.ink;
}

function labelArrows(letter) {
  const shapes = [];
  for (let one = 0; one < 5; one += 1) {
    shapes.push({ points: labelArrow(one), fill: LABEL_COLOURS[one], stroke: LABEL.ink },
      words(LABEL.margin + 8, 174 + one * 34, LETTERS[one], 20, { bold: true, fill: labelInk(one) }));
  }
  const [y, right] = [154 + letter * 34, LABEL.width - LABEL.margin];
  const left = right - 74;
  shapes.push({ points: [[left, y + 13], [left + 18, y - 6], [right, y - 6], [right, y + 32], [left + 18, y + 32]], fill: LABEL.ink, stroke: LABEL.ink },
    words(right - 28, y + 25.24, LETTERS[letter], 34, { anchor: "middle", bold: true, fill: LABEL.paper }));
  return shapes;
}

function labelNotRated(reason) {
  const shapes = [];
  for (let one = 0; one < 5; one += 1) {
    shapes.push({ points: labelArrow(one), fill: null, stroke: LABEL.grey },
      words(LABEL.margin + 8, 174 + one * 34, LETTERS[one], 20, { fill: LABEL.grey }));
  }
  const left = LABEL.width - LABEL.margin - 120;
  shapes.push(box(left, 154, 120, 92, LABEL.paper, LABEL.ink),
    words(left + 60, 174, "NOT RATED", 16, { anchor: "middle", bold: true }));
  wrapped(reason, 8, 108, 6).forEach((line, i) => shapes.push(words(left + 6, 188 + i * 10, line, 8)));
  return shapes;
}

function labelPictogram({ word, number, letter }, index, x, y) {
  const ink = letter === null ? LABEL.ink : labelInk(letter);
  const [name, nameSize] = fitted(word, 10, 92);
  const [text, size] = fitted(number ?? "n.a.", 20, 88, { bold: true });
  return [box(x, y, 131, 78, letter === null ? "#e4e4e4" : LABEL_COLOURS[letter], LABEL.ink),
    words(x + 8, y + 17, name, nameSize, { fill: ink }),
    ...LABEL_ICONS[index].map((outline) => ({ points: outline.map(([px, py]) => [x + 104 + px, y + 8 + py]), fill: ink, stroke: null })),
    words(x + 8, y + 54, text, size, { bold: true, fill: ink }),
    box(x + 101, y + 42, 24, 28, LABEL.paper, LABEL.ink),
    words(x + 113, y + 64, letter === null ? "-" : LETTERS[letter], 20, { anchor: "middle", bold: true })];
}

function labelPlain({ word, number, note }, x, y) {
  const [name, nameSize] = fitted(word, 10, 115);
  const [text, size] = fitted(number ?? "n.a.", 16, 115, { bold: true });
  return [box(x, y, 131, 58, LABEL.paper, LABEL.ink), words(x + 8, y + 14, name, nameSize),
    words(x + 8, y + 33, text, size, { bold: true }),
    ...wrapped(note, 7.5, 119, 2).map((line, i) => words(x + 8, y + 43.5 + i * 9, line, 7.5))];
}

function labelCodeText(content) {
  if (content.url) return content.url;
  const letter = content.letter === null ? "not rated" : LETTERS[content.letter];
  const numbers = [...content.pictograms, content.carbon, content.sci].map((one) => `${one.word} ${one.number ?? "n.a."}`);
  const title = [...content.title].slice(0, 80).join("");
  return `${content.mock ? "STAND-IN GPU; " : ""}${title}: ${letter}; ${numbers.join(", ")}; ${content.issued}`;
}

function labelFooter(content) {
  const [top, side] = [560, 82];
  const code = qrCode(labelCodeText(content));
  const part = side / (code.length + 2);
  const left = LABEL.width - LABEL.margin - side;
  const shapes = [box(left, top, side, side, LABEL.paper)];
  code.forEach((line, r) => line.forEach((dark, c) => { if (dark) shapes.push(box(left + (c + 1) * part, top + (r + 1) * part, part, part, LABEL.ink)); }));
  let y = top + 8;
  for (const [text, most] of [[content.sources, 3], [content.basis, 4], [content.url || "The code holds this label as text.", 2]]) {
    for (const line of wrapped(text, 7.5, LABEL.usable - side - 10, most)) { shapes.push(words(LABEL.margin, y, line, 7.5)); y += 9; }
  }
  return shapes;
}

// The label as an SVG element; texts only ever become text nodes.
function labelSvg(content) {
  const svg = shape("svg", {
    viewBox: `0 0 ${LABEL.width} ${LABEL.height}`, role: "img", "font-family": "Helvetica, Arial, sans-serif",
    "aria-label": `Energy label of ${content.title}: ${content.letter === null ? "not rated" : `rated ${LETTERS[content.letter]}`}`,
  });
  // One path for all modules of the code: a thousand elements are slow to print.
  let modules = "";
  for (const one of labelShapes(content)) {
    if (one.points && one.fill === LABEL.ink && one.stroke === null && one.points.length === 4 && one.points[0][1] > 560) {
      const [[x, y], [right], [, bottom]] = one.points;
      modules += `M${x.toFixed(3)},${y.toFixed(3)}H${right.toFixed(3)}V${bottom.toFixed(3)}H${x.toFixed(3)}Z`;
    } else if (one.points) {
      svg.append(shape("polygon", { points: one.points.map((p) => p.join(",")).join(" "), fill: one.fill ?? "none", ...(one.stroke ? { stroke: one.stroke } : {}) }));
    } else {
      svg.append(shape("text", { x: one.x, y: one.y, "font-size": one.size, "text-anchor": one.anchor, fill: one.fill, textLength: textWidth(one.text, one.size, one.bold).toFixed(2), lengthAdjust: "spacingAndGlyphs", ...(one.bold ? { "font-weight": "bold" } : {}) }, one.text));
    }
  }
  svg.append(shape("path", { d: modules, fill: LABEL.ink }));
  return svg;
}
