// QR codes after ISO/IEC 18004: bytes in UTF-8, level M, versions 1 to 20, the mask with the least
// penalty. A test holds every module equal to the code that `lowtide label` prints.
"use strict";

const QR_CHECK_BYTES = [0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const QR_BLOCKS = [0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const QR_MASKS = [(r, c) => (r + c) % 2 === 0, (r) => r % 2 === 0, (r, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0, (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0, (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0];

// Return the code as rows of true (dark) and false, without a quiet zone.
function qrCode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = qrVersion(bytes.length);
  const grid = qrFrame(version);
  qrPlace(grid, qrCodewords(bytes, version));
  let best = null;
  QR_MASKS.forEach((mask, number) => {
    const cells = grid.cells.map((row, r) => row.map((dark, c) => (grid.fixed[r][c] ? dark : dark !== mask(r, c))));
    const penalty = qrPenalty(cells);
    if (best === null || penalty < best.penalty) best = { cells, number, penalty };
  });
  qrFormat(best.cells, best.number);
  qrVersionMarks(best.cells, version);
  return best.cells;
}

function qrRawBytes(version) {
  let bits = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const marks = Math.floor(version / 7) + 2;
    bits -= (25 * marks - 10) * marks - 55;
    if (version >= 7) bits -= 36;
  }
  return Math.floor(bits / 8);
}

function qrRoom(version) {
  return qrRawBytes(version) - QR_CHECK_BYTES[version] * QR_BLOCKS[version];
}

function qrVersion(length) {
  for (let version = 1; version <= 20; version += 1) {
    if (length + (version < 10 ? 2 : 3) <= qrRoom(version)) return version;
  }
  throw new Error(`a text of ${length} bytes is too long for a code of version 20`);
}

function qrCodewords(bytes, version) {
  const bits = [];
  const put = (value, count) => { for (let i = count - 1; i >= 0; i -= 1) bits.push((value >>> i) & 1); };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, qrRoom(version) * 8 - bits.length));
  // A byte of zeros before the padding is no need of the standard; the command's code has it.
  if (bits.length < qrRoom(version) * 8) put(0, 8);
  const words = [];
  for (let i = 0; i < bits.length; i += 8) words.push(parseInt(bits.slice(i, i + 8).join(""), 2));
  for (let pad = 0xec; words.length < qrRoom(version); pad ^= 0xec ^ 0x11) words.push(pad);
  const [count, check] = [QR_BLOCKS[version], QR_CHECK_BYTES[version]];
  const generator = qrGenerator(check);
  const short = Math.floor(words.length / count);
  const long = words.length % count;
  const blocks = [];
  for (let i = 0, at = 0; i < count; i += 1) {
    const size = short + (i >= count - long ? 1 : 0);
    const data = words.slice(at, at + size);
    at += size;
    blocks.push({ data, check: qrRemainder(data, generator) });
  }
  const found = [];
  for (let i = 0; i <= short; i += 1) for (const b of blocks) if (i < b.data.length) found.push(b.data[i]);
  for (let i = 0; i < check; i += 1) for (const b of blocks) found.push(b.check[i]);
  return found;
}

function qrTimes(a, b) {
  let product = 0;
  for (let i = 7; i >= 0; i -= 1) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((b >>> i) & 1) * a;
  }
  return product;
}

function qrGenerator(degree) {
  const found = new Array(degree).fill(0);
  found[degree - 1] = 1;
  for (let i = 0, root = 1; i < degree; i += 1, root = qrTimes(root, 2)) {
    for (let j = 0; j < degree; j += 1) {
      found[j] = qrTimes(found[j], root) ^ (j + 1 < degree ? found[j + 1] : 0);
    }
  }
  return found;
}

function qrRemainder(data, generator) {
  const found = generator.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ found.shift();
    found.push(0);
    generator.forEach((g, i) => { found[i] ^= qrTimes(g, factor); });
  }
  return found;
}

