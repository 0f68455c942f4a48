"""Prices beside a trace, and what was known of them at each time.

Day-ahead prices are published at noon (UTC) for the day after. In slot t the prices until the end
of the published day are known exactly; beyond, a policy sees the forecast that the product makes
from them: hour of day, course of the week and the last anomaly.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.backtest.trace import BacktestTrace, Views
from lowtide.grid.analysis import Array
from lowtide.planning.objective import Objective
from lowtide.prices.model import price_model, prices_ahead

PUBLICATION_HOUR: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceViews:
    """Price forecasts made in every slot from `first` on, as (slot - first, slots ahead)."""

    first: int
    expected: Array
    """Price per kWh, NaN beyond the end of the trace."""
    spread: Array
    """Error that has nothing to do with that of the intensity; 0 where prices are published."""
    per_gram: Array
    """By how much the price errs with each gram of the intensity's spread."""


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
    models = price_model(
        prices, trace.actual, trace.slots_per_day, first_slot_of_day=trace.first_slot_of_day
    )
    model = models[1] if week else models[0]
    expected = np.full((rows, slots), np.nan)
    spread, per_gram = np.zeros((rows, slots)), np.zeros((rows, slots))
    for row in range(rows):
        t = first + row
        count = min(slots, len(prices) - t)
        known = min(count, published_slots(trace, t))
        seam = t + known
        expected[row, :known] = prices[t:seam]
        if known == count:
            continue
        ahead = prices_ahead(model, t, seam, intensity.expected[row], count - known)
        expected[row, known:count] = ahead.values
        spread[row, known:count] = ahead.spread
        per_gram[row, known:count] = ahead.per_gram
    return PriceViews(first=first, expected=expected, spread=spread, per_gram=per_gram)


def weighed(objective: Objective, intensity: Views, prices: PriceViews | None) -> Views:
    """Return the views of what a kilowatt-hour counts."""
    if prices is None or not objective.needs_prices:
        return intensity
    error = np.hypot(prices.spread, prices.per_gram * intensity.spread)
    return Views(
        first=intensity.first,
        expected=objective.costs(intensity.expected, prices.expected),
        spread=objective.spread(intensity.spread, error, prices.per_gram),
        floored=False,
    )
