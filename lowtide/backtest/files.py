"""Traces of carbon intensity from CSV files, as other people have them.

A file is a header and one row per slot: a time, the actual intensity and, if there is one, the
provider's forecast of that slot. Times without an offset are UTC. Short gaps are filled linearly
and reported; a gap longer than a day is refused, because what fills it would be invented.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace
from lowtide.grid.series import AverageSeries, IntensitySeries, Point, SeriesError
from lowtide.grid.slots import slot_index, values_on_slots
from lowtide.planning.errors import BacktestError
from lowtide.planning.search import Bools

SHORTEST_SLOT_MINUTES: Final = 30
"""Finer traces are averaged: the work of a backtest grows with the third power of the slots."""
LONGEST_GAP_HOURS: Final = 24

_TIME_WORDS: Final = ("time", "date", "from", "start", "utc")
_ACTUAL_WORDS: Final = ("actual", "g_per_kwh", "intensity", "carbon", "co2")
_FORECAST_WORDS: Final = ("forecast", "predict")


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace and what was done to the file's values to get it, in sentences for people."""

    trace: BacktestTrace
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Columns:
    time: int
    actual: int
    forecast: int | None


def read_trace(path: Path) -> TraceFile:
    """Return the trace in a CSV file.

    Raises:
        BacktestError: a column is missing, a time or value cannot be read, rows are out of order,
            or a gap is too long; the message names file and row.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise BacktestError(f"{path.name} is no CSV text: {error}") from error
    if len(rows) < 3:
        raise BacktestError(
            f"{path.name} holds {max(0, len(rows) - 1)} rows of values; a trace has more"
        )
    columns = _columns(path.name, rows[0])
    times = [_time(path.name, number, row, columns) for number, row in enumerate(rows[1:], 2)]
    for number, (earlier, later) in enumerate(pairwise(times), 3):
        if later <= earlier:
            raise BacktestError(
                f"{path.name} row {number}: {later.isoformat()} does not come after the row before "
                f"({earlier.isoformat()}); rows must rise in time, each time once, and local times "
                "need their offset"
            )
    actual = [_value(path.name, n, row, columns.actual) for n, row in enumerate(rows[1:], 2)]
    forecast = [
        None if columns.forecast is None else _value(path.name, n, row, columns.forecast)
        for n, row in enumerate(rows[1:], 2)
    ]
    return _trace(path, times, actual, forecast)


def _columns(name: str, header: Sequence[str]) -> _Columns:
    """Return which columns hold what, by words in their names."""
    names = [cell.strip().lower() for cell in header]

    def first(words: Sequence[str], without: Sequence[str] = ()) -> int | None:
        for word in words:
            for place, text in enumerate(names):
                if word in text and not any(other in text for other in without):
                    return place
        return None

    time = first(_TIME_WORDS, (*_FORECAST_WORDS, "g_per_kwh"))
    actual = first(_ACTUAL_WORDS, _FORECAST_WORDS)
    if time is None or actual is None:
        missing = "time" if time is None else "actual_g_per_kwh"
        raise BacktestError(
            f"{name} has the columns {', '.join(header)}; a column {missing} is missing "
            "(expected: time,actual_g_per_kwh[,day_ahead_forecast_g_per_kwh])"
        )
    return _Columns(time, actual, first(_FORECAST_WORDS))


def _time(name: str, number: int, row: Sequence[str], columns: _Columns) -> datetime:
    text = row[columns.time].strip() if columns.time < len(row) else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BacktestError(
            f"{name} row {number}: {text!r} is no ISO 8601 time such as 2021-07-01T00:00Z"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _value(name: str, number: int, row: Sequence[str], column: int) -> float | None:
    """Return a value in g/kWh; `None` where it is empty, negative or not finite."""
    text = row[column].strip() if column < len(row) else ""
    if text.lower() in ("", "null", "none", "nan", "na", "n/a"):
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise BacktestError(f"{name} row {number}: {text!r} is not a number of g/kWh") from error
    return value if 0 <= value < float("inf") else None


def _trace(
    path: Path,
    times: Sequence[datetime],
    actual: Sequence[float | None],
    forecast: Sequence[float | None],
) -> TraceFile:
    """Return the values on equal slots that divide the hour."""
    name = path.stem
    step = median((b - a).total_seconds() for a, b in pairwise(times))
    if step > 3600:
        raise BacktestError(f"{path.name}: rows are {step / 60:.0f} min apart; an hour is the most")
    slot = 3600 if step > SHORTEST_SLOT_MINUTES * 60 else SHORTEST_SLOT_MINUTES * 60
    length = timedelta(seconds=step)
    first = slot_index(times[0], slot)
    count = slot_index(times[-1] + length - timedelta(seconds=1), slot) + 1 - first
    notes = []
    if step < slot:
        notes.append(f"{name}: values every {step / 60:.0f} min are averaged to {slot // 60} min")
    seen = values_on_slots(_series(name, times, actual, length), first, count, slot)
    ahead = values_on_slots(_series(name, times, forecast, length), first, count, slot)
    missing = np.isnan(seen)
    if missing.any():
        _refuse_long_gap(path.name, missing, slot)
        known = np.flatnonzero(~missing)
        seen[missing] = np.interp(np.flatnonzero(missing), known, seen[known])
        notes.append(
            f"{name}: {int(missing.sum())} missing actuals (absent, negative or no number) are "
            "filled linearly"
        )
    if np.isnan(ahead).all():
        notes.append(f"{name}: no forecast column; strict and rolling are the same as none")
    trace = BacktestTrace(
        name=name,
        actual=seen,
        provider=ahead,
        slots_per_hour=3600 // slot,
        first_slot_of_day=first % (86400 // slot),
    )
    return TraceFile(trace, tuple(notes))


def _series(
    name: str, times: Sequence[datetime], values: Sequence[float | None], length: timedelta
) -> IntensitySeries:
    ends = [min(time + length, later) for time, later in pairwise(times)]
    ends.append(times[-1] + length)
    points = (Point(*entry) for entry in zip(times, ends, values, strict=True))
    try:
        return AverageSeries(name, name, tuple(points))
    except SeriesError as error:
        raise BacktestError(str(error)) from error


def _refuse_long_gap(name: str, missing: Bools, slot: int) -> None:
    """Refuse a trace whose longest gap is too long to be filled."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    longest = int(np.max(edges[1::2] - edges[::2])) * slot / 3600
    if longest > LONGEST_GAP_HOURS:
        raise BacktestError(
            f"{name}: {longest:.0f} h in a row have no usable actual; {LONGEST_GAP_HOURS} h is "
            "the longest gap that can be filled, so cut the file there"
        )
