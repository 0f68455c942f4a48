"""Layout of a table whose rows are runs: as many columns side by side as the width allows.

Columns that do not fit stand in a further table below, with the names of the runs again, so that
no line is ever wrapped. Text only: colour and width are the caller's arguments.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

DASH: Final = "–"
LONGEST_NAME: Final = 28
GAP: Final = 2

Painter = Callable[[str, str], str]
"""Takes a text and a verdict (better, worse) and returns the text, coloured or not."""


def plain_text(text: str, verdict: str) -> str:
    """Return the text as it is: the painter of files and pipes."""
    return text


class TableCell(NamedTuple):
    """A text, and the verdict that decides its colour."""

    text: str = ""
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Columns that stay together, for example a value and its change."""

    headers: tuple[str, ...]
    columns: tuple[tuple[TableCell, ...], ...]
    """One tuple of cells per header, one cell per run."""

    @property
    def is_empty(self) -> bool:
        """Whether no run has anything to show here."""
        return all(cell.text in ("", DASH) for column in self.columns for cell in column)

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of each column in places of a terminal."""
        return tuple(
            max(places(text) for text in {header, *(cell.text for cell in column)})
            for header, column in zip(self.headers, self.columns, strict=True)
        )


def places(text: str) -> int:
    """Return how many places of a terminal a text takes: wide characters two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name of at most `most` places, with an ellipsis in the middle where it is longer.

    Names of runs differ at their ends more often than in the middle.
    """
    if places(name) <= most:
        return name
    head, tail = name[: most // 2], name[-(most // 2) :]
    while places(head) + places(tail) + 1 > most:
        head, tail = head[:-1], tail[1:]
    return f"{head}…{tail}"


def lines_of(
    names: Sequence[str],
    blocks: Sequence[Block],
    *,
    width: int,
    head: str = "run",
    paint: Painter = plain_text,
) -> list[str]:
    """Return the lines of the tables, an empty line between two of them."""
    shown = [shortened(name, min(LONGEST_NAME, max(8, width // 3))) for name in names]
    first = max(places(name) for name in (*shown, head))
    lines: list[str] = []
    for part in _packed(blocks, width - first):
        if lines:
            lines.append("")
        lines += _table(head, shown, first, part, paint)
    return lines


def _packed(blocks: Sequence[Block], room: int) -> list[list[tuple[Block, tuple[int, ...]]]]:
    """Return the blocks with the widths of their columns, as many together as fit."""
    parts: list[list[tuple[Block, tuple[int, ...]]]] = []
    left = 0
    for block in blocks:
        if block.is_empty:
            continue
        widths = block.widths
        needed = sum(widths) + GAP * len(widths)
        if not parts or needed > left:
            parts.append([])
            left = room
        parts[-1].append((block, widths))
        left -= needed
    return parts


def _table(
    head: str,
    names: Sequence[str],
    first: int,
    blocks: Sequence[tuple[Block, tuple[int, ...]]],
    paint: Painter,
) -> list[str]:
    widths = [width for _, widths in blocks for width in widths]
    headers = [header for block, _ in blocks for header in block.headers]
    columns = [column for block, _ in blocks for column in block.columns]
    sides = [[name + " " * (first - places(name)) for name in (head, *names)]]
    for header, column, width in zip(headers, columns, widths, strict=True):
        sides.append([_padded(cell, width, paint) for cell in (TableCell(header), *column)])
    return [(" " * GAP).join(parts).rstrip() for parts in zip(*sides, strict=True)]


def _padded(cell: TableCell, width: int, paint: Painter) -> str:
    text = cell.text
    space = " " * (width - places(text))
    return space + (text if cell.verdict is None else paint(text, cell.verdict))