// The modules that no data may take: finders, timing and alignment; format and version stay light
// until the mask is chosen, as the standard asks.
function qrFrame(version) {
  const size = version * 4 + 17;
  const cells = Array.from({ length: size }, () => new Array(size).fill(false));
  const fixed = Array.from({ length: size }, () => new Array(size).fill(false));
  const set = (r, c, dark) => { if (cells[r]?.[c] !== undefined) { cells[r][c] = dark; fixed[r][c] = true; } };
  for (let i = 0; i < size; i += 1) { set(6, i, i % 2 === 0); set(i, 6, i % 2 === 0); }
  for (const [row, column] of [[3, 3], [3, size - 4], [size - 4, 3]]) {
    for (let r = -4; r <= 4; r += 1) {
      for (let c = -4; c <= 4; c += 1) {
        const ring = Math.max(Math.abs(r), Math.abs(c));
        set(row + r, column + c, ring !== 2 && ring !== 4);
      }
    }
  }
  const marks = qrMarks(version, size);
  for (const row of marks) {
    for (const column of marks) {
      if ((row === 6 && (column === 6 || column === size - 7)) || (row === size - 7 && column === 6)) continue;
      for (let r = -2; r <= 2; r += 1) for (let c = -2; c <= 2; c += 1) set(row + r, column + c, Math.max(Math.abs(r), Math.abs(c)) !== 1);
    }
  }
  for (let i = 0; i < 9; i += 1) for (const [r, c] of [[8, i], [i, 8]]) if (!fixed[r][c]) set(r, c, false);
  for (let i = 0; i < 8; i += 1) { set(8, size - 1 - i, false); set(size - 1 - i, 8, false); }
  if (version >= 7) for (let i = 0; i < 18; i += 1) { set(size - 11 + (i % 3), Math.floor(i / 3), false); set(Math.floor(i / 3), size - 11 + (i % 3), false); }
  return { cells, fixed };
}

function qrMarks(version, size) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.floor((version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, i) => size - 7 - (count - 2 - i) * step)];
}

function qrDivide(value, bits, divisor) {
  let rest = value;
  for (let i = 0; i < bits; i += 1) rest = (rest << 1) ^ ((rest >>> (bits - 1)) * divisor);
  return rest;
}

function qrFormat(cells, mask) {
  const size = cells.length;
  const bits = ((mask << 10) | qrDivide(mask, 10, 0x537)) ^ 0x5412;
  const bit = (i) => ((bits >>> i) & 1) === 1;
  for (let i = 0; i < 15; i += 1) {
    // Twice, along both sides of the first finder and beside the two others.
    if (i < 6) cells[i][8] = bit(i); else if (i < 8) cells[i + 1][8] = bit(i); else if (i === 8) cells[8][7] = bit(i); else cells[8][14 - i] = bit(i);
    if (i < 8) cells[8][size - 1 - i] = bit(i); else cells[size - 15 + i][8] = bit(i);
  }
}

function qrVersionMarks(cells, version) {
  const size = cells.length;
  cells[size - 8][8] = true;
  if (version < 7) return;
  const bits = (version << 12) | qrDivide(version, 12, 0x1f25);
  for (let i = 0; i < 18; i += 1) {
    const [far, near] = [size - 11 + (i % 3), Math.floor(i / 3)];
    cells[far][near] = ((bits >>> i) & 1) === 1;
    cells[near][far] = cells[far][near];
  }
}

function qrPlace({ cells, fixed }, words) {
  const size = cells.length;
  let at = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step += 1) {
      const row = ((right + 1) & 2) === 0 ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (fixed[row][column] || at >= words.length * 8) continue;
        cells[row][column] = ((words[at >>> 3] >>> (7 - (at & 7))) & 1) === 1;
        at += 1;
      }
    }
  }
}

function qrPenalty(cells) {
  const size = cells.length;
  let penalty = 0;
  for (const line of [...cells, ...cells.map((_, c) => cells.map((row) => row[c]))]) {
    const text = line.map((dark) => (dark ? "1" : "0")).join("");
    for (const run of text.match(/1+|0+/g)) if (run.length >= 5) penalty += run.length - 2;
    let at = text.indexOf("1011101");
    while (at >= 0) {
      // What lies outside the code is light.
      const alone = !text.slice(Math.max(0, at - 4), at).includes("1") || !text.slice(at + 7, at + 11).includes("1");
      if (alone) penalty += 40;
      at = text.indexOf("1011101", at + (alone ? 7 : 4));
    }
  }
  let dark = 0;
  for (let r = 0; r < size; r += 1) {
    for (let c = 0; c < size; c += 1) {
      dark += cells[r][c];
      if (r && c && cells[r][c] === cells[r - 1][c] && cells[r][c] === cells[r][c - 1] && cells[r][c] === cells[r - 1][c - 1]) penalty += 3;
    }
  }
  return penalty + Math.floor(Math.abs(dark * 20 - size * size * 10) / (size * size)) * 10;
}
