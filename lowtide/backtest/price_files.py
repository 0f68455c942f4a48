"""Electricity prices from CSV files, as a series and beside a trace.

The reader is that of the price provider (`lowtide.prices.files`): `time` and one column that names
currency and unit, such as `usd_per_mwh`. Short gaps are filled linearly.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace
from lowtide.grid.slots import slot_index, slot_start, values_on_slots
from lowtide.grid.trace_columns import TraceFileError, file_problem
from lowtide.planning.errors import BacktestError
from lowtide.prices.files import read_prices as read_lines
from lowtide.prices.series import PriceSeries

LONGEST_GAP_HOURS: Final = 24


def read_prices(path: Path, *, times_are_utc: bool = False) -> PriceSeries:
    """Return the prices in a CSV file; `times_are_utc` as for the reader.

    Raises:
        BacktestError: the reader refuses the file; the message names file and line.
        OSError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return read_lines(lines, zone=path.stem, source=path.name, times_are_utc=times_are_utc)
    except (TraceFileError, UnicodeDecodeError) as error:
        raise BacktestError(f"{path.name}: {file_problem(error)}") from error


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
    gap_start, gap = _longest_run(missing)
    if gap > LONGEST_GAP_HOURS * trace.slots_per_hour:
        unusable = sum(point.per_kwh is None for point in prices.points)
        raise BacktestError(
            f"{prices.source} has no price for {gap / trace.slots_per_hour:g} h of {trace.name} "
            f"from {slot_start(first + gap_start, slot).isoformat()} on, and {LONGEST_GAP_HOURS} h "
            f"is the longest gap that is filled; it reaches from "
            f"{prices.points[0].start.isoformat()} to {prices.points[-1].end.isoformat()} with "
            f"{unusable} of {len(prices.points)} prices missing, out of range or contradicting"
        )
    known = np.flatnonzero(~missing)
    values[missing] = np.interp(np.flatnonzero(missing), known, values[known])
    return replace(trace, price_per_kwh=values, currency=prices.currency)


def _longest_run(flags: "np.typing.NDArray[np.bool_]") -> tuple[int, int]:
    """Return where the longest row of flags begins, and how many they are."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    if len(edges) == 0:
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return int(edges[2 * longest]), int(lengths[longest])
