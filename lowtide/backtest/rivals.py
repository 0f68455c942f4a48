"""Policies that the planner is compared with; the product uses none of them.

They mimic classes of public tools, untuned: the cheapest window of a forecast placed once, as the
Carbon Aware SDK does, and a running threshold. Source:
docs/explanation/planning.md#how-policies-are-compared. Every policy returns which slots of its
window each job runs in, as booleans of the shape (jobs, slots).
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lowtide.backtest.trace import BacktestTrace, Case, Ints, analyse_trace, coverage
from lowtide.grid.analysis import Array
from lowtide.grid.fusion import project_profile
from lowtide.planning.objective import CARBON, Objective

Bools = npt.NDArray[np.bool_]

THRESHOLD_QUANTILE: Final = 0.3
THRESHOLD_HOURS: Final = 168
HEAD_ERROR_DECAY: Final = 0.9


def one_piece(starts: Ints, length: int, window: int) -> Bools:
    """Return the schedules of jobs that run `length` slots from `starts` on."""
    slots = np.arange(window)
    return (slots >= starts[:, None]) & (slots < starts[:, None] + length)


def run_now(submissions: Ints, length: int, slack: int) -> Bools:
    """Return the schedules of jobs that never wait."""
    return one_piece(np.zeros(len(submissions), dtype=np.intp), length, length + slack)


def best_window(
    trace: BacktestTrace,
    case: Case,
    submissions: Ints,
    length: int,
    slack: int,
    objective: Objective = CARBON,
    prices: Array | None = None,
) -> Bools:
    """Return the schedules of the earliest cheapest window of a simple forecast, never revised."""
    analysis = analyse_trace(trace)
    day, count = trace.slots_per_day, length + slack
    starts = []
    for row, t in enumerate(submissions):
        values, _ = project_profile(analysis, int(t), count)
        ahead = trace.provider[t : t + min(count, coverage(trace, case, int(t)))]
        errors = (trace.provider - trace.actual)[t - 14 * day : t]
        bias = float(np.nanmean(errors)) if np.isfinite(errors).any() else 0.0
        head = float(np.nan_to_num(trace.actual[t - 1] - (trace.provider[t - 1] - bias)))
        hours = (np.arange(len(ahead)) + 1) / trace.slots_per_hour
        corrected = ahead - bias + head * HEAD_ERROR_DECAY**hours
        values[: len(ahead)] = np.where(np.isfinite(corrected), corrected, values[: len(ahead)])
        money = None if prices is None else prices[row, :count]
        costs = objective.costs(values, money)
        starts.append(int(np.argmin(sliding_window_view(costs, length).sum(axis=1))))
    return one_piece(np.array(starts, dtype=np.intp), length, count)


def threshold(
    actual: Array,
    slots_per_hour: int,
    submissions: Ints,
    length: int,
    slack: int,
    *,
    interruptible: bool,
) -> Bools:
    """Return the schedules of jobs that run while the last actual is among the lowest 30 %."""
    window = THRESHOLD_HOURS * slots_per_hour
    quantiles = np.quantile(sliding_window_view(actual, window), THRESHOLD_QUANTILE, axis=1)
    slots = submissions[:, None] + np.arange(length + slack)
    clean = actual[slots - 1] <= quantiles[slots - window]
    if not interruptible:
        clean[:, slack] = True
        return one_piece(np.argmax(clean[:, : slack + 1], axis=1), length, length + slack)
    ran = np.zeros(clean.shape, dtype=np.bool_)
    waited = np.zeros(len(submissions), dtype=np.intp)
    done = np.zeros(len(submissions), dtype=np.intp)
    for slot in range(length + slack):
        go = (clean[:, slot] | (waited >= slack)) & (done < length)
        ran[:, slot] = go
        waited += ~go
        done += go
    return ran


def cheapest_windows(actual: Array, submissions: Ints, length: int, slack: int) -> Bools:
    """Return the schedules of the cheapest window by the actuals: the contiguous optimum."""
    totals = sliding_window_view(actual, length).sum(axis=1)
    starts = np.argmin(totals[submissions[:, None] + np.arange(slack + 1)], axis=1)
    return one_piece(starts, length, length + slack)
