"""Widths of texts on drawings, and texts fitted to a width: shrunk, wrapped or cut.

One table of widths for every format: the wider of Helvetica, which PDF readers have, and of the
font that Pillow draws with. A text that fits by it fits in print, in a picture and on the page of
the explorer, whose script has the same table and the same rules; SVG states the width, so that a
machine without Helvetica presses its own font into it.
"""

import functools
from collections.abc import Sequence
from typing import Final

from fpdf.fonts import CORE_FONTS_CHARWIDTHS
from PIL import ImageFont

FIRST, LAST = 32, 255
"""Code points that the table covers: printable Latin-1."""
NARROW_THOUSANDTHS, WIDE_THOUSANDTHS = 700, 1000
"""Widths of other characters, below and from `WIDE_FROM`, in thousandths of the font size."""
WIDE_FROM: Final = 0x1100
"""First code point of the scripts that are as wide as high."""
ENDING: Final = "..."
"""End of a text that was cut."""
BREAKS: Final = "-_/."
"""Signs after which a word may break."""
MOST_CHARACTERS: Final = 400
"""Characters of a text that are looked at: no label has room for more."""


@functools.cache
def font(size: float) -> ImageFont.FreeTypeFont:
    """Return the font that PNG texts are drawn with.

    Raises:
        RuntimeError: Pillow has no FreeType.
    """
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType, which draws the texts of a label")
    return found


@functools.cache
def width_table(bold: bool) -> tuple[int, ...]:
    """Return the width of every code point of the table, in thousandths of the font size."""
    helvetica, drawn = CORE_FONTS_CHARWIDTHS["helveticaB" if bold else "helvetica"], font(1000)
    return tuple(
        max(helvetica.get(chr(point), 0), round(drawn.getlength(chr(point))))
        for point in range(FIRST, LAST + 1)
    )


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width that a text takes at most."""
    table = width_table(bold)
    total = 0
    for point in map(ord, text):
        if FIRST <= point <= LAST:
            total += table[point - FIRST]
        else:
            total += NARROW_THOUSANDTHS if point < WIDE_FROM else WIDE_THOUSANDTHS
    return total * size / 1000


def fitted(
    text: str, size: float, width: float, *, bold: bool = False, least: float = 5
) -> tuple[str, float]:
    """Return the text and the size at which it fits `width`; a text that cannot is shortened."""
    text = _bounded(text)
    while size > least and text_width(text, size, bold=bold) > width:
        size -= 0.5
    while len(text) > len(ENDING) + 1 and text_width(text, size, bold=bold) > width:
        text = text.removesuffix(ENDING)[:-1].rstrip() + ENDING
    return text, size


def wrapped(
    text: str, size: float, width: float, *, most: int, bold: bool = False
) -> tuple[str, ...]:
    """Return at most `most` lines that fit `width`; the last one shows that more would follow.

    Lines break at plain spaces; a word that is too long breaks after one of `BREAKS`, else where
    the line is full.
    """
    lines: list[str] = []
    line = ""
    for word in filter(None, _bounded(text).split(" ")):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, bold=bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while (room := _fitting(line, size, width, bold)) < len(line):
            at = max(line.rfind(sign, room // 2, room) for sign in BREAKS) + 1
            cut = at or room
            lines.append(line[:cut])
            line = line[cut:]
    lines.append(line)
    if len(lines) <= most:
        return tuple(lines)
    last, _ = fitted(lines[most - 1] + ENDING, size, width, bold=bold, least=size)
    return (*lines[: most - 1], last)


def paragraph(
    text: str, width: float, sizes: Sequence[tuple[float, int]]
) -> tuple[tuple[str, ...], float]:
    """Return the lines of a bold text and their size: the first of `sizes` that cuts nothing.

    `sizes` pairs a font size with the most lines at that size; at the last one the text is cut.
    """
    for size, most in sizes[:-1]:
        lines = wrapped(text, size, width, most=most, bold=True)
        if "".join(lines).replace(" ", "") == _bounded(text).replace(" ", ""):
            return lines, size
    size, most = sizes[-1]
    return wrapped(text, size, width, most=most, bold=True), size


def _bounded(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + ENDING


def _fitting(text: str, size: float, width: float, bold: bool) -> int:
    """Return how many characters from the start fit, at least one."""
    count = len(text)
    while count > 1 and text_width(text[:count], size, bold=bold) > width:
        count -= 1
    return count
