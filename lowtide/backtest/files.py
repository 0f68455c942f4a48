"""Traces of carbon intensity from CSV files, put on equal slots for a backtest.

The reader is that of the file provider (`lowtide.grid.trace`). Short gaps are filled linearly and
reported; a gap longer than a day is refused, because what fills it would be invented.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace
from lowtide.grid.errors import BadAnswer
from lowtide.grid.raw_values import points_of
from lowtide.grid.series import AverageSeries, Factor, Point
from lowtide.grid.slots import slot_index, slot_start, values_on_slots
from lowtide.grid.trace import read_trace_of_command
from lowtide.grid.trace_columns import TraceFileError, file_problem
from lowtide.planning.errors import BacktestError
from lowtide.planning.search import Bools

SHORTEST_SLOT_MINUTES: Final = 30
"""Finer traces are averaged: the work of a backtest grows with the third power of the slots."""
LONGEST_GAP_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace and what was done to the file's values to get it, in sentences for people."""

    trace: BacktestTrace
    notes: tuple[str, ...]


def read_trace(
    path: Path, *, factor: Factor = Factor.UNKNOWN, times_are_utc: bool = False
) -> TraceFile:
    """Return the trace in a CSV file; `factor` and `times_are_utc` as for the reader.

    Raises:
        BacktestError: the reader refuses the file, or a gap is too long; the message names file
            and line.
        OSError: it cannot be read.
    """
    name = path.name
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        read = read_trace_of_command(lines, factor=factor, times_are_utc=times_are_utc)
        if len(read.rows) < 2:
            raise TraceFileError(f"it holds {len(read.rows)} rows of values; a trace has more")
        actual = points_of(read.actuals(), source=name, zero_possible=True)
        forecast = points_of(read.forecasts(), source=name, zero_possible=True)
    except (TraceFileError, BadAnswer, UnicodeDecodeError) as error:
        raise BacktestError(f"{name}: {file_problem(error)}") from error
    notes = [f"{path.stem}: {note}" for note in read.notes]
    return _on_slots(path, actual, forecast, notes)


def _on_slots(
    path: Path, actual: Sequence[Point], forecast: Sequence[Point], notes: list[str]
) -> TraceFile:
    """Return the values on equal slots that divide the hour."""
    name = path.stem
    step = median((point.end - point.start).total_seconds() for point in actual)
    if step > 3600:
        raise BacktestError(f"{path.name}: rows are {step / 60:.0f} min apart; an hour is the most")
    slot = 3600 if step > SHORTEST_SLOT_MINUTES * 60 else SHORTEST_SLOT_MINUTES * 60
    first = slot_index(actual[0].start, slot)
    count = slot_index(actual[-1].end - timedelta(seconds=1), slot) + 1 - first
    if step < slot:
        notes.append(f"{name}: values every {step / 60:.0f} min are averaged to {slot // 60} min")
    seen = values_on_slots(AverageSeries(name, name, tuple(actual)), first, count, slot)
    ahead = values_on_slots(AverageSeries(name, name, tuple(forecast)), first, count, slot)
    missing = np.isnan(seen)
    if missing.any():
        _refuse_long_gap(path.name, missing, slot)
        known = np.flatnonzero(~missing)
        seen[missing] = np.interp(np.flatnonzero(missing), known, seen[known])
        notes.append(
            f"{name}: {int(missing.sum())} missing actuals (absent, negative, contradicting or no "
            "number) are filled linearly"
        )
    if np.isnan(ahead).all():
        notes.append(f"{name}: no forecast column; strict and rolling are the same as none")
    trace = BacktestTrace(
        name=name,
        actual=seen,
        provider=ahead,
        slots_per_hour=3600 // slot,
        first_slot_of_day=first % (86400 // slot),
        start=slot_start(first, slot),
    )
    return TraceFile(trace, tuple(notes))


def _refuse_long_gap(name: str, missing: Bools, slot: int) -> None:
    """Refuse a trace whose longest gap is too long to be filled."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    longest = int(np.max(edges[1::2] - edges[::2])) * slot / 3600
    if longest > LONGEST_GAP_HOURS:
        raise BacktestError(
            f"{name}: {longest:.0f} h in a row have no usable actual; {LONGEST_GAP_HOURS} h is "
            "the longest gap that can be filled, so cut the file there"
        )
