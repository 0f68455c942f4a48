"""Electricity prices from CSV files, as a series and beside a trace.

A file is a header and one row per slot: `time` and one column that names currency and unit, such as
`usd_per_mwh` or `eur_per_kwh`. Negative prices are real; an empty cell is a missing price. A slot
lasts until the next row.
"""

import csv
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace
from lowtide.grid.slots import slot_index, values_on_slots
from lowtide.grid.timed import SeriesError
from lowtide.planning.errors import BacktestError
from lowtide.prices.series import PricePoint, PriceSeries

COLUMN: Final = re.compile(r"([a-z]{3})_per_(kwh|mwh)")
LONGEST_GAP_HOURS: Final = 24


def read_prices(path: Path) -> PriceSeries:
    """Return the prices in a CSV file; times without an offset are UTC.

    Raises:
        BacktestError: a column is missing, a time or price cannot be read, or rows are out of
            order; the message names file and row.
        OSError: the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise BacktestError(f"{path.name} is not CSV text: {error}") from error
    if len(rows) < 3:
        raise BacktestError(f"{path.name} has {max(0, len(rows) - 1)} prices; it needs two or more")
    header = [cell.strip().lower() for cell in rows[0]]
    named = [place for place, name in enumerate(header) if COLUMN.fullmatch(name)]
    if "time" not in header or len(named) != 1:
        raise BacktestError(
            f"{path.name} has the columns {', '.join(header)}; it needs time and one that names "
            "currency and unit, such as usd_per_mwh or eur_per_kwh"
        )
    currency, unit = header[named[0]].split("_per_")
    scale = 1000 if unit == "mwh" else 1
    places = header.index("time"), named[0]
    read = [_row(path.name, number, row, *places) for number, row in enumerate(rows[1:], 2)]
    starts = [start for start, _ in read]
    for number, (earlier, later) in enumerate(pairwise(starts), 3):
        if later <= earlier:
            raise BacktestError(
                f"{path.name} row {number}: {later.isoformat()} does not come after the row before"
            )
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
    step = timedelta(seconds=median(gaps))
    ends = [min(later, start + step) for start, later in pairwise(starts)] + [starts[-1] + step]
    points = tuple(
        PricePoint(start, end, None if price is None else price / scale)
        for (start, price), end in zip(read, ends, strict=True)
    )
    try:
        return PriceSeries(path.stem, path.name, points, currency=currency.upper())
    except SeriesError as error:
        raise BacktestError(f"{path.name}: {error}") from error


def _row(
    name: str, number: int, row: list[str], time: int, price: int
) -> tuple[datetime, float | None]:
    cells = [row[place].strip() if place < len(row) else "" for place in (time, price)]
    try:
        moment = datetime.fromisoformat(cells[0])
        value = float(cells[1]) if cells[1] else None
    except ValueError as error:
        raise BacktestError(
            f"{name} row {number}: {cells[0]!r}, {cells[1]!r} is not a time and a price"
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment, value if value is None or isfinite(value) else None


def with_prices(trace: BacktestTrace, prices: PriceSeries) -> BacktestTrace:
    """Return the trace with the prices of its slots; short gaps are filled linearly.

    Raises:
        BacktestError: the trace does not know its start, or prices are missing for longer.
    """
    if trace.start is None:
        raise BacktestError(f"{trace.name} does not say when it starts; prices need a time")
    slot = 3600 // trace.slots_per_hour
    first = slot_index(trace.start, slot)
    values = values_on_slots(prices, first, len(trace.actual), slot)
    missing = np.isnan(values)
    longest = LONGEST_GAP_HOURS * trace.slots_per_hour
    if missing.all() or _longest_run(missing) > longest:
        raise BacktestError(
            f"{prices.source} leaves more than {LONGEST_GAP_HOURS} h of {trace.name} without a "
            f"price; it must cover the trace from {trace.start.isoformat()} on"
        )
    known = np.flatnonzero(~missing)
    values[missing] = np.interp(np.flatnonzero(missing), known, values[known])
    return replace(trace, price_per_kwh=values, currency=prices.currency)


def _longest_run(flags: "np.typing.NDArray[np.bool_]") -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
