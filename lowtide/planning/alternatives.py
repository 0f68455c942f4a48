"""Alternatives to a plan by carbon and cost: what each alone would have chosen, and saved."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lowtide.grid.forecast import Forecast
from lowtide.planning.objective import Objective, ObjectiveKind
from lowtide.planning.planner import plan_each
from lowtide.planning.types import Plan, Request
from lowtide.prices.forecast import PriceForecast
from lowtide.units import format_time_column

ALONE: Final = Objective(), Objective(ObjectiveKind.COST)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Plan of the same job under another objective."""

    objective: Objective
    plan: Plan


def alternatives(
    now: datetime, request: Request, forecast: Forecast | None, prices: PriceForecast | None
) -> tuple[Alternative, ...]:
    """Return the plans by carbon alone and by cost alone; none where no price is known.

    They are plans of the job by itself: room that others hold is not looked at.
    """
    key = request.key
    return alternatives_of_all(now, [request], {key: forecast}, {key: prices}).get(key, ())


def alternatives_of_all(
    now: datetime,
    requests: Sequence[Request],
    forecasts: Mapping[str, Forecast | None],
    prices: Mapping[str, PriceForecast | None],
) -> dict[str, tuple[Alternative, ...]]:
    """Return the alternatives of many jobs by key, planned together; not of those without prices.

    A job that cannot be planned is left out and harms no other.
    """
    priced = [request for request in requests if prices.get(request.key) is not None]
    found: defaultdict[str, tuple[Alternative, ...]] = defaultdict(tuple)
    for objective in ALONE if priced else ():
        asked = [replace(request, objective=objective) for request in priced]
        for key, plan in plan_each(now, asked, forecasts, prices=prices).plans.items():
            found[key] = (*found[key], Alternative(objective, plan))
    return dict(found)


def alternatives_sentence(found: tuple[Alternative, ...]) -> str:
    """Return one sentence about the alternatives, empty where there are none."""
    return "; ".join(map(_part, found))


def _part(one: Alternative) -> str:
    name = "cost alone" if one.objective.needs_prices else "carbon alone"
    if not one.plan.segments:
        return f"{name} has nothing to choose"
    start = format_time_column(one.plan.segments[0].start)
    changes = [
        f"{100 * abs(ratio):.0f} % {less if ratio >= 0 else 'more'} {what}"
        for ratio, less, what in (
            (one.plan.saving_ratio, "fewer", "grams"),
            (one.plan.money_saving_ratio, "less", "money"),
        )
        if ratio is not None
    ]
    with_what = f" with {' and '.join(changes)}" if changes else ""
    return f"{name} would start at {start}{with_what}"
