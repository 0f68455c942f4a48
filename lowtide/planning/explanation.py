"""Sentence for people about a plan, and about what could change it.

Presentation only: every figure comes from the plan, nothing is computed anew. A sentence is kept
in a status and read hours later, so it names times and never how far away they are.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from lowtide.grid.forecast import Source
from lowtide.planning.objective import ObjectiveKind
from lowtide.planning.types import Plan, PlanReason, Request
from lowtide.units import format_time_column

_RUNS: Final = {
    PlanReason.CLEANEST_WINDOW: "the planned time has come",
    PlanReason.RUN_NOW_IS_BEST: "no later start is expected to be cleaner",
    PlanReason.SAVING_TOO_SMALL: "waiting would save less than the minimum",
    PlanReason.LATEST_START: "the latest start is reached",
    PlanReason.DEADLINE_AT_RISK: "the time left may not suffice for the deadline",
    PlanReason.NO_FORECAST: "no forecast covers a whole run",
    PlanReason.CAPACITY_SHORT: "there is no room for it before the deadline",
    PlanReason.NOT_YET_PERMITTED: "the earliest permitted start is reached",
    PlanReason.MINIMUM_STRETCH: "it resumed too recently to pause again",
}
_WAITS: Final = {
    PlanReason.NOT_YET_PERMITTED: "it may not start earlier",
    PlanReason.CAPACITY_SHORT: "there is no room for it earlier",
    PlanReason.DEADLINE_AT_RISK: "it may not start earlier, although the deadline is then at risk",
    PlanReason.MINIMUM_STRETCH: "it paused too recently to resume",
}
_BETTER: Final = {
    ObjectiveKind.CARBON: "cleaner",
    ObjectiveKind.COST: "cheaper",
    ObjectiveKind.BOTH: "better",
}
_FINAL: Final = {
    PlanReason.SAVING_TOO_SMALL,
    PlanReason.LATEST_START,
    PlanReason.DEADLINE_AT_RISK,
}
"""A job that runs for one of these reasons is not paused again."""
_SOURCES: Final = {
    Source.PROFILE: "the zone's own profile",
    Source.CLIMATOLOGY: "climatology",
    Source.FLAT: "a flat line",
}


def explain(now: datetime, request: Request, plan: Plan) -> Plan:
    """Return `plan` with its sentence and with what would change it."""
    change = _change(request, plan)
    return replace(plan, explanation=_sentence(now, request, plan, change), would_change=change)


def _sentence(now: datetime, request: Request, plan: Plan, change: str) -> str:
    """Return the sentence: the action with its reason, and the grounds in brackets."""
    begin = max(now, request.earliest)
    if plan.run:
        text = f"runs from {_at(now)} on because {_why_it_runs(request, plan)}"
    else:
        start = plan.segments[0].start if plan.segments else begin
        text = f"waits until {_at(start)} because "
        text += _WAITS.get(plan.reason) or _gain(request, plan, begin)
    details = [*_expected(request, plan), *_forecast(now, plan)]
    if plan.run:
        details.append(f"latest start {_at(plan.latest_start)}")
    if plan.scaling is not None:
        details.append(plan.scaling.sentence)
    if change:
        details.append(f"would change with {change}")
    return text + (f" ({'; '.join(details)})" if details else "")


def _at(moment: datetime) -> str:
    """Return a time in UTC, with seconds only where it is not a whole minute."""
    nearest = (moment.astimezone(UTC) + timedelta(microseconds=500_000)).replace(microsecond=0)
    if nearest.second == 0:
        return format_time_column(nearest)
    return nearest.strftime("%Y-%m-%d %H:%M:%SZ")


def _why_it_runs(request: Request, plan: Plan) -> str:
    """Return the reason of a job that runs, in the words of its objective."""
    if plan.reason is PlanReason.NO_FORECAST and request.objective.needs_prices:
        return "no price is known" if plan.currency is None else "no price covers a whole run"
    if plan.reason is PlanReason.RUN_NOW_IS_BEST:
        return f"no later start is expected to be {_BETTER[request.objective.kind]}"
    return _RUNS[plan.reason]


def _gain(request: Request, plan: Plan, begin: datetime) -> str:
    """Return the expected gain of waiting over a run without a pause from `begin`."""
    if request.objective.needs_prices:
        return _gain_in_money(request, plan, begin)
    if plan.saving_ratio is None or plan.planned_grams_per_kwh is None:
        return "a cleaner time is expected"
    if plan.saving_ratio < 0.005:
        return (
            f"no cleaner time than {_at(begin)} is certain, but the forecast may be wrong and the "
            "plan can still be changed"
        )
    return (
        f"that is expected to save {100 * plan.saving_ratio:.0f} %: "
        f"{plan.planned_grams_per_kwh:.0f} instead of {plan.run_now_grams_per_kwh:.0f} g/kWh"
        f" from {_at(begin)} on" + _in_stretches(plan)
    )


def _gain_in_money(request: Request, plan: Plan, begin: datetime) -> str:
    """Return the expected gain of a job that is planned by money, or by money and carbon."""
    saving, better = plan.objective_saving_ratio, _BETTER[request.objective.kind]
    if saving is None:
        text = f"a {better} time is expected"
    elif saving < 0.005:
        return (
            f"no {better} time than {_at(begin)} is certain, but the forecast may be wrong and the "
            "plan can still be changed"
        )
    else:
        text = f"that is expected to save {100 * saving:.0f} %"
    figures = _money_and_grams(plan)
    return (
        text
        + (f": {' and '.join(figures)}" if figures else "")
        + f" from {_at(begin)} on"
        + _in_stretches(plan)
    )


def _in_stretches(plan: Plan) -> str:
    """Return into how many stretches a plan falls, and with how many replicas they run."""
    count = len(plan.segments)
    text = f", in {count} stretches" if count > 1 else ""
    sizes = sorted({one.replicas for one in plan.segments if one.replicas is not None})
    if not sizes:
        return text
    span = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}"
    return f"{text} with {span} {'replica' if sizes == [1] else 'replicas'}"


def _money_and_grams(plan: Plan) -> list[str]:
    """Return price and intensity as planned and at once, as far as they are known."""
    figures = []
    if plan.planned_price_per_kwh is not None and plan.run_now_price_per_kwh is not None:
        figures.append(
            f"{plan.planned_price_per_kwh:.3g} instead of {plan.run_now_price_per_kwh:.3g} "
            f"{plan.currency}/kWh"
        )
    if plan.planned_grams_per_kwh is not None and plan.run_now_grams_per_kwh is not None:
        figures.append(
            f"{plan.planned_grams_per_kwh:.0f} instead of {plan.run_now_grams_per_kwh:.0f} g/kWh"
        )
    return figures


def _expected(request: Request, plan: Plan) -> list[str]:
    """Return the intensity that a running job expects; a waiting one has said so already."""
    if not plan.run or plan.planned_grams_per_kwh is None:
        return []
    text = f"{plan.planned_grams_per_kwh:.0f} g/kWh expected"
    count = len(plan.segments)
    if plan.replicas is not None and plan.saving_ratio is not None:
        text += (
            f"{_in_stretches(plan)}, {_less(plan.saving_ratio)} than at one size without a pause"
        )
    elif count > 1 and plan.saving_ratio is not None and plan.run_now_grams_per_kwh is not None:
        text += (
            f" in {count} stretches, {100 * plan.saving_ratio:.0f} % less than the "
            f"{plan.run_now_grams_per_kwh:.0f} g/kWh without a pause"
        )
    if request.objective.needs_prices and plan.planned_price_per_kwh is not None:
        return [f"{plan.planned_price_per_kwh:.3g} {plan.currency}/kWh and {text}"]
    return [text]


def _less(saving_ratio: float) -> str:
    percent = f"{100 * abs(saving_ratio):.0f} %"
    return f"{percent} {'more' if saving_ratio < 0 else 'less'}"


def _forecast(now: datetime, plan: Plan) -> list[str]:
    """Return the forecast behind the plan, and its age."""
    names = [_SOURCES[source] for source in plan.sources if source in _SOURCES]
    if Source.PROFILE in plan.sources:
        names[names.index(_SOURCES[Source.PROFILE])] += f" as of {_at(now)}"
    if Source.PROVIDER in plan.sources and plan.provider is not None:
        issued = plan.forecast_generated_at
        names.insert(0, plan.provider + ("" if issued is None else f", issued at {_at(issued)}"))
    return [f"forecast: {', then '.join(names)}"] if names else []


def _change(request: Request, plan: Plan) -> str:
    """Return what could lead to another plan."""
    if plan.reason is PlanReason.NO_FORECAST:
        return "prices" if request.objective.needs_prices else "a forecast"
    if plan.run and (not request.interruptible or plan.reason in _FINAL):
        return ""
    if plan.run:
        return f"a newer forecast with {_BETTER[request.objective.kind]} hours ahead"
    return f"a newer forecast, or the latest start at {_at(plan.latest_start)}"
