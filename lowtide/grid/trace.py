"""A carbon-intensity trace in a CSV file: one reader for the file provider and the command line.

A header and one row per slot: a time, the intensity and, if there is one, its forecast. Which
column holds what is the rule of `trace_columns`. A time without an offset is refused unless the
file says UTC in the name of its time column or the caller declares it, because a local clock has a
missing and a doubled hour each year. Pure: text in, rows out; files and clocks are the callers'.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from lowtide.grid.raw_values import RawValue, slot_lengths
from lowtide.grid.series import Factor
from lowtide.grid.trace_columns import (
    IntensityUnit,
    MissingOffsetError,
    TraceColumns,
    TraceFileError,
    find_columns,
)
from lowtide.units import format_duration, format_time_column

ROWS_MAX: Final = 2_000_000
YEARS: Final = range(1971, 3000)
NO_VALUE: Final = frozenset({"", "null", "none", "nan", "na", "n/a", "-"})
"""Texts of a cell without a value, in small letters."""
STEPS_SHOWN_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One slot of a trace in g/kWh; `None` is an empty cell, odd values stay as they are."""

    start: datetime
    actual: float | None
    forecast: float | None


@dataclass(frozen=True, slots=True)
class GridTrace:
    """A trace as read from a file."""

    rows: tuple[TraceRow, ...]
    """Rows in time order; equal times are kept."""
    has_forecast: bool
    """Whether the file has a forecast column at all."""
    factor: Factor = Factor.UNKNOWN
    """Which emissions the intensity includes, as far as the file says."""
    notes: tuple[str, ...] = ()
    """Choices made where the file is ambiguous, in sentences for people."""
    utc_was_assumed: bool = False
    """Whether times without an offset were taken as UTC though nothing declares it."""

    def actuals(self) -> list[RawValue]:
        """Return the intensity of every row."""
        return [RawValue(row.start, row.actual) for row in self.rows]

    def forecasts(self) -> list[RawValue]:
        """Return the forecast of every row."""
        return [RawValue(row.start, row.forecast) for row in self.rows]


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
    lines: Iterable[str],
    *,
    unit: IntensityUnit | None = None,
    factor: Factor = Factor.UNKNOWN,
    times_are_utc: bool = False,
) -> GridTrace:
    """Return the trace in the lines of a CSV file.

    `unit` is that of a column whose name says none (default: g/kWh); `factor` chooses among columns
    of direct and life-cycle emissions. Equal times are kept, because only the caller can say
    whether they contradict each other.

    Raises:
        TraceFileError: a column is missing or ambiguous, a unit contradicts a column's name, a cell
            is not a number, a time is malformed or has no offset, times run backwards, or there are
            no rows.
    """
    reader = csv.reader(lines)
    try:
        header = next(reader, [])
        columns = find_columns(header, unit=unit, factor=factor)
        rows = _rows(reader, len(header), columns, times_are_utc or columns.times_are_utc)
    except csv.Error as error:
        raise TraceFileError(f"line {reader.line_num} is not CSV text: {error}") from None
    if not rows:
        raise TraceFileError("there are no rows below the header")
    return GridTrace(
        rows=tuple(rows),
        has_forecast=columns.forecast is not None,
        factor=columns.factor,
        notes=(*columns.notes, *_step_notes([row.start for row in rows])),
    )


def read_trace_of_command(
    lines: Sequence[str], *, factor: Factor = Factor.UNKNOWN, times_are_utc: bool = False
) -> GridTrace:
    """Return a trace that a person named on the command line.

    Half of the published traces do not mark their times: those without an offset are taken as UTC,
    and a note says so. A file of the operator's settings is read by `read_trace`, which refuses
    them, because a note would have no reader there.

    Raises:
        TraceFileError: as for `read_trace`.
    """
    try:
        return read_trace(lines, factor=factor, times_are_utc=times_are_utc)
    except MissingOffsetError:
        read = read_trace(lines, factor=factor, times_are_utc=True)
        notes = ("times have no offset and are taken as UTC", *read.notes)
        return replace(read, notes=notes, utc_was_assumed=True)


def _rows(
    reader: Iterable[list[str]], width: int, columns: TraceColumns, times_are_utc: bool
) -> list[TraceRow]:
    rows: list[TraceRow] = []
    for line, cells in enumerate(reader, 2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"line {line}"
        if len(cells) != width:
            raise TraceFileError(f"{where} has {len(cells)} cells, the header has {width}")
        start = parse_slot_start(cells[columns.time], where, times_are_utc)
        if rows and start < rows[-1].start:
            raise TraceFileError(f"{where}: {start.isoformat()} is earlier than the line before it")
        actual = _grams(cells[columns.actual], where, columns.unit)
        forecast = (
            None
            if columns.forecast is None
            else _grams(cells[columns.forecast], where, columns.unit)
        )
        rows.append(TraceRow(start, actual, forecast))
        if len(rows) > ROWS_MAX:
            raise TraceFileError(f"more than {ROWS_MAX} rows")
    return rows


def parse_slot_start(text: str, where: str, times_are_utc: bool) -> datetime:
    """Return the UTC time in a cell; `where` is the line for the error.

    Raises:
        TraceFileError: it is not an ISO 8601 time, its year cannot be meant, or it has no offset
        and the times were not declared to be in UTC.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise TraceFileError(f"{where}: {text[:40]!r} is not an ISO 8601 time") from None
    if moment.year not in YEARS:
        raise TraceFileError(f"{where}: the year of {text.strip()[:40]!r} cannot be meant")
    if moment.tzinfo is None:
        if not times_are_utc:
            raise MissingOffsetError(
                f"{where}: time {text.strip()[:40]!r} has no offset: add Z, or declare the file "
                "to be in UTC (timesAreUtc, --utc)"
            )
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def parse_cell(text: str, where: str) -> float | None:
    """Return the number in a cell, `None` where it holds none; `where` is the line for the error.

    Raises:
        TraceFileError: it is neither a number nor a usual word for none.
    """
    if text.strip().lower() in NO_VALUE:
        return None
    try:
        return float(text)
    except ValueError:
        raise TraceFileError(f"{where}: {text[:40]!r} is not a number") from None


def _grams(text: str, where: str, unit: IntensityUnit) -> float | None:
    number = parse_cell(text, where)
    return None if number is None else unit.to_grams_per_kwh(number)


def _step_notes(starts: Sequence[datetime]) -> list[str]:
    """Return a sentence on the steps of the rows where they change."""
    lengths = slot_lengths(sorted(set(starts)))
    if lengths is None or len(set(lengths)) == 1:
        return []
    changes = []
    last = None
    for start, length in zip(sorted(set(starts)), lengths, strict=True):
        if length != last:
            step = format_duration(length.total_seconds())
            changes.append(f"{step} from {format_time_column(start)}")
            last = length
    if len(changes) > STEPS_SHOWN_MAX:
        changes[STEPS_SHOWN_MAX:] = [f"{len(changes) - STEPS_SHOWN_MAX} more changes"]
    return [f"slots change their length: {', '.join(changes)}"]
