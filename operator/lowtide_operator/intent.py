"""Asking the planner: one job, one forecast, what others have reserved."""

from dataclasses import replace

from lowtide.planning import Plan, PlanningError, Request, plan
from lowtide_operator.observation import Observation


def planned(seen: Observation, request: Request) -> Plan:
    """Return the planner's plan; a forecast that it cannot use counts as none."""
    forecast = seen.forecast.forecast
    try:
        return plan(seen.now, request, forecast, seen.calendar)
    except PlanningError as error:
        if forecast is None:
            raise
        without = plan(seen.now, request, None, seen.calendar)
        return replace(without, explanation=f"{without.explanation} ({error})")
