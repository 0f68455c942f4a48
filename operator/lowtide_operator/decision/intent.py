"""Plan of one job: from the last pass over all waiting jobs, or made for this job alone."""

from dataclasses import replace

from lowtide.planning import Plan, PlanningError, Request, plan
from lowtide.planning.objective import CARBON
from lowtide_operator.decision.observation import Observation


def planned(seen: Observation, request: Request) -> Plan:
    """Return the planner's plan; a forecast or calendar that it cannot use counts as none.

    A prepared plan counts only if it answers the same question. Prices that it cannot use count as
    none too: the job is then planned by carbon alone. Whatever the planner fails at, the job still
    starts by its latest start.
    """
    if seen.prepared is not None and seen.prepared.request == request:
        return seen.prepared.plan
    forecast, prices = seen.forecast.forecast, seen.forecast.prices
    try:
        return plan(seen.now, request, forecast, seen.calendar, prices)
    except Exception as error:
        fault = str(error) if isinstance(error, PlanningError) else f"the planner failed: {error!r}"
        alone = replace(request, objective=CARBON)
        if prices is not None and forecast is not None:
            less = replace(seen, prepared=None, forecast=replace(seen.forecast, prices=None))
            without = planned(less, alone)
        else:
            without = plan(seen.now, alone, None)
        return replace(without, explanation=f"{without.explanation} ({fault})")
