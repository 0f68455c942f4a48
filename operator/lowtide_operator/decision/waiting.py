"""Decision about a job that has not started: is it valid, and when should it run?

A missing forecast, credential or setting keeps no job past its latest start: where nothing is
known the planner says "run", and the first forecast is awaited for a bounded time only. A plan in
the status holds while there is no forecast, so a restarted operator follows the plan of the one
before.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from lowtide import names
from lowtide.planning import Plan, PlanReason, Request
from lowtide.planning.guard import is_at_risk, latest_start
from lowtide.trainingjob.attempts import with_attempt
from lowtide.trainingjob.budget import BudgetAction
from lowtide.trainingjob.budget_limits import Exceeded
from lowtide.trainingjob.conditions import ConditionType, Reason
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import CarbonStatus, PlanStatus
from lowtide.trainingjob.window import Window, window_of
from lowtide.trainingjob.written_plan import is_same_plan, plan_status
from lowtide_operator.decision.actions import CreateJob, FreeWorkload
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.intent import planned
from lowtide_operator.decision.limits import judge_budget
from lowtide_operator.decision.objectives import objective_of, prices_awaited_until
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.questions import (
    fault_of,
    reason_to_run,
    remembered_plan,
    request_before_start,
)
from lowtide_operator.decision.resizing import first_size, say_refusal
from lowtide_operator.decision.risk import set_risk
from lowtide_operator.decision.workload import hold, latest_start_of
from lowtide_operator.objects.job_manifest import child_name
from lowtide_operator.settings import OperatorSettings


def decide_waiting(
    seen: Observation, spec: TrainingJobSpec, draft: Draft, settings: OperatorSettings
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
        expected = seen.forecast.forecast
        draft.section(
            carbon=CarbonStatus(
                zone=seen.forecast.zone,
                signal=seen.forecast.signal,
                factor=None if expected is None else expected.factor,
            )
        )
    if seen.prediction is not None:
        draft.section(prediction=seen.prediction)
    # Whatever keeps the job, its budget is judged: one that was removed is no longer spoken of.
    over = judge_budget(spec.budget, draft)
    fault = fault_of(seen, window, settings)
    if fault is not None and seen.workload is not None:
        # Lowtide's own trouble with a TrainingJob never keeps somebody's workload from running.
        seen = replace(seen, runs_at_once=seen.runs_at_once or fault[1])
    elif fault is not None:
        refuse(draft, *fault)
        return
    if fault is not None:
        draft.condition(ConditionType.VALID, "False", *fault)
    elif seen.template_checked:
        draft.condition(ConditionType.VALID, "True", Reason.ACCEPTED, "")
    else:
        draft.condition(ConditionType.VALID, "Unknown", Reason.NOT_LOOKED_AT, _unchecked(seen))
    for kind in (ConditionType.COMPLETE, ConditionType.FAILED):
        draft.condition(kind, "False", Reason.NOT_ENDED)
    draft.condition(ConditionType.PAUSED, "False", Reason.NOT_PAUSED)
    draft.condition(ConditionType.MEASURED, "Unknown", Reason.NOT_MEASURED_YET)
    if spec.suspend:
        _suspended(draft, window)
    elif _follow_plan(seen, spec, window, draft, settings, over):
        return
    if seen.workload is not None:
        until = None if spec.suspend else latest_start_of(window, draft, settings)
        hold(seen.workload, until, draft)


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


def _unchecked(seen: Observation) -> str:
    return "" if seen.template_refusal is None else seen.template_refusal.message


def _suspended(draft: Draft, window: Window) -> None:
    message = "spec.suspend is true: the job waits until it is false"
    draft.section(plan=None)
    draft.condition(ConditionType.PLANNED, "False", Reason.SUSPENDED, message)
    draft.condition(ConditionType.RUNNING, "False", Reason.SUSPENDED, message)
    late = draft.now + timedelta(seconds=window.high_seconds) > window.deadline
    set_risk(draft, late, window)
    # Not before the moment has passed: at it, the next look would be at once, for ever.
    if not late:
        draft.look_at(window.deadline - timedelta(seconds=window.high_seconds - 1))
    elif draft.now <= window.deadline:
        draft.look_at(window.deadline + timedelta(seconds=1))


def _follow_plan(
    seen: Observation,
    spec: TrainingJobSpec,
    window: Window,
    draft: Draft,
    settings: OperatorSettings,
    over: Exceeded | None,
) -> bool:
    """Plan, write the plan down, and start the job if it is time; return whether it starts.

    `over` is the limit of its budget that is exceeded, or surely will be.
    """
    remembered = remembered_plan(seen.job)
    is_kept = over is not None and over.action is not BudgetAction.WARN and not seen.workload
    at_once = reason_to_run(seen, spec)
    request = request_before_start(seen, spec, window, settings, at_once)
    if at_once is None:
        until = _patience_ends(seen, request, remembered, settings)
        if until is not None and seen.now < until:
            _await_forecast(draft, until, remembered)
            return False
    in_force = objective_of(seen, settings.schedule)
    intended = planned(seen, request)
    runs = intended.run or (at_once is Reason.POLICY_OBSERVE and seen.now >= request.earliest)
    reason, explanation = _words(seen, at_once, intended, remembered)
    written = plan_status(
        intended,
        window,
        reason=reason,
        explanation=explanation,
        remembered=remembered,
        in_force=in_force,
    )
    is_over = remembered is not None and is_kept and runs
    if remembered is not None and (is_over or is_same_plan(remembered, written)):
        # A job that its budget keeps beyond its start could start at every moment: the plan that it
        # would follow then moves with the clock and is not worth a write.
        written = remembered
    draft.section(plan=written)
    draft.condition(ConditionType.PLANNED, "True", reason, written.explanation or "")
    start = request.earliest if not intended.segments else intended.segments[0].start
    set_risk(draft, is_at_risk(seen.now if runs else start, request), window)
    if over is not None and is_kept:
        # Also before its planned time: what keeps it is the budget, and new plans change nothing.
        message = f"{over.sentence}: the job does not start until spec.budget allows more"
        draft.condition(ConditionType.RUNNING, "False", Reason.BUDGET_EXCEEDED, message)
        draft.look_at(intended.look_again_at)
        draft.look_in(settings.schedule.look_again_seconds)
        return False
    if runs:
        _start(seen, draft, settings)
    else:
        draft.condition(ConditionType.RUNNING, "False", Reason.WAITING)
        draft.look_at(intended.look_again_at)
        draft.look_in(settings.schedule.look_again_seconds)
    return runs


def _start(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Ask for the Job, or let the workload go; or say why the Job could not be created."""
    if seen.workload is not None:
        draft.act(FreeWorkload(seen.workload.ref, first_size(seen, draft)))
        say_refusal(seen, draft)
        draft.section(attempts=with_attempt(draft.attempts, seen.workload.ref.name))
        draft.condition(ConditionType.RUNNING, "False", Reason.PODS_PENDING)
        draft.look_in(settings.cluster.pod_poll_seconds)
    elif seen.refusal is None:
        draft.act(CreateJob(seen.job.key, seen.job.uid, seen.job.generation, attempt=1))
        draft.section(attempts=with_attempt(draft.attempts, child_name(seen.job.key)))
        draft.condition(ConditionType.RUNNING, "False", Reason.PODS_PENDING)
        # The Job is released by the next look, which finds its start recorded.
        draft.look_in(0)
    else:
        draft.condition(ConditionType.RUNNING, "False", seen.refusal.reason, seen.refusal.message)


def _patience_ends(
    seen: Observation,
    request: Request,
    remembered: PlanStatus | None,
    settings: OperatorSettings,
) -> datetime | None:
    """Return until when the job waits without any forecast; never past its latest start.

    With a remembered plan until its start, without one while the first fetch is under way. The
    first prices are awaited in the same way, by a job that they count for.
    """
    until = seen.forecast.pending_until
    if seen.forecast.forecast is not None:
        until = prices_awaited_until(seen, settings.schedule)
        if until is None:
            return None
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
    seen: Observation, at_once: Reason | None, intended: Plan, remembered: PlanStatus | None
) -> tuple[str, str]:
    """Return the reason and the explanation of a plan."""
    if at_once is Reason.NOT_SCHEDULED:
        return at_once, f"runs at once: {seen.runs_at_once}"
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
