"""Electricity prices from CSV files, as a series and beside a trace.

The reader is that of the price provider (`lowtide.prices.files`): `time` and one column that names
currency and unit, such as `usd_per_mwh`. Short gaps are filled linearly.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace
from lowtide.grid.slots import slot_index, values_on_slots
from lowtide.grid.trace_columns import TraceFileError
from lowtide.planning.errors import BacktestError
from lowtide.prices.files import read_prices as read_lines
from lowtide.prices.series import PriceSeries

LONGEST_GAP_HOURS: Final = 24


def read_prices(path: Path) -> PriceSeries:
    """Return the prices in a CSV file.

    Raises:
        BacktestError: the reader refuses the file; the message names file and line.
        OSError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return read_lines(lines, zone=path.stem, source=path.name)
    except (TraceFileError, UnicodeDecodeError) as error:
        raise BacktestError(f"{path.name}: {error}") from error


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
