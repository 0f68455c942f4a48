"""One sentence for people about a plan, and what could change it.

Presentation only: every figure comes from the plan, nothing is computed anew.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from lowtide.planning.types import Plan, PlanReason, Request, Source
from lowtide.units import format_duration, format_time_column

_RUNS: Final = {
    PlanReason.CLEANEST_WINDOW: "runs now: the planned time has come",
    PlanReason.RUN_NOW_IS_BEST: "runs now: no later time is expected to be cleaner",
    PlanReason.SAVING_TOO_SMALL: "runs now: waiting would save less than the minimum",
    PlanReason.LATEST_START: "runs now: the latest start is reached",
    PlanReason.DEADLINE_AT_RISK: "runs now: the time left may not suffice for the deadline",
    PlanReason.NO_FORECAST: "runs now: no forecast covers a whole run",
    PlanReason.CAPACITY_SHORT: "runs now: there is no room for it before the deadline",
    PlanReason.NOT_YET_PERMITTED: "runs now: the earliest permitted start is reached",
    PlanReason.MINIMUM_STRETCH: "keeps running: it resumed too recently to pause again",
}
_WAITS: Final = {
    PlanReason.NOT_YET_PERMITTED: "it may not start earlier",
    PlanReason.CAPACITY_SHORT: "there is no room for it earlier",
    PlanReason.DEADLINE_AT_RISK: "it may not start earlier, although the deadline is then at risk",
    PlanReason.MINIMUM_STRETCH: "it paused too recently to resume",
}
_SOURCES: Final = {
    Source.PROFILE: "the zone's own profile",
    Source.CLIMATOLOGY: "climatology",
    Source.FLAT: "a flat line",
}


def explain(now: datetime, request: Request, plan: Plan) -> Plan:
    """Return `plan` with its sentence and with what would change it."""
    return replace(plan, explanation=_sentence(now, plan), would_change=_change(request, plan))


def _sentence(now: datetime, plan: Plan) -> str:
    """Return the sentence: what it does, until when, what that brings, and by which forecast."""
    if plan.run:
        return _RUNS[plan.reason]
    start = plan.segments[0].start
    away = format_duration((start - now).total_seconds())
    text = f"waits until {format_time_column(start)} (in {away}) because "
    if plan.reason in _WAITS:
        return text + _WAITS[plan.reason]
    return text + _gain(plan) + _source(now, plan)


def _gain(plan: Plan) -> str:
    """Return what waiting is expected to bring."""
    if plan.saving_ratio is None or plan.planned_grams_per_kwh is None:
        return "a cleaner time is expected"
    if plan.saving_ratio < 0.005:
        return "the forecast is uncertain and the plan can still be changed"
    count = len(plan.segments)
    return (
        f"that is expected to save {100 * plan.saving_ratio:.0f} %: "
        f"{plan.planned_grams_per_kwh:.0f} instead of {plan.run_now_grams_per_kwh:.0f} g/kWh"
        + (f" in {count} stretches" if count > 1 else "")
    )


def _source(now: datetime, plan: Plan) -> str:
    """Return which forecast says so, and how old it is."""
    names = [_SOURCES[source] for source in plan.sources if source in _SOURCES]
    if Source.PROVIDER in plan.sources and plan.provider is not None:
        age = ""
        if plan.forecast_generated_at is not None:
            seconds = max(0.0, (now - plan.forecast_generated_at).total_seconds())
            age = f", {format_duration(seconds)} old"
        names.insert(0, plan.provider + age)
    return f" (forecast: {'; then '.join(names)})" if names else ""


def _change(request: Request, plan: Plan) -> str:
    """Return what could lead to another plan."""
    if plan.reason is PlanReason.NO_FORECAST:
        return "a forecast"
    if plan.run and not request.interruptible:
        return ""
    if plan.run:
        return "a newer forecast with cleaner hours ahead"
    return f"a newer forecast, or the latest start at {format_time_column(plan.latest_start)}"
