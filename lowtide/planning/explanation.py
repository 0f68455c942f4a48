"""One sentence for people about a plan, and what could change it.

Presentation only: every figure comes from the plan, nothing is computed anew.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from lowtide.planning.types import Plan, PlanReason, Request
from lowtide.units import format_duration, format_time_column

_RUN_SENTENCES: Final = {
    PlanReason.CLEANEST_WINDOW: "runs now: the planned window has begun",
    PlanReason.RUN_NOW_IS_BEST: "runs now: no later window is expected to be cleaner",
    PlanReason.SAVING_TOO_SMALL: "runs now: waiting would save less than the minimum",
    PlanReason.LATEST_START: "runs now: the latest start is reached",
    PlanReason.DEADLINE_AT_RISK: "runs now: the deadline is at risk",
    PlanReason.NO_FORECAST: "runs now: no forecast covers the time until the deadline",
    PlanReason.CAPACITY_SHORT: "runs now: capacity is short and the latest start is reached",
    PlanReason.NOT_YET_PERMITTED: "runs now: the earliest permitted start is reached",
}


def explain(now: datetime, request: Request, plan: Plan) -> Plan:
    """Return `plan` with its sentence and with what would change it."""
    return replace(plan, explanation=_sentence(now, plan), would_change=_change(plan))


def _sentence(now: datetime, plan: Plan) -> str:
    """Return the sentence: what it does, until when, and what that is expected to bring."""
    if plan.run:
        return _RUN_SENTENCES[plan.reason]
    if not plan.segments:
        return "nothing is left to run"
    start = plan.segments[0].start
    text = (
        f"waits until {format_time_column(start)} "
        f"(in {format_duration((start - now).total_seconds())})"
    )
    if plan.reason is PlanReason.NOT_YET_PERMITTED:
        return f"{text} because it may not start earlier"
    if plan.saving_ratio is None:
        return text
    return (
        f"{text} because that is expected to save {100 * plan.saving_ratio:.0f} %: "
        f"{plan.planned_grams_per_kwh:.0f} instead of {plan.run_now_grams_per_kwh:.0f} g/kWh"
    )


def _change(plan: Plan) -> str:
    """Return what could lead to another plan."""
    if plan.run and plan.reason is not PlanReason.NO_FORECAST:
        return ""
    if plan.reason is PlanReason.NO_FORECAST:
        return "a forecast"
    return f"a newer forecast, or the latest start at {format_time_column(plan.latest_start)}"
