"""Pauses of a started job: whether one that saves checkpoints should run now or rest.

The planner decides, with the work already done taken off. A job that was started because
no saving was to be had, or because its deadline left no choice, is never paused by the grid. A
forecast that is missing never pauses a job and never keeps one paused past its next planned
stretch or its latest start.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lowtide.planning import Plan, Request, Segment
from lowtide.planning.guard import latest_start
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.objectives import ObjectiveInForce
from lowtide.trainingjob.requests import NEVER_PAUSED
from lowtide.trainingjob.schedule import Policy
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import PlanStatus
from lowtide.trainingjob.window import Window
from lowtide.trainingjob.written_plan import is_same_plan, plan_status
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.intent import planned
from lowtide_operator.decision.objectives import objective_of, prices_awaited_until
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.questions import request_after_start
from lowtide_operator.decision.resizing import (
    first_size,
    lacks_room,
    size_without_forecast,
    size_without_room,
    sizes_of,
)
from lowtide_operator.decision.start import has_run
from lowtide_operator.decision.workload import may_be_paused
from lowtide_operator.objects.views import ChildView
from lowtide_operator.settings import OperatorSettings


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether the job should run now; if not, why not, for the condition Paused."""

    run: bool
    reason: Reason = Reason.NOT_PAUSED
    message: str = ""
    replicas: int | None = None
    """Size to run with; `None` for the one that the Job has."""
    until: datetime | None = None
    """End of the rest as it is planned now; `None` where that is not known."""


RUN: Final = Wish(True)


def wish_of(
    seen: Observation,
    child: ChildView,
    spec: TrainingJobSpec,
    window: Window,
    draft: Draft,
    settings: OperatorSettings,
    *,
    is_kept: bool = False,
) -> Wish:
    """Return whether a started job should run now, and draft its plan if that has changed.

    A job that is kept from running all the same (`is_kept`) could go on at every moment: the plan
    that it would follow then moves with the clock and is not worth a write.
    """
    if spec.suspend:
        return Wish(
            False, Reason.SUSPENDED, "spec.suspend is true: the job rests until it is false"
        )
    if not _may_be_paused(seen, child, spec, draft.plan):
        if has_run(seen.job.status.attempts):
            return RUN
        elastic = sizes_of(seen.job)
        if elastic is not None and child.suspended and lacks_room(seen, child, elastic):
            return Wish(True, replicas=size_without_room(seen, child, elastic, draft))
        return Wish(True, replicas=first_size(seen, draft))
    request = request_after_start(seen, child, spec, window, draft, settings)
    if request.remaining_seconds <= 0:
        return RUN
    if request.elastic is not None and lacks_room(seen, child, request.elastic):
        return Wish(True, replicas=size_without_room(seen, child, request.elastic, draft))
    prices_until = prices_awaited_until(seen, settings.schedule)
    if seen.forecast.forecast is None or prices_until is not None:
        until = prices_until or seen.forecast.pending_until
        return _without_forecast(seen, child, request, draft, until)
    intended = planned(seen, request)
    draft.look_at(intended.look_again_at)
    draft.look_in(settings.schedule.look_again_seconds)
    if not (is_kept and intended.run):
        _write_plan(intended, window, objective_of(seen, settings.schedule), child, draft)
    if intended.run:
        return Wish(True, replicas=intended.replicas)
    message = "" if draft.plan is None else draft.plan.explanation or ""
    until = intended.segments[0].start if intended.segments else None
    return Wish(False, Reason.CLEANER_LATER, message, until=until)


def _may_be_paused(
    seen: Observation, child: ChildView, spec: TrainingJobSpec, plan: PlanStatus | None
) -> bool:
    return (
        has_run(seen.job.status.attempts)
        and spec.schedule.interruption.allowed
        and spec.schedule.policy is Policy.CARBON_OPTIMAL
        and not seen.job.run_now
        and (not child.queued or may_be_paused(seen.workload))
        and plan is not None
        and plan.reason not in NEVER_PAUSED
    )


def _without_forecast(
    seen: Observation, child: ChildView, request: Request, draft: Draft, until: datetime | None
) -> Wish:
    """Return what to do while nothing is known of the grid: go on running, or rest as planned.

    The first forecast or the first prices are awaited until `until`.
    """
    onward = Wish(True, replicas=size_without_forecast(seen, request, draft))
    if not child.suspended:
        return onward
    if draft.plan is not None and draft.plan.start is not None and draft.plan.start > seen.now:
        until = draft.plan.start
    if until is None or seen.now >= min(until, latest_start(request)):
        return onward
    until = min(until, latest_start(request))
    draft.look_at(until)
    message = (draft.plan and draft.plan.explanation) or ""
    return Wish(False, Reason.CLEANER_LATER, message, until=until)


def _write_plan(
    intended: Plan, window: Window, in_force: ObjectiveInForce, child: ChildView, draft: Draft
) -> None:
    """Draft the new plan, unless it means the same as the one that is written."""
    shown = replace(intended, segments=_from_attempt(intended.segments, child, draft))
    written = plan_status(
        shown,
        window,
        reason=str(intended.reason),
        explanation=intended.explanation,
        remembered=draft.plan,
        in_force=in_force,
    )
    if not is_same_plan(draft.plan, written):
        draft.section(plan=written)


def _from_attempt(
    segments: tuple[Segment, ...], child: ChildView, draft: Draft
) -> tuple[Segment, ...]:
    """Return the segments with the present one beginning where the attempt began.

    Otherwise the plan of a running job would differ with every second that passes.
    """
    began: datetime | None = draft.attempts[-1].start if draft.attempts else None
    if child.suspended or began is None or not segments or segments[0].start < began:
        return segments
    first, *rest = segments
    return (Segment(min(began, first.start), first.end, first.replicas), *rest)
