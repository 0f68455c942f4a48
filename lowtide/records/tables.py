"""Tables of runs as text: which character separates the cells, and which mark the decimals have.

A table is read whole or refused: a column named twice, a row with too few or too many cells, or a
number whose decimal mark is also the separator would otherwise give a wrong number without a word.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.records.errors import ReportError, shown

SEPARATORS: Final = (",", ";", "\t", "|")
MOST_COLUMNS: Final = 2000
MOST_CELL: Final = 128 * 1024
"""Characters of one cell."""
NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d{1,4})?", re.ASCII)
NOT_KNOWN: Final = frozenset(
    {"", "-", "–", "—", "n/a", "n.a.", "na", "null", "none", "?", "unknown"}
)
"""Cells that say that nothing is known, in small letters."""


@dataclass(frozen=True, slots=True)
class RunTable:
    """Columns and rows of a table; a row maps columns to filled cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    """Line number in the file, and the cells that hold something."""
    decimal_comma: bool


def parse_table(text: str, where: str) -> RunTable:
    """Return the table in a text whose first line names the columns.

    Raises:
        ReportError: there is no table, a column stands twice, or a row does not fit the columns.
    """
    # A lone carriage return ends a line too, as old programs write it.
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    named = None
    if text[:4].lower() == "sep=":  # as some spreadsheets announce the separator
        first, _, text = text.partition("\n")
        named = first[4:] or None
    if "\0" in text:
        raise ReportError(f"{where} holds a NUL character: it is not a table of text")
    head = text[: MOST_CELL * 4]
    separator = named if named in SEPARATORS else _separator(head)
    lines = _lines(text, separator, where)
    columns = _columns(next(lines, (0, []))[1], where)
    rows = tuple(_row(number, cells, columns, separator, where) for number, cells in lines if cells)
    return RunTable(columns, rows, separator != "," and _has_decimal_comma(rows))


def parse_number(text: str, *, decimal_comma: bool = False) -> float:
    """Return the number that a cell holds.

    Raises:
        ValueError: the cell holds no plain decimal number.
    """
    plain = text.strip().replace("\u2212", "-")
    if NUMBER.fullmatch(plain):
        return float(plain)
    if DECIMAL_COMMA.fullmatch(plain):
        if decimal_comma:
            return float(plain.replace(",", "."))
        raise ValueError(f"{shown(text)} has a comma: write the number with a decimal point")
    raise ValueError(f"{shown(text)} is not a number")


def _separator(head: str) -> str:
    """Return the character that parts the first line, outside of quotation marks."""
    first = next(csv.reader([re.sub(r'"[^"]*"', "x", head.split("\n", 1)[0])], delimiter="\0"), [])
    line = first[0] if first else ""
    return max(SEPARATORS, key=line.count)


def _lines(text: str, separator: str, where: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        # The limit is a setting of the whole module; it is what its own default is.
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ReportError(f"{where} line {reader.line_num}: {error}") from error
        yield reader.line_num, cells


def _columns(cells: Sequence[str], where: str) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    if not any(columns):
        raise ReportError(f"{where} is empty: its first line must name the columns")
    if len(columns) > MOST_COLUMNS:
        raise ReportError(f"{where} has {len(columns)} columns, more than {MOST_COLUMNS}")
    seen = set()
    for name in columns:
        if name and name.casefold() in seen:
            raise ReportError(f"{where} has the column {shown(name)} twice: only one may stand")
        seen.add(name.casefold())
    return columns


def _row(
    number: int, cells: Sequence[str], columns: Sequence[str], separator: str, where: str
) -> tuple[int, Mapping[str, str]]:
    if len(cells) != len(columns):
        more = "more" if len(cells) > len(columns) else "fewer"
        hint = (
            ": a decimal comma needs a semicolon between the cells"
            if separator == "," and len(cells) > len(columns)
            else ""
        )
        raise ReportError(
            f"{where} line {number} has {len(cells)} cells, {more} cells than there are columns "
            f"({len(columns)}){hint}"
        )
    filled = {
        name: text
        for name, cell in zip(columns, cells, strict=True)
        if name and (text := cell.strip()).casefold() not in NOT_KNOWN
    }
    return number, filled


def _has_decimal_comma(rows: Sequence[tuple[int, Mapping[str, str]]]) -> bool:
    """Return whether a number of the table has a comma and none has a point.

    With both, a comma or a point could part thousands, and such a cell is refused as a number.
    """
    comma = point = False
    for _, cells in rows:
        for text in cells.values():
            comma = comma or DECIMAL_COMMA.fullmatch(text) is not None
            point = point or ("." in text and NUMBER.fullmatch(text) is not None)
    return comma and not point
