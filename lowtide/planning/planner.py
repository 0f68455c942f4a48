"""Decision of every job, to run or to wait now.

The rest of a plan is published but does not bind. Pure: time, jobs and forecasts are arguments,
and the same arguments give the same plans, in whatever order the jobs are given. Invariant: once
the latest start is reached the answer is to run, whatever a forecast or a calendar says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lowtide.grid.forecast import Forecast
from lowtide.planning.batch import Searches
from lowtide.planning.booking import book, booking_order, reservation
from lowtide.planning.bounds import bounded
from lowtide.planning.calendar import Calendar
from lowtide.planning.decision import decide, decide_without_search
from lowtide.planning.errors import PlanningError, RequestError
from lowtide.planning.outlook import Outlooks, Sight
from lowtide.planning.publication import Commitment, publish
from lowtide.planning.types import Plan, Request
from lowtide.prices.forecast import PriceForecast


def plan(
    now: datetime,
    request: Request,
    forecast: Forecast | None,
    calendar: Calendar | None = None,
    prices: PriceForecast | None = None,
) -> Plan:
    """Return what `request` should do at `now`, and what is intended after that.

    Raises:
        RequestError: the constraints make no sense.
        ForecastError: the forecast is inconsistent with itself.
    """
    known = {request.key: forecast}
    return plan_all(now, [request], known, calendar, {request.key: prices})[request.key]


def plan_all(
    now: datetime,
    requests: Sequence[Request],
    forecasts: Mapping[str, Forecast | None],
    calendar: Calendar | None = None,
    prices: Mapping[str, PriceForecast | None] | None = None,
) -> dict[str, Plan]:
    """Return the plan of every job by its key, as `plan_each` makes them.

    Raises:
        RequestError: constraints make no sense, or two jobs have the same key.
        ForecastError: a forecast is inconsistent with itself.
    """
    found = plan_each(now, requests, forecasts, calendar, prices)
    for failure in found.failures.values():
        raise failure
    return found.plans


@dataclass(frozen=True, slots=True)
class Plans:
    """Plans of a pass by key, and the errors of the jobs that could not be planned."""

    plans: dict[str, Plan]
    failures: dict[str, Exception]


def plan_each(
    now: datetime,
    requests: Sequence[Request],
    forecasts: Mapping[str, Forecast | None],
    calendar: Calendar | None = None,
    prices: Mapping[str, PriceForecast | None] | None = None,
) -> Plans:
    """Return the plan of every job that can be planned; no job's error reaches another.

    `forecasts` and `prices` are keyed by job; jobs of a zone should share their objects, they are
    then planned together. With a calendar jobs take room one after another: running ones first,
    then by latest start, creation and key; their own earlier reservations are released before.

    Raises:
        RequestError: two jobs have the same key.
    """
    if len({request.key for request in requests}) < len(requests):
        raise RequestError("two jobs have the same key; keys must be unique")
    failures: dict[str, Exception] = {}
    sound: list[Request] = []
    sights: dict[str, Sight] = {}
    outlooks = Outlooks()
    for request in requests:
        try:
            sound.append(request := bounded(request))
            sights[request.key] = outlooks.sight(
                request, forecasts.get(request.key), (prices or {}).get(request.key)
            )
        except PlanningError as error:
            failures[request.key] = error
    sound = [request for request in sound if request.key in sights]
    if calendar is not None:
        calendar = calendar.without(request.key for request in sound)
    found = _planned_apart(now, sorted(sound, key=booking_order), sights, calendar)
    return Plans(found.plans, failures | found.failures)


def _planned_apart(
    now: datetime,
    requests: Sequence[Request],
    sights: Mapping[str, Sight],
    calendar: Calendar | None,
) -> Plans:
    """Return the plans of a pass; where it fails, those of its halves one after the other.

    What fails is an error of the planner, so any exception counts. Halves keep the order in which
    jobs take room.
    """
    try:
        return Plans(_pass(now, requests, sights, calendar), {})
    except Exception as error:
        if len(requests) == 1:
            return Plans({}, {requests[0].key: error})
    half = len(requests) // 2
    first = _planned_apart(now, requests[:half], sights, calendar)
    if calendar is not None:
        taken = [
            reservation(request, first.plans[request.key].segments)
            for request in requests[:half]
            if request.key in first.plans
        ]
        calendar = replace(calendar, reservations=(*calendar.reservations, *taken))
    second = _planned_apart(now, requests[half:], sights, calendar)
    return Plans(first.plans | second.plans, first.failures | second.failures)


def _pass(
    now: datetime,
    requests: Sequence[Request],
    sights: Mapping[str, Sight],
    calendar: Calendar | None,
) -> dict[str, Plan]:
    """Return the plans of sound requests, planned together."""
    costs = {request.key: sights[request.key].costs for request in requests}
    decisions: dict[str, Commitment] = {}
    open_requests: list[Request] = []
    for request in requests:
        forced = decide_without_search(now, request, costs[request.key])
        if forced is None:
            open_requests.append(request)
        else:
            decisions[request.key] = forced
    searches = Searches(now, open_requests, costs)
    if calendar is None or calendar.capacity_gpus is None:
        proposals = searches.propose(open_requests)
        for request in open_requests:
            horizon, proposal = searches.horizon(request), proposals[request.key]
            decisions[request.key] = decide(now, request, horizon, proposal)
    else:
        decisions = book(now, requests, calendar, decisions, searches)
    return {
        request.key: publish(now, request, sights[request.key], decisions[request.key])
        for request in requests
    }
