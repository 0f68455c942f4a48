"""Prices in a CSV file: a header and one row per slot.

The column of the price names currency and unit, such as `usd_per_mwh` or `EUR/kWh`; of several such
columns the file is refused. Times are read by the rule of intensity traces (`lowtide.grid.trace`).
An empty cell is a missing price, a negative one is real. Pure: text in, series out.
"""

import csv
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from lowtide.grid.errors import BadAnswer
from lowtide.grid.raw_values import RawValue
from lowtide.grid.trace import ROWS_MAX, parse_cell, parse_slot_start
from lowtide.grid.trace_columns import TraceFileError, time_column
from lowtide.prices.raw_prices import price_points
from lowtide.prices.series import PriceSeries

COLUMN: Final = re.compile(r"(?:.*[^a-z])?([a-z]{3}) ?(?:/|_per_) ?([km])wh\W*")
SHOWN_MAX: Final = 120
EXPECTED: Final = "write a column time and one such as eur_per_mwh or usd_per_kwh"


def read_prices(
    lines: Iterable[str], *, zone: str, source: str, times_are_utc: bool = False
) -> PriceSeries:
    """Return the prices in the lines of a CSV file, per kWh.

    `source` names the file in the series and in errors.

    Raises:
        TraceFileError: a column is missing or ambiguous, a cell is not a price, a time is malformed
        or has no offset, times run backwards, or there are fewer than two rows.
    """
    reader = csv.reader(lines)
    try:
        header = next(reader, [])
        time, times_in_utc = time_column(header, EXPECTED)
        place, currency, per_mwh = _price_column(header, time)
        values = _values(reader, len(header), time, place, times_are_utc or times_in_utc)
    except csv.Error as error:
        raise TraceFileError(f"line {reader.line_num} is not CSV text: {error}") from None
    try:
        points = price_points(values, source=source, per_mwh=per_mwh)
    except BadAnswer as error:
        raise TraceFileError(str(error)) from None
    if not points:
        raise TraceFileError("there are no rows below the header")
    return PriceSeries(zone, source, points, currency)


def _price_column(header: list[str], time: int) -> tuple[int, str, bool]:
    """Return the place of the price, its currency, and whether it is per MWh."""
    found = [
        (place, match)
        for place, name in enumerate(header)
        if place != time and (match := COLUMN.fullmatch(name.strip().lower()))
    ]
    if len(found) != 1:
        shown = ",".join(header)[:SHOWN_MAX]
        raise TraceFileError(
            f"the first line {shown!r} has {len(found)} columns that name currency and unit of a "
            "price: write one, such as eur_per_kwh or usd_per_mwh"
        )
    place, match = found[0]
    return place, match[1].upper(), match[2] == "m"


def _values(
    reader: Iterable[list[str]], width: int, time: int, place: int, times_are_utc: bool
) -> list[RawValue]:
    values: list[RawValue] = []
    last: datetime | None = None
    for line, cells in enumerate(reader, 2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"line {line}"
        if len(cells) != width:
            raise TraceFileError(f"{where} has {len(cells)} cells, the header has {width}")
        start = parse_slot_start(cells[time], where, times_are_utc)
        if last is not None and start < last:
            raise TraceFileError(f"{where}: {start.isoformat()} is earlier than the line before it")
        values.append(RawValue(start, parse_cell(cells[place], where)))
        last = start
        if len(values) > ROWS_MAX:
            raise TraceFileError(f"more than {ROWS_MAX} rows")
    return values
