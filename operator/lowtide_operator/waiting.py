"""A job that has not started: is it valid, when should it run, and should it run now?

No forecast, no credential and no settings keep a job past its latest start: where nothing is
known the planner says "run", and a forecast that has not arrived yet is awaited for a bounded
time only. A plan that the status remembers holds while no forecast is there, so a restarted
operator goes on with the plan of the one before.
"""

from datetime import datetime, timedelta

from lowtide import names
from lowtide.planning import Plan, PlanReason, Request
from lowtide.planning.guard import is_at_risk, latest_start
from lowtide.trainingjob.spec import Policy, TrainingJobSpec
from lowtide.trainingjob.status import CarbonStatus, PlanStatus
from lowtide.units import format_duration
from lowtide_operator.actions import CreateJob
from lowtide_operator.draft import Draft
from lowtide_operator.intent import planned
from lowtide_operator.objects.job_manifest import child_name
from lowtide_operator.objects.views import Fault
from lowtide_operator.observation import Observation
from lowtide_operator.plans import is_same_plan, plan_status
from lowtide_operator.settings import Settings
from lowtide_operator.status.attempts import with_attempt
from lowtide_operator.status.conditions import ConditionType, Reason
from lowtide_operator.status.times import clock_text
from lowtide_operator.window import Window, window_of


def decide_waiting(
    seen: Observation, spec: TrainingJobSpec, draft: Draft, settings: Settings
) -> None:
    """Draft what to do for a job without a batch Job."""
    window = window_of(spec, seen.job.created, settings.schedule, seen.experience)
    draft.condition(
        ConditionType.FORECAST_AVAILABLE,
        seen.forecast.status,
        seen.forecast.reason,
        seen.forecast.message,
    )
    if seen.forecast.zone is not None:
        draft.section(carbon=CarbonStatus(zone=seen.forecast.zone, signal=seen.forecast.signal))
    fault = _fault(seen, window)
    if fault is not None:
        refuse(draft, *fault)
        return
    if seen.template_checked:
        draft.condition(ConditionType.VALID, "True", Reason.ACCEPTED, "")
    else:
        draft.condition(ConditionType.VALID, "Unknown", Reason.NOT_LOOKED_AT, _unchecked(seen))
    for kind in (ConditionType.COMPLETE, ConditionType.FAILED):
        draft.condition(kind, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.PAUSED, "False", Reason.NOT_PAUSED)
    draft.condition(ConditionType.MEASURED, "Unknown", Reason.NOT_MEASURED_YET)
    if spec.suspend and not seen.job.run_now:
        _suspended(draft, window)
        return
    _follow_plan(seen, spec, window, draft, settings)


def question_of(seen: Observation, settings: Settings) -> Request | None:
    """Return what the planner will be asked for a job that has not started; `None` for nothing.

    A job that is suspended, cannot run as it is written or has no forecast is not planned with
    the others.
    """
    spec = seen.job.spec
    if isinstance(spec, Fault) or (spec.suspend and not seen.job.run_now):
        return None
    window = window_of(spec, seen.job.created, settings.schedule, seen.experience)
    if _fault(seen, window) is not None or seen.forecast.forecast is None:
        return None
    return _request(seen, spec, window, settings, _reason_to_run(seen, spec))


def refuse(draft: Draft, reason: Reason, message: str) -> None:
    """Draft a job that cannot run as it is written."""
    draft.section(plan=None)
    draft.condition(ConditionType.VALID, "False", reason, message)
    draft.condition(ConditionType.PLANNED, "False", Reason.INVALID, message)
    draft.condition(ConditionType.DEADLINE_AT_RISK, "Unknown", Reason.INVALID)
    draft.condition(ConditionType.RUNNING, "False", Reason.INVALID)
    draft.condition(ConditionType.PAUSED, "False", Reason.NOT_PAUSED)
    draft.condition(ConditionType.COMPLETE, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.FAILED, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.MEASURED, "Unknown", Reason.NOT_MEASURED_YET)


def _fault(seen: Observation, window: Window) -> tuple[Reason, str] | None:
    """Return why the job cannot run as it is written."""
    if window.fault is not None:
        return Reason.INVALID_SCHEDULE, window.fault
    if seen.forecast.fault is not None:
        return seen.forecast.fault, seen.forecast.message
    if seen.template_refusal is not None and seen.template_refusal.lasting:
        return seen.template_refusal.reason, seen.template_refusal.message
    return None


def _unchecked(seen: Observation) -> str:
    return "" if seen.template_refusal is None else seen.template_refusal.message


def _suspended(draft: Draft, window: Window) -> None:
    message = "spec.suspend is true: the job waits until it is false"
    draft.section(plan=None)
    draft.condition(ConditionType.PLANNED, "False", Reason.SUSPENDED, message)
    draft.condition(ConditionType.RUNNING, "False", Reason.SUSPENDED, message)
    late = draft.now + timedelta(seconds=window.high_seconds) > window.deadline
    set_risk(draft, late, window)
    if not late:
        draft.look_at(window.deadline - timedelta(seconds=window.high_seconds))


