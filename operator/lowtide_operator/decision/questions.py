"""Questions to the planner: the one module that turns a job into a planner's `Request`.

A job asks before its start, while it runs or rests, and once more in hindsight.
"""

from datetime import datetime

from lowtide.planning import PlanReason, Request
from lowtide.trainingjob.spec import Policy, TrainingJobSpec
from lowtide.trainingjob.status import PlanStatus
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.window import Window, window_of
from lowtide_operator.objects.views import ChildView, Fault
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.attempts import ran_seconds
from lowtide_operator.status.conditions import Reason


def question_of(seen: Observation, settings: OperatorSettings) -> Request | None:
    """Return what the planner will be asked for a job that has not started; `None` for nothing.

    A job that is suspended, cannot run as it is written or has no forecast is not planned with
    the others.
    """
    spec = seen.job.spec
    if isinstance(spec, Fault) or spec.suspend:
        return None
    window = window_of(spec, seen.job.created, settings.schedule, seen.experience)
    if fault_of(seen, window) is not None or seen.forecast.forecast is None:
        return None
    return request_before_start(seen, spec, window, settings, reason_to_run(seen, spec))


def fault_of(seen: Observation, window: Window) -> tuple[Reason, str] | None:
    """Return why the job cannot run as it is written."""
    if window.fault is not None:
        return Reason.INVALID_SCHEDULE, window.fault
    if seen.forecast.fault is not None:
        return seen.forecast.fault, seen.forecast.message
    if seen.template_refusal is not None and seen.template_refusal.lasting:
        return seen.template_refusal.reason, seen.template_refusal.message
    return None


def request_before_start(
    seen: Observation,
    spec: TrainingJobSpec,
    window: Window,
    settings: OperatorSettings,
    at_once: Reason | None,
) -> Request:
    """Return the job as the planner sees it before its start."""
    interruption = spec.schedule.interruption
    minimum = spec.schedule.minimum_saving_percent / 100
    runs_anyway = at_once in (Reason.POLICY_IMMEDIATE, Reason.RUN_NOW_REQUESTED)
    return Request(
        key=seen.job.uid,
        earliest=seen.now if at_once is Reason.RUN_NOW_REQUESTED else window.earliest,
        deadline=window.deadline,
        remaining_seconds=window.duration_seconds,
        remaining_high_seconds=window.high_seconds,
        interruptible=interruption.allowed and not runs_anyway,
        restart_cost_seconds=float(interruption.restart_cost_seconds),
        # No saving is large enough for a job that is to run at once.
        minimum_saving_ratio=float("1e9") if runs_anyway else minimum,
        gpus=seen.job.gpus,
        latency_seconds=settings.schedule.start_latency_seconds,
        margin_seconds=settings.schedule.margin_seconds,
        waited=not runs_anyway and _has_waited(seen),
        created=seen.job.created,
    )


def remembered_plan(seen: Observation) -> PlanStatus | None:
    """Return the plan in the status if it was made for the spec as it is now."""
    status = seen.job.status
    return status.plan if status.observed_generation == seen.job.generation else None


def _has_waited(seen: Observation) -> bool:
    plan_before = remembered_plan(seen)
    return plan_before is not None and plan_before.reason in (
        PlanReason.CLEANEST_WINDOW,
        PlanReason.CAPACITY_SHORT,
    )


def reason_to_run(seen: Observation, spec: TrainingJobSpec) -> Reason | None:
    """Return why the job runs as soon as it may, whatever the grid does; `None` if it may wait."""
    if seen.job.run_now:
        return Reason.RUN_NOW_REQUESTED
    if spec.schedule.policy is Policy.IMMEDIATE:
        return Reason.POLICY_IMMEDIATE
    if spec.schedule.policy is Policy.OBSERVE:
        return Reason.POLICY_OBSERVE
    return None


def request_after_start(
    seen: Observation,
    child: ChildView,
    spec: TrainingJobSpec,
    window: Window,
    draft: Draft,
    settings: OperatorSettings,
) -> Request:
    """Return the job as the planner sees it after its start.

    What was worked is the time it ran, less what every resume cost.
    """
    attempts = draft.attempts
    cost = float(spec.schedule.interruption.restart_cost_seconds)
    worked = max(0.0, ran_seconds(attempts, seen.now) - cost * (len(attempts) - 1))
    last = attempts[-1]
    return Request(
        key=seen.job.uid,
        earliest=window.earliest,
        deadline=window.deadline,
        remaining_seconds=max(0.0, window.duration_seconds - worked),
        remaining_high_seconds=max(0.0, window.high_seconds - worked),
        interruptible=True,
        restart_cost_seconds=cost,
        started=True,
        running=not child.suspended,
        minimum_saving_ratio=spec.schedule.minimum_saving_percent / 100,
        gpus=seen.job.gpus,
        latency_seconds=settings.schedule.start_latency_seconds,
        margin_seconds=settings.schedule.margin_seconds,
        waited=True,
        since=last.end if child.suspended else last.start,
        created=seen.job.created,
    )


def request_in_hindsight(
    spec: TrainingJobSpec,
    earliest: datetime,
    deadline: datetime,
    seconds: float,
    settings: OperatorSettings,
) -> Request:
    """Return an ended job as the planner sees it when its hours are known.

    `seconds` is the running time without repeated work.
    """
    interruption = spec.schedule.interruption
    return Request(
        key="hindsight",
        earliest=earliest,
        deadline=deadline,
        remaining_seconds=seconds,
        remaining_high_seconds=seconds,
        interruptible=interruption.allowed,
        restart_cost_seconds=float(interruption.restart_cost_seconds)
        if interruption.allowed
        else 0.0,
        minimum_saving_ratio=0.0,
        gpus=0,
        latency_seconds=settings.schedule.start_latency_seconds,
        margin_seconds=settings.schedule.margin_seconds,
    )
