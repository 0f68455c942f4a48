"""Order of places for one job: the one that costs least in the job's objective comes first.

A place is a grid zone, or a cluster in one. Each is planned by itself, with the same constraints;
then the plans are ranked by their cost per kilowatt-hour, with the job's share of moving its data.
A place that cannot be planned stays in the list, after the others, with its reason. Average and
marginal intensity, direct and life-cycle emissions and two currencies are never ranked together.
Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from lowtide.grid.forecast import Forecast
from lowtide.grid.series import Factor, same_factor
from lowtide.planning.errors import PlanningError
from lowtide.planning.moving import Moving
from lowtide.planning.objective import Objective
from lowtide.planning.planner import plan
from lowtide.planning.types import Plan, Request
from lowtide.prices.forecast import PriceForecast


@dataclass(frozen=True, slots=True)
class Place:
    """Plan of a job in one place; without a plan `reason` says why."""

    name: str
    zone: str
    """Grid zone; empty where it is not known."""
    signal: str | None
    made: Plan | None
    reason: str | None
    factor: Factor = Factor.UNKNOWN
    moving: Moving | None = None
    """Cost of bringing the data there; `None` where none are to be moved."""

    @property
    def grams_per_kwh(self) -> float | None:
        """The expected mean intensity as planned."""
        return None if self.made is None else self.made.planned_grams_per_kwh

    @property
    def price_per_kwh(self) -> float | None:
        """The expected mean price as planned."""
        return None if self.made is None else self.made.planned_price_per_kwh

    @property
    def currency(self) -> str | None:
        """Currency of the prices; `None` where none is known."""
        return None if self.made is None else self.made.currency

    def cost_per_kwh(self, objective: Objective) -> float | None:
        """Return the cost of a kilowatt-hour as planned, in the objective; `None` if not known.

        With the share of moving the data.
        """
        if self.grams_per_kwh is None or (objective.needs_prices and self.price_per_kwh is None):
            return None
        moved = 0.0 if self.moving is None else self.moving.per_kwh(self.zone, objective)
        paid = (self.price_per_kwh or 0.0) * objective.needs_prices
        return objective.per_gram * self.grams_per_kwh + paid + moved


def place_of(
    name: str,
    zone: str,
    now: datetime,
    request: Request,
    forecast: Forecast | None,
    prices: PriceForecast | None = None,
    *,
    trouble: str = "",
    moving: Moving | None = None,
) -> Place:
    """Return the plan of a job in one place; `trouble` says why a forecast is missing."""
    try:
        made = plan(now, request, forecast, prices=prices)
    except PlanningError as error:
        return Place(name, zone, None, None, str(error), moving=moving)
    missing = None if made.planned_grams_per_kwh is not None else trouble or "no forecast"
    if missing is None and request.objective.needs_prices and made.planned_price_per_kwh is None:
        missing = "no price"
    signal = None if forecast is None else str(forecast.signal)
    factor = Factor.UNKNOWN if forecast is None else forecast.factor
    return Place(name, zone, signal, made, missing, factor, moving)


def known_places(places: Iterable[Place], objective: Objective) -> list[Place]:
    """Return the places whose cost is known."""
    return [place for place in places if place.cost_per_kwh(objective) is not None]


def in_order(places: Iterable[Place], objective: Objective) -> list[Place]:
    """Return the places from the least cost to the largest, then those whose cost is not known.

    Equal ones keep the order in which they are given.
    """

    def rank(place: Place) -> tuple[bool, float]:
        cost = place.cost_per_kwh(objective)
        return cost is None, cost or 0.0

    return sorted(places, key=rank)


def incomparable(known: Sequence[Place], objective: Objective) -> str | None:
    """Return why places of known cost cannot be ranked together, `None` where they can."""
    if not all(same_factor(one.factor, two.factor) for one, two in combinations(known, 2)):
        shown = ", ".join(f"{place.name} {place.factor}" for place in known)
        return f"the zones' emission factors do not compare: {shown}"
    if len({place.signal for place in known}) > 1:
        shown = ", ".join(f"{place.name} {place.signal}" for place in known)
        return f"the zones' intensities do not compare: {shown}"
    currencies = {place.currency for place in known if place.currency}
    if objective.needs_prices and len(currencies) > 1:
        shown = ", ".join(sorted(currencies))
        return f"the zones' prices do not compare: {shown}; none is converted"
    return None
