"""A carbon-intensity trace in a CSV file: reading it strictly, and replaying it later or faster.

Two layouts are read as they are: `time,g_per_kwh[,forecast]`, and that of the public day-ahead
data set DACF (`time,actual_g_per_kwh[,day_ahead_forecast_g_per_kwh]`). A time without an offset
is refused unless the caller declares the file to be in UTC, because a local clock has a missing
and a doubled hour each year. Pure: text in, rows out; files and clocks are the callers'.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from lowtide.units import lb_per_mwh_to_grams_per_kwh

TIME_COLUMN: Final = "time"
GRAMS_COLUMNS: Final = ("g_per_kwh", "actual_g_per_kwh")
UNIT_FREE_COLUMN: Final = "value"
FORECAST_COLUMNS: Final = ("forecast", "forecast_g_per_kwh", "day_ahead_forecast_g_per_kwh")
ROWS_MAX: Final = 2_000_000
YEARS: Final = range(1971, 3000)


class IntensityUnit(StrEnum):
    """Units that a trace may be in."""

    GRAMS_PER_KWH = "g/kWh"
    KILOGRAMS_PER_MWH = "kg/MWh"
    POUNDS_PER_MWH = "lb/MWh"

    def to_grams_per_kwh(self, value: float) -> float:
        """Return `value` of this unit in g/kWh; 1 kg/MWh is 1 g/kWh."""
        return lb_per_mwh_to_grams_per_kwh(value) if self is IntensityUnit.POUNDS_PER_MWH else value


class TraceFileError(ValueError):
    """A trace cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One slot of a trace. `None` is an empty cell; other oddities are for the caller to judge."""

    start: datetime
    actual: float | None
    forecast: float | None


@dataclass(frozen=True, slots=True)
class GridTrace:
    """Rows in time order, in g/kWh, and whether the file has a forecast column at all."""

    rows: tuple[TraceRow, ...]
    has_forecast: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """Moves a trace in time: `trace_start` happens at `wall_start`, `speed` times as fast."""

    trace_start: datetime
    wall_start: datetime
    speed: float = 1.0

    def wall(self, moment: datetime) -> datetime:
        """Return when `moment` of the trace happens."""
        return self.wall_start + (moment - self.trace_start) / self.speed


def read_trace(
    lines: Sequence[str],
    *,
    unit: IntensityUnit = IntensityUnit.GRAMS_PER_KWH,
    times_are_utc: bool = False,
) -> GridTrace:
    """Return the trace in the lines of a CSV file.

    Rows are in the order of the file; equal times are kept, because only the caller can say
    whether they contradict each other.

    Raises:
        TraceFileError: a column is missing, a unit contradicts a column's name, a cell is no
            number, a time is no time or has no offset, times run backwards, or there are no rows.
    """
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    value_index = _value_index(header, unit)
    forecast_index = next((header.index(name) for name in FORECAST_COLUMNS if name in header), None)
    rows: list[TraceRow] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"line {reader.line_num}"
        if len(cells) != len(header):
            raise TraceFileError(f"{where} has {len(cells)} cells, the header has {len(header)}")
        start = _time(cells[header.index(TIME_COLUMN)], where, times_are_utc)
        if rows and start < rows[-1].start:
            raise TraceFileError(f"{where}: {start.isoformat()} is earlier than the line before it")
        actual = _number(cells[value_index], where, unit)
        forecast = None if forecast_index is None else _number(cells[forecast_index], where, unit)
        rows.append(TraceRow(start, actual, forecast))
        if len(rows) > ROWS_MAX:
            raise TraceFileError(f"more than {ROWS_MAX} rows")
    if not rows:
        raise TraceFileError("there are no rows below the header")
    return GridTrace(tuple(rows), forecast_index is not None)


def _value_index(header: Sequence[str], unit: IntensityUnit) -> int:
    if TIME_COLUMN not in header:
        raise TraceFileError(
            f"the first line {','.join(header)[:80]!r} has no column {TIME_COLUMN!r}: "
            "write time,g_per_kwh or time,g_per_kwh,forecast"
        )
    for name in GRAMS_COLUMNS:
        if name in header:
            if unit is IntensityUnit.POUNDS_PER_MWH:
                raise TraceFileError(f"column {name} contradicts the configured unit {unit}")
            return header.index(name)
    if UNIT_FREE_COLUMN in header:
        return header.index(UNIT_FREE_COLUMN)
    raise TraceFileError(
        f"the first line {','.join(header)[:80]!r} has none of the columns "
        f"{', '.join((*GRAMS_COLUMNS, UNIT_FREE_COLUMN))}"
    )


def _time(text: str, where: str, times_are_utc: bool) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise TraceFileError(f"{where}: {text[:40]!r} is not an ISO 8601 time") from None
    if moment.year not in YEARS:
        raise TraceFileError(f"{where}: the year of {text.strip()[:40]!r} cannot be meant")
    if moment.tzinfo is None:
        if not times_are_utc:
            raise TraceFileError(
                f"{where}: time {text.strip()[:40]!r} has no offset: add Z, or declare the file "
                "to be in UTC"
            )
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def _number(text: str, where: str, unit: IntensityUnit) -> float | None:
    if not text.strip():
        return None
    try:
        return unit.to_grams_per_kwh(float(text))
    except ValueError:
        raise TraceFileError(f"{where}: {text[:40]!r} is not a number") from None
