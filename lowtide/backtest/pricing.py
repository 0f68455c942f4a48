"""Prices beside a trace, and what was known of them at each time.

Day-ahead prices are published at noon (UTC) for the day after. In slot t the prices until the end
of the published day are known exactly; beyond, a policy sees the forecast that the product makes
from them: hour of day, course of the week and the last anomaly.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace, Views
from lowtide.grid.analysis import (
    FIT_DAYS,
    PROFILE_DAYS,
    Analysis,
    Array,
    analyse,
    root_mean_square,
    trailing_mean,
    with_weekly_course,
)
from lowtide.grid.fusion import ANOMALY_DECAY, profile_ahead, project_profile
from lowtide.planning.objective import Objective

PUBLICATION_HOUR: Final = 12
SPIKE_DEVIATIONS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceViews:
    """Price forecasts made in every slot from `first` on, as (slot - first, slots ahead)."""

    first: int
    expected: Array
    """Price per kWh, NaN beyond the end of the trace."""
    spread: Array
    """Error that has nothing to do with that of the intensity; 0 where prices are published."""
    per_gram: Array
    """By how much the price errs with each gram that the intensity errs."""


def published_slots(trace: BacktestTrace, t: int) -> int:
    """Return how many slots from t on have a published price at t."""
    day = trace.slots_per_day
    passed = (t + trace.first_slot_of_day) % day
    tomorrow = day if passed >= PUBLICATION_HOUR * trace.slots_per_hour else 0
    return day - passed + tomorrow


def price_views(trace: BacktestTrace, prices: Array, intensity: Views, *, week: bool) -> PriceViews:
    """Return the price forecasts made in every slot that `intensity` has a forecast for.

    `prices` has one price per kWh for every slot of the trace. Beyond its end they are NaN.
    """
    first, (rows, slots) = intensity.first, intensity.expected.shape
    dear = _analysis(trace, without_spikes(prices, trace.slots_per_day), week=week)
    dirty = _analysis(trace, trace.actual, week=week)
    slopes = slopes_of(
        _analysis(trace, prices, week=week).anomaly,
        dirty.anomaly,
        FIT_DAYS * trace.slots_per_day,
    )
    residual = dear.anomaly - slopes * dirty.anomaly
    rest = replace(dear, spread_profile=root_mean_square(residual, trace.slots_per_day))
    expected = np.full((rows, slots), np.nan)
    spread, per_gram = np.zeros((rows, slots)), np.zeros((rows, slots))
    hours = 1 / trace.slots_per_hour
    for row in range(rows):
        t = first + row
        count = min(slots, len(prices) - t)
        known = min(count, published_slots(trace, t))
        seam = t + known
        expected[row, :known] = prices[t:seam]
        if known == count:
            continue
        slope = float(np.nan_to_num(slopes[t - 1]))
        cleaner = intensity.expected[row, :count] - profile_ahead(dirty, t, count)
        ahead = profile_ahead(dear, seam, count - known)
        last = float(np.nan_to_num(dear.anomaly[seam - 1])) - slope * float(cleaner[known - 1])
        fading = last * ANOMALY_DECAY ** (hours * (1 + np.arange(count - known)))
        expected[row, known:count] = ahead + slope * cleaner[known:] + fading
        _, errors = project_profile(rest, t, count)
        spread[row, known:count] = errors[known:]
        per_gram[row, known:count] = slope
    return PriceViews(first=first, expected=expected, spread=spread, per_gram=per_gram)


def _analysis(trace: BacktestTrace, values: Array, *, week: bool) -> Analysis:
    found = analyse(
        values,
        np.full(len(values), np.nan),
        trace.slots_per_day,
        first_slot_of_day=trace.first_slot_of_day,
        minimum_days=PROFILE_DAYS,
    )
    return with_weekly_course(found) if week else found


def without_spikes(prices: Array, slots_per_day: int) -> Array:
    """Return prices cut at twice the mean deviation from the mean of 14 days, both known by then.

    A price may be twenty times the usual one for an hour and say nothing about the days after.
    """
    slots = PROFILE_DAYS * slots_per_day
    middle = trailing_mean(prices, slots)
    room = SPIKE_DEVIATIONS * trailing_mean(np.abs(prices - middle), slots)
    return np.clip(prices, middle - room, middle + room)


def slopes_of(dear: Array, dirty: Array, slots: int) -> Array:
    """Return by how much the price rises per gram: least squares over the slots up to each."""
    known = np.isfinite(dear) & np.isfinite(dirty)
    both = np.where(known, dear * dirty, 0.0)
    square = np.where(known, dirty**2, 0.0)
    over, under = (np.cumsum(one) for one in (both, square))
    over[slots:] -= over[:-slots].copy()
    under[slots:] -= under[:-slots].copy()
    slopes: Array = np.divide(over, under, out=np.zeros(len(over)), where=under > 0)
    return slopes


def weighed(objective: Objective, intensity: Views, prices: PriceViews | None) -> Views:
    """Return the views of what a kilowatt-hour counts."""
    if prices is None or not objective.needs_prices:
        return intensity
    grams = (objective.per_gram + prices.per_gram) * intensity.spread
    return Views(
        first=intensity.first,
        expected=objective.costs(intensity.expected, prices.expected),
        spread=np.sqrt(grams**2 + prices.spread**2),
        floored=False,
    )
