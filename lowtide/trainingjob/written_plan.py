"""Plan of a job as its status holds it, and when a new one is worth a write."""

from typing import Any

from lowtide.planning.types import Plan
from lowtide.trainingjob.base import decimal_text, tenths_text
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.objectives import CARBON_ALONE, ObjectiveInForce
from lowtide.trainingjob.scaling import ScalingStatus, scaling_status
from lowtide.trainingjob.status import MAX_SEGMENTS, PlanSegment, PlanStatus
from lowtide.trainingjob.times import nearest_second, whole_seconds
from lowtide.trainingjob.window import Window

PRICE_DIGITS = 5
SAVING_STEP_PERCENT = 2.0
"""An expected saving that moved by less is not written: ten thousand waiting jobs would rewrite
their status at every forecast."""


def plan_status(
    plan: Plan,
    window: Window,
    *,
    reason: str,
    explanation: str,
    remembered: PlanStatus | None,
    in_force: ObjectiveInForce = CARBON_ALONE,
) -> PlanStatus:
    """Return what the status says about `plan`.

    `remembered` is an earlier plan of the same spec: it knows what running at once was expected
    to emit and to cost when the job was first planned, which is what savings are counted against.
    """
    planned, at_once = plan.planned_grams_per_kwh, plan.run_now_grams_per_kwh
    if remembered is not None and remembered.run_now_grams_per_kwh is not None:
        at_once = float(remembered.run_now_grams_per_kwh)
    saving = None
    if planned is not None and at_once:
        saving = 100 * (1 - planned / at_once)
    if plan.replicas is not None:
        # Wider running uses more energy: the means of an elastic job say less than its totals.
        saving = None if plan.saving_ratio is None else 100 * plan.saving_ratio
    segments = tuple(
        PlanSegment(start=nearest_second(s.start), end=nearest_second(s.end), replicas=s.replicas)
        for s in plan.segments
    )
    return PlanStatus(
        segments=segments[:MAX_SEGMENTS],
        start=segments[0].start if segments else None,
        latest_start=nearest_second(plan.latest_start),
        deadline=whole_seconds(window.deadline),
        reason=reason,
        explanation=shortened(_with_note(explanation, in_force)),
        would_change=shortened(plan.would_change) or None,
        expected_duration_seconds=round(window.duration_seconds),
        duration_source=window.duration.source,
        duration_note=window.duration.note or None,
        expected_joules=None if window.expected_joules is None else round(window.expected_joules),
        planned_grams_per_kwh=tenths_text(planned),
        run_now_grams_per_kwh=tenths_text(at_once),
        expected_saving_percent=tenths_text(saving),
        forecast_source=_source(plan),
        forecast_generated_at=(
            None
            if plan.forecast_generated_at is None
            else whole_seconds(plan.forecast_generated_at)
        ),
        scaling=scaling_status(plan.scaling),
        objective=in_force.objective.kind,
        price_per_tonne=decimal_text(in_force.objective.price_per_tonne),
        objective_note=None if in_force.note is None else shortened(in_force.note),
        alternatives=_alternatives(plan, in_force, remembered),
        **_money(plan, remembered),
    )


def _with_note(explanation: str, in_force: ObjectiveInForce) -> str:
    if in_force.note is None:
        return explanation
    return f"{explanation}; planned by carbon alone: {in_force.note}"


def _alternatives(
    plan: Plan, in_force: ObjectiveInForce, remembered: PlanStatus | None
) -> str | None:
    """Return what carbon and cost alone would have done; a started job keeps what was said."""
    if not in_force.objective.needs_prices:
        return None
    before = None if remembered is None else remembered.alternatives
    return shortened(plan.alternatives) or before


def _money(plan: Plan, remembered: PlanStatus | None) -> dict[str, Any]:
    """Return the fields about prices: as planned, and at once as first seen."""
    planned, at_once = plan.planned_price_per_kwh, plan.run_now_price_per_kwh
    if (
        remembered is not None
        and remembered.run_now_price_per_kwh is not None
        and remembered.currency == plan.currency
    ):
        at_once = float(remembered.run_now_price_per_kwh)
    saving = None
    if planned is not None and at_once is not None and at_once > 0:
        saving = 100 * (1 - planned / at_once)
    if plan.replicas is not None:
        saving = None if plan.money_saving_ratio is None else 100 * plan.money_saving_ratio
    return {
        "currency": plan.currency,
        "planned_price_per_kwh": decimal_text(planned, PRICE_DIGITS),
        "run_now_price_per_kwh": decimal_text(at_once, PRICE_DIGITS),
        "expected_money_saving_percent": tenths_text(saving),
    }


def is_same_plan(old: PlanStatus | None, new: PlanStatus) -> bool:
    """Return whether the two intend the same, so that the old one may stay as it is written."""
    if old is None or _intent(old) != _intent(new):
        return False
    return _near(old.expected_saving_percent, new.expected_saving_percent) and _near(
        old.expected_money_saving_percent, new.expected_money_saving_percent
    )


def _near(old: str | None, new: str | None) -> bool:
    if old is None or new is None:
        return old == new
    return abs(float(old) - float(new)) < SAVING_STEP_PERCENT


def _intent(plan: PlanStatus) -> tuple[object, ...]:
    return (
        plan.segments,
        plan.start,
        plan.latest_start,
        plan.deadline,
        plan.reason,
        plan.expected_duration_seconds,
        _grounds(plan.scaling),
        plan.objective,
        plan.price_per_tonne,
        plan.objective_note,
        plan.currency,
    )


def _grounds(scaling: ScalingStatus | None) -> tuple[object, ...]:
    """Return what a plan's sentence says of the scaling; each attempt moves it a little."""
    if scaling is None:
        return ()
    return scaling.source, round(float(scaling.efficiency), 2), scaling.power_attempts > 0


def _source(plan: Plan) -> str | None:
    """Return the provider and the kinds of values used, for example `file; profile beyond`."""
    kinds = [str(source) for source in dict.fromkeys(plan.sources)]
    if not kinds:
        return plan.provider
    if plan.provider is not None and kinds[0] == "provider":
        kinds[0] = plan.provider
    first, *rest = kinds
    return shortened("; ".join([first, *(f"{kind} beyond" for kind in rest)]), 256)
