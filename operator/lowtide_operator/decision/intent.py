"""Plan of one job: from the last pass over all waiting jobs, or made for this job alone."""

from dataclasses import replace

from lowtide.planning import Plan, PlanningError, Request, plan
from lowtide_operator.decision.observation import Observation


def planned(seen: Observation, request: Request) -> Plan:
    """Return the planner's plan; a forecast or calendar that it cannot use counts as none.

    A prepared plan counts only if it answers the same question. Whatever the planner fails at, the
    job still starts by its latest start.
    """
    if seen.prepared is not None and seen.prepared.request == request:
        return seen.prepared.plan
    forecast = seen.forecast.forecast
    try:
        return plan(seen.now, request, forecast, seen.calendar)
    except Exception as error:
        without = plan(seen.now, request, None)
        fault = str(error) if isinstance(error, PlanningError) else f"the planner failed: {error!r}"
        return replace(without, explanation=f"{without.explanation} ({fault})")
