"""Plan of a job as its status holds it, and when a new one is worth a write."""

from lowtide.planning.types import Plan
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.status import MAX_SEGMENTS, PlanSegment, PlanStatus
from lowtide.trainingjob.times import nearest_second, whole_seconds
from lowtide.trainingjob.window import Window

SAVING_STEP_PERCENT = 2.0
"""An expected saving that moved by less is not written: ten thousand waiting jobs would rewrite
their status at every forecast."""


def plan_status(
    plan: Plan, window: Window, *, reason: str, explanation: str, remembered: PlanStatus | None
) -> PlanStatus:
    """Return what the status says about `plan`.

    `remembered` is an earlier plan of the same spec: it knows what running at once was expected
    to emit when the job was first planned, which is what the saving is counted against.
    """
    planned, at_once = plan.planned_grams_per_kwh, plan.run_now_grams_per_kwh
    if remembered is not None and remembered.run_now_grams_per_kwh is not None:
        at_once = float(remembered.run_now_grams_per_kwh)
    saving = None
    if planned is not None and at_once:
        saving = 100 * (1 - planned / at_once)
    segments = tuple(
        PlanSegment(start=nearest_second(s.start), end=nearest_second(s.end)) for s in plan.segments
    )
    return PlanStatus(
        segments=segments[:MAX_SEGMENTS],
        start=segments[0].start if segments else None,
        latest_start=nearest_second(plan.latest_start),
        deadline=whole_seconds(window.deadline),
        reason=reason,
        explanation=shortened(explanation),
        would_change=shortened(plan.would_change) or None,
        expected_duration_seconds=round(window.duration_seconds),
        duration_source=window.duration.source,
        duration_note=window.duration.note or None,
        expected_joules=None if window.expected_joules is None else round(window.expected_joules),
        planned_grams_per_kwh=None if planned is None else f"{planned:.1f}",
        run_now_grams_per_kwh=None if at_once is None else f"{at_once:.1f}",
        expected_saving_percent=None if saving is None else f"{saving:.1f}",
        forecast_source=_source(plan),
        forecast_generated_at=(
            None
            if plan.forecast_generated_at is None
            else whole_seconds(plan.forecast_generated_at)
        ),
    )


def is_same_plan(old: PlanStatus | None, new: PlanStatus) -> bool:
    """Return whether the two intend the same, so that the old one may stay as it is written."""
    if old is None or _intent(old) != _intent(new):
        return False
    if old.expected_saving_percent is None or new.expected_saving_percent is None:
        return old.expected_saving_percent == new.expected_saving_percent
    moved = float(old.expected_saving_percent) - float(new.expected_saving_percent)
    return abs(moved) < SAVING_STEP_PERCENT


def _intent(plan: PlanStatus) -> tuple[object, ...]:
    return (
        plan.segments,
        plan.start,
        plan.latest_start,
        plan.deadline,
        plan.reason,
        plan.expected_duration_seconds,
    )


def _source(plan: Plan) -> str | None:
    """Return the provider and the kinds of values used, for example `file; profile beyond`."""
    kinds = [str(source) for source in dict.fromkeys(plan.sources)]
    if not kinds:
        return plan.provider
    if plan.provider is not None and kinds[0] == "provider":
        kinds[0] = plan.provider
    first, *rest = kinds
    return shortened("; ".join([first, *(f"{kind} beyond" for kind in rest)]), 256)
