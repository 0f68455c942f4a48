"""Choice of the forecast a job sees: only one that may wait for many days sees the whole week.

Where waiting ends within days, the course of the week is noise, and the last days tell the level
of a whole day better than eight weeks do (figures:
docs/explanation/planning-figures.md#course-of-the-week).
Invariant: the whole window counts and not what is left of it, so that a job keeps its forecast.
"""

from dataclasses import dataclass
from typing import Final

from lowtide.grid.forecast import Forecast
from lowtide.planning.costs import CostForecast, cost_forecast
from lowtide.planning.guard import window_end
from lowtide.planning.objective import Objective
from lowtide.planning.types import Request
from lowtide.prices.forecast import PriceForecast

LONG_WINDOW_HOURS: Final = 96
WHOLE_DAY_HOURS: Final = 24


def sees_the_week(
    window_hours: float, length_hours: float, *, interruptible: bool, priced: bool = False
) -> bool:
    """Return whether a job is planned with the course of the week, by hours of the data.

    It must be able to choose among days, and among the hours of a day: a run in one piece that
    takes a day sums over all of them. One whose costs are money may choose among days all the
    same, because prices follow the days of the week more closely than emissions do.
    """
    within_a_day = interruptible or length_hours < WHOLE_DAY_HOURS
    return window_hours > LONG_WINDOW_HOURS and (within_a_day or priced)


def forecast_for(request: Request, forecast: Forecast | None) -> Forecast | None:
    """Return the forecast of the zone as the job sees it."""
    if forecast is None or forecast.with_week is None:
        return forecast
    return forecast.with_week if _sees_the_week(request, forecast) else forecast


def prices_for(request: Request, prices: PriceForecast | None) -> PriceForecast | None:
    """Return the price forecast of the zone as the job sees it."""
    if prices is None or prices.with_week is None:
        return prices
    return prices.with_week if _sees_the_week(request, prices) else prices


def _sees_the_week(request: Request, forecast: Forecast | PriceForecast) -> bool:
    hours_per_second = forecast.slot_hours / forecast.slot_seconds
    window = (window_end(request) - request.earliest).total_seconds() * hours_per_second
    length = request.remaining_seconds * hours_per_second
    return sees_the_week(
        window,
        length,
        interruptible=request.interruptible,
        priced=request.objective.needs_prices,
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What a job sees of the time to come: forecasts, and the costs made of them."""

    forecast: Forecast | None
    prices: PriceForecast | None
    costs: CostForecast | None


class Outlooks:
    """Sights of a planning pass; jobs with the same forecasts and objective share their costs."""

    def __init__(self) -> None:
        self._costs: dict[tuple[int, int, Objective], CostForecast | None] = {}
        # Forecasts are kept so that their identities stay theirs.
        self._kept: list[object] = []

    def sight(
        self, request: Request, forecast: Forecast | None, prices: PriceForecast | None
    ) -> Sight:
        """Return what a job sees.

        Raises:
            ForecastError: a forecast is inconsistent with itself.
        """
        forecast, prices = forecast_for(request, forecast), prices_for(request, prices)
        key = id(forecast), id(prices), request.objective
        if key not in self._costs:
            self._costs[key] = cost_forecast(forecast, prices, request.objective)
            self._kept += [forecast, prices]
        return Sight(forecast, prices, self._costs[key])
