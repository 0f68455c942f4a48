"""Forecast as one job sees it: steps of constant cost between its start and its end.

The planner's searches work on plain arrays with seconds counted from the start; this module is
the only one that turns datetimes and slots into them and back. It must not decide anything.
Invariant: the steps are consecutive, the first begins at `begin`, none crosses a slot boundary.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil, isfinite
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lowtide.grid.forecast import Forecast
from lowtide.planning.errors import ForecastError
from lowtide.planning.types import Segment

if TYPE_CHECKING:
    from lowtide.planning.costs import CostForecast

Array = npt.NDArray[np.float64]

_ROUNDING_SECONDS = 1e-5

TICK_SECONDS = 900.0
"""Longest planning tick: 15 min, so that a decision is never older (design decision)."""


@dataclass(frozen=True)
class Horizon:
    """Steps of constant expected cost from `begin` on.

    Steps are slots of the data. Not slotted, because the running integral is cached.
    """

    begin: datetime
    """Start of the first step."""
    edges: Array
    """n + 1 bounds of the steps in seconds from `begin`, rising from 0."""
    costs: Array
    """Expected cost of a kilowatt-hour in the n steps, in the unit of the objective."""
    spread: Array
    """Standard deviation of its error, n."""
    step_seconds: float
    """Length of a whole step."""
    step_hours: float
    """Hours of the data that a whole step stands for."""
    floored: bool = True
    """Whether a cost cannot fall below zero, whatever the error."""

    @property
    def ticks_per_step(self) -> int:
        """Return into how many equal ticks a step is divided: none longer than 15 min."""
        return max(1, ceil(self.step_seconds / TICK_SECONDS))

    @property
    def tick_seconds(self) -> float:
        """Return the length of a tick: the unit in which work is planned."""
        return self.step_seconds / self.ticks_per_step

    @property
    def end_seconds(self) -> float:
        """Return the length of the horizon in seconds."""
        return float(self.edges[-1])

    @cached_property
    def integral(self) -> Array:
        """Return the running integral of the costs at every edge, in their unit times seconds."""
        return np.concatenate(([0.0], np.cumsum(self.costs * np.diff(self.edges))))

    def total(self, starts: Array | float, lengths: Array | float) -> Array:
        """Return the integral of the costs over `[start, start + length)`.

        The windows must lie inside the horizon.
        """
        return integral_between(self.edges, self.integral, starts, lengths)

    def moment(self, seconds: float) -> datetime:
        """Return the time that lies `seconds` after the start."""
        return self.begin + timedelta(seconds=seconds)

    def segment(self, start_seconds: float, end_seconds: float) -> Segment:
        """Return a plan segment given in seconds after the start."""
        return Segment(self.moment(start_seconds), self.moment(end_seconds))

    def whole_steps(self, segment: Segment) -> Segment:
        """Return the segment, widened to the steps that it touches."""
        start = (segment.start - self.begin).total_seconds() + _ROUNDING_SECONDS
        end = (segment.end - self.begin).total_seconds() - _ROUNDING_SECONDS
        first = max(0, int(np.searchsorted(self.edges, start, side="right")) - 1)
        last = min(len(self.edges) - 1, int(np.searchsorted(self.edges, end, side="left")))
        return self.segment(float(self.edges[first]), float(self.edges[last]))


def integral_between(
    edges: Array, integral: Array, starts: Array | float, lengths: Array | float
) -> Array:
    """Return a step function's integral over `[start, start + length)` from its running one."""
    begins = np.asarray(starts, dtype=np.float64)
    totals: Array = np.interp(begins + lengths, edges, integral) - np.interp(
        begins, edges, integral
    )
    return totals


def check_forecast(forecast: Forecast) -> None:
    """Refuse a forecast whose parts do not fit together.

    Raises:
        ForecastError: the three sequences differ in length, the slot has no length, or a value or
            spread is negative or not finite.
    """
    count = len(forecast.grams_per_kwh)
    if not count == len(forecast.spread_grams_per_kwh) == len(forecast.sources):
        raise ForecastError(
            f"forecast of {forecast.zone} has {count} values, "
            f"{len(forecast.spread_grams_per_kwh)} spreads and {len(forecast.sources)} sources; "
            "it needs one of each per slot"
        )
    if forecast.slot_seconds <= 0 or forecast.slot_hours <= 0:
        raise ForecastError(f"forecast of {forecast.zone} has slots without length")
    # For each job of a pass; what is not finite makes the sum so.
    rows = forecast.grams_per_kwh, forecast.spread_grams_per_kwh
    if any(row and not (min(row) >= 0 and isfinite(sum(row))) for row in rows):
        raise ForecastError(
            f"forecast of {forecast.zone} holds a value that is not a finite number >= 0 g/kWh"
        )


def horizon_between(costs: "CostForecast", begin: datetime, end: datetime) -> Horizon | None:
    """Return the steps from `begin` to `end`, or to the end of the forecast if that is earlier.

    Steps are slots; only the first and the last may be shorter. `None` where the forecast holds
    nothing of the interval.
    """
    end = min(end, costs.end)
    if begin < costs.start or begin >= end:
        return None
    step = costs.slot_seconds
    offset = (begin - costs.start).total_seconds()
    length = (end - begin).total_seconds()
    first = int(offset // step)
    last = int(np.ceil((offset + length) / step - 1e-9))
    inner = np.arange(first + 1, last, dtype=np.float64)
    return Horizon(
        begin=begin,
        edges=np.concatenate(([0.0], inner * step - offset, [length])),
        costs=costs.costs[first:last],
        spread=costs.spread[first:last],
        step_seconds=float(step),
        step_hours=costs.slot_hours,
        floored=costs.floored,
    )
