"""Plan of one job: from the last pass over all waiting jobs, or made for this job alone."""

from dataclasses import replace

from lowtide.planning import Plan, PlanningError, Request, plan
from lowtide_operator.decision.observation import Observation


def planned(seen: Observation, request: Request) -> Plan:
    """Return the planner's plan; a forecast that it cannot use counts as none.

    A prepared plan counts only if it answers the same question.
    """
    if seen.prepared is not None and seen.prepared.request == request:
        return seen.prepared.plan
    forecast = seen.forecast.forecast
    try:
        return plan(seen.now, request, forecast, seen.calendar)
    except PlanningError as error:
        if forecast is None:
            raise
        without = plan(seen.now, request, None, seen.calendar)
        return replace(without, explanation=f"{without.explanation} ({error})")
