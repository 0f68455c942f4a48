"""Cost of a kilowatt-hour in the slots to come: the forecasts of a zone under one objective.

Searches know costs and not what they are made of. Invariant: the slots are those of the intensity
forecast, as far as everything is known that the objective needs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, isfinite

import numpy as np

from lowtide.grid.forecast import Forecast
from lowtide.planning.errors import ForecastError
from lowtide.planning.horizon import Array, check_forecast, integral_between
from lowtide.planning.objective import Objective
from lowtide.prices.forecast import PriceForecast


@dataclass(frozen=True, eq=False, kw_only=True)
class CostForecast:
    """Costs on equal slots, compared by identity: jobs that share one are planned together."""

    start: datetime
    """Start of the first slot."""
    slot_seconds: float
    """Length of a slot on the clock."""
    slot_hours: float
    """Hours of the data that a slot stands for."""
    costs: Array
    """Expected cost of a kilowatt-hour in the unit of the objective, one per slot."""
    spread: Array
    """Standard deviation of its error, one per slot."""
    floored: bool
    """Whether a cost cannot fall below zero, as an intensity cannot and a price can."""

    @property
    def end(self) -> datetime:
        """Return the end of the last slot."""
        return self.start + timedelta(seconds=self.slot_seconds * len(self.costs))


def cost_forecast(
    forecast: Forecast | None, prices: PriceForecast | None, objective: Objective
) -> CostForecast | None:
    """Return the costs under an objective, `None` where a forecast that it needs is missing.

    They begin with the first slot in which everything is known.

    Raises:
        ForecastError: a forecast is inconsistent with itself.
    """
    if forecast is None or (objective.needs_prices and prices is None):
        return None
    check_forecast(forecast)
    grams = np.array(forecast.grams_per_kwh, dtype=np.float64)
    spread = np.array(forecast.spread_grams_per_kwh, dtype=np.float64)
    money = errors = per_gram = None
    late = 0
    if prices is not None and objective.needs_prices:
        check_prices(prices)
        # A price forecast may have been made a slot after that of the intensity.
        late = max(0, ceil((prices.start - forecast.start).total_seconds() / forecast.slot_seconds))
        money, errors, per_gram = _on_slots(prices, forecast, late)
        grams, spread = (row[late : late + len(money)] for row in (grams, spread))
    return CostForecast(
        start=forecast.start + timedelta(seconds=late * forecast.slot_seconds),
        slot_seconds=forecast.slot_seconds,
        slot_hours=forecast.slot_hours,
        costs=objective.costs(grams, money),
        spread=objective.spread(spread, errors, per_gram),
        floored=not objective.needs_prices,
    )


def check_prices(prices: PriceForecast) -> None:
    """Refuse a price forecast whose parts do not fit together.

    Raises:
        ForecastError: the sequences differ in length, the slot has no length, or a value is not
            finite, or a spread negative.
    """
    count = len(prices.price_per_kwh)
    errors = {len(prices.spread_per_kwh), len(prices.per_gram or prices.spread_per_kwh)}
    if errors != {count} or prices.slot_seconds <= 0:
        raise ForecastError(
            f"price forecast of {prices.zone} has {count} prices and {len(prices.spread_per_kwh)} "
            f"spreads on slots of {prices.slot_seconds} s; it needs one of each per slot"
        )
    values = *prices.price_per_kwh, *prices.spread_per_kwh, *(prices.per_gram or ())
    if not isfinite(sum(values)) or min(prices.spread_per_kwh, default=0.0) < 0:
        raise ForecastError(
            f"price forecast of {prices.zone} holds a price that is not finite or a negative spread"
        )


def _on_slots(
    prices: PriceForecast, forecast: Forecast, late: int
) -> tuple[Array, Array, Array | None]:
    """Return mean price, spread and error per gram in the slots from the `late`-th on."""
    rows = [prices.price_per_kwh, prices.spread_per_kwh]
    rows += [] if prices.per_gram is None else [prices.per_gram]
    slot = forecast.slot_seconds
    start = forecast.start + timedelta(seconds=late * slot)
    offset = (start - prices.start).total_seconds()
    reach = int((prices.end - start).total_seconds() // slot)
    count = max(0, min(len(forecast.grams_per_kwh) - late, reach))
    values = [np.array(row, dtype=np.float64) for row in rows]
    if offset == 0 and prices.slot_seconds == slot:
        means = [row[:count] for row in values]
        return means[0], means[1], means[2] if len(means) > 2 else None
    edges = np.arange(len(values[0]) + 1, dtype=np.float64) * prices.slot_seconds
    starts = offset + np.arange(count, dtype=np.float64) * slot
    means = [
        integral_between(
            edges,
            np.concatenate(([0.0], np.cumsum(row * prices.slot_seconds))),
            starts,
            float(slot),
        )
        / slot
        for row in values
    ]
    return means[0], means[1], means[2] if len(means) > 2 else None
