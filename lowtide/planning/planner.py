"""What one job should do now: run or wait.

The rest of a plan is published but does not bind. Pure: time, job and forecast are arguments, and
the same arguments give the same plan. Invariant: once the latest start is reached the answer is
to run, whatever a forecast says and whether there is one or not.
"""

from datetime import datetime, timedelta

import numpy as np

from lowtide.planning.calendar import Calendar
from lowtide.planning.contiguous import cheapest_start
from lowtide.planning.explanation import explain
from lowtide.planning.guard import check_request, is_at_risk, latest_start, window_end
from lowtide.planning.horizon import Horizon, horizon_between
from lowtide.planning.types import Forecast, Plan, PlanReason, Request, Segment, Source

LOOK_AGAIN = timedelta(minutes=15)


def plan(
    now: datetime,
    request: Request,
    forecast: Forecast | None,
    calendar: Calendar | None = None,
) -> Plan:
    """Return what `request` should do at `now`, and what is intended after that.

    Raises:
        RequestError: the constraints make no sense.
        ForecastError: the forecast is inconsistent with itself.
    """
    check_request(request)
    begin = max(now, request.earliest)
    latest = latest_start(request)
    if begin >= latest:
        reason = (
            PlanReason.DEADLINE_AT_RISK if is_at_risk(begin, request) else (PlanReason.LATEST_START)
        )
        return _uninterrupted(now, request, forecast, reason, start=begin)
    if request.running and not request.interruptible:
        return _uninterrupted(now, request, forecast, PlanReason.RUN_NOW_IS_BEST, start=begin)
    horizon = None if forecast is None else horizon_between(forecast, begin, window_end(request))
    if horizon is None or horizon.end_seconds < request.remaining_seconds:
        return _uninterrupted(now, request, forecast, PlanReason.NO_FORECAST, start=begin)
    length = request.remaining_seconds
    slack = min((latest - begin).total_seconds(), horizon.end_seconds - length)
    start = cheapest_start(horizon, length, slack)
    reason = PlanReason.CLEANEST_WINDOW if start > 0 else PlanReason.RUN_NOW_IS_BEST
    if (
        start > 0
        and not request.waited
        and _saving(horizon, start, length) < (request.minimum_saving_ratio)
    ):
        start, reason = 0.0, PlanReason.SAVING_TOO_SMALL
    return _uninterrupted(now, request, forecast, reason, start=horizon.moment(start))


def _saving(horizon: Horizon, start: float, length: float) -> float:
    at_once, planned = horizon.window_totals(np.array([0.0, start]), length)
    return float(1 - planned / at_once) if at_once > 0 else 0.0


def _uninterrupted(
    now: datetime,
    request: Request,
    forecast: Forecast | None,
    reason: PlanReason,
    *,
    start: datetime,
) -> Plan:
    """Return the plan of one stretch of running from `start` on."""
    end = start + timedelta(seconds=request.remaining_seconds)
    begin = max(now, request.earliest)
    run = start <= now
    if not run and begin > now and reason is not PlanReason.DEADLINE_AT_RISK:
        reason = PlanReason.NOT_YET_PERMITTED if start == begin else reason
    planned = at_once = saving = None
    sources: tuple[Source, ...] = ()
    horizon = None if forecast is None else horizon_between(forecast, begin, end)
    if horizon is not None and horizon.moment(horizon.end_seconds) >= end:
        length = request.remaining_seconds
        offset = (start - begin).total_seconds()
        sources = horizon.sources_between(offset, offset + length)
        if length > 0:
            totals = horizon.window_totals(np.array([0.0, offset]), length) / length
            at_once, planned = float(totals[0]), float(totals[1])
            saving = 1 - planned / at_once if at_once > 0 else 0.0
    latest = latest_start(request)
    wakes = [w for w in (start, latest, now + LOOK_AGAIN) if w > now]
    draft = Plan(
        run=run,
        reason=reason,
        segments=(Segment(start, end),) if end > start else (),
        latest_start=latest,
        look_again_at=min(wakes),
        planned_grams_per_kwh=planned,
        run_now_grams_per_kwh=at_once,
        saving_ratio=saving,
        sources=sources,
        provider=None if forecast is None else forecast.provider,
        forecast_generated_at=None if forecast is None else forecast.generated_at,
        explanation="",
    )
    return explain(now, request, draft)