def _follow_plan(
    seen: Observation, spec: TrainingJobSpec, window: Window, draft: Draft, settings: Settings
) -> None:
    """Plan, write the plan down, and start the job if it is time."""
    remembered = _remembered(seen)
    at_once = _reason_to_run(seen, spec)
    request = _request(seen, spec, window, settings, at_once)
    if at_once is None and seen.forecast.forecast is None:
        until = _patience_ends(seen, request, remembered)
        if until is not None and seen.now < until:
            _await_forecast(draft, until, remembered)
            return
    intended = planned(seen, request)
    runs = intended.run or (at_once is Reason.POLICY_OBSERVE and seen.now >= request.earliest)
    reason, explanation = _words(at_once, intended, remembered)
    written = plan_status(
        intended, window, reason=reason, explanation=explanation, remembered=remembered
    )
    if remembered is not None and is_same_plan(remembered, written):
        written = remembered
    draft.section(plan=written)
    draft.condition(ConditionType.PLANNED, "True", reason, written.explanation or "")
    start = request.earliest if not intended.segments else intended.segments[0].start
    set_risk(draft, is_at_risk(seen.now if runs else start, request), window)
    if runs:
        _start(seen, draft, settings)
    else:
        draft.condition(ConditionType.RUNNING, "False", Reason.WAITING)
        draft.look_at(intended.look_again_at)
        draft.look_in(settings.schedule.look_again_seconds)


def _start(seen: Observation, draft: Draft, settings: Settings) -> None:
    """Ask for the Job, or say why it could not be created."""
    if seen.refusal is None:
        draft.act(CreateJob(seen.job.key, seen.job.uid, seen.job.generation, attempt=1))
        draft.section(attempts=with_attempt(draft.attempts, child_name(seen.job.key)))
        draft.condition(ConditionType.RUNNING, "False", Reason.PODS_PENDING)
        draft.look_in(settings.cluster.pod_poll_seconds)
    else:
        draft.condition(ConditionType.RUNNING, "False", seen.refusal.reason, seen.refusal.message)


def set_risk(draft: Draft, at_risk: bool, window: Window) -> None:
    """Draft the condition DeadlineAtRisk of a job that has not ended."""
    if draft.now > window.deadline:
        draft.condition(
            ConditionType.DEADLINE_AT_RISK,
            "True",
            Reason.DEADLINE_MISSED,
            f"the deadline {clock_text(window.deadline)} has passed",
        )
    elif at_risk:
        draft.condition(
            ConditionType.DEADLINE_AT_RISK,
            "True",
            Reason.TOO_LATE_TO_BE_SURE,
            f"a run takes up to {format_duration(window.high_seconds)} and may end after the "
            f"deadline {clock_text(window.deadline)}",
        )
    else:
        draft.condition(ConditionType.DEADLINE_AT_RISK, "False", Reason.IN_TIME)


def _request(
    seen: Observation,
    spec: TrainingJobSpec,
    window: Window,
    settings: Settings,
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


def _remembered(seen: Observation) -> PlanStatus | None:
    """Return the plan in the status if it was made for the spec as it is now."""
    status = seen.job.status
    return status.plan if status.observed_generation == seen.job.generation else None


def _has_waited(seen: Observation) -> bool:
    plan_before = _remembered(seen)
    return plan_before is not None and plan_before.reason in (
        PlanReason.CLEANEST_WINDOW,
        PlanReason.CAPACITY_SHORT,
    )


def _reason_to_run(seen: Observation, spec: TrainingJobSpec) -> Reason | None:
    """Return why the job runs as soon as it may, whatever the grid does; `None` if it may wait."""
    if seen.job.run_now:
        return Reason.RUN_NOW_REQUESTED
    if spec.schedule.policy is Policy.IMMEDIATE:
        return Reason.POLICY_IMMEDIATE
    if spec.schedule.policy is Policy.OBSERVE:
        return Reason.POLICY_OBSERVE
    return None


def _patience_ends(
    seen: Observation, request: Request, remembered: PlanStatus | None
) -> datetime | None:
    """Return until when the job waits without any forecast; never past its latest start.

    With a remembered plan until its start, without one while the first fetch is under way.
    """
    until = seen.forecast.pending_until
    if remembered is not None and remembered.start is not None:
        until = remembered.start
    return None if until is None else min(until, latest_start(request))


def _await_forecast(draft: Draft, until: datetime, remembered: PlanStatus | None) -> None:
    draft.condition(ConditionType.RUNNING, "False", Reason.WAITING)
    draft.look_at(until)
    if remembered is None:
        message = "the first forecast is being fetched"
        draft.condition(ConditionType.PLANNED, "Unknown", Reason.FORECAST_PENDING, message)


def _words(
    at_once: Reason | None, intended: Plan, remembered: PlanStatus | None
) -> tuple[str, str]:
    """Return the reason and the explanation of a plan."""
    if at_once is Reason.RUN_NOW_REQUESTED:
        return at_once, f"runs now: the annotation {names.ANNOTATION_RUN_NOW} asks for it"
    if at_once is Reason.POLICY_IMMEDIATE:
        return at_once, "runs as soon as it may: spec.schedule.policy is Immediate"
    if at_once is Reason.POLICY_OBSERVE:
        return at_once, (
            "runs as soon as it may: spec.schedule.policy is Observe; under CarbonOptimal: "
            f"{intended.explanation}"
        )
    if intended.reason is PlanReason.NO_FORECAST and remembered is not None and remembered.reason:
        return remembered.reason, remembered.explanation or intended.explanation
    return intended.reason, intended.explanation
