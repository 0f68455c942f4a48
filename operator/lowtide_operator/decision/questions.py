"""Questions to the planner about a job that was observed.

A job asks before its start, while it runs or rests, and once more in hindsight.
"""

from lowtide.planning import Request
from lowtide.planning.elastic import Elastic
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.requests import Applicant, has_waited, request_to_go_on, request_to_start
from lowtide.trainingjob.schedule import Policy
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import PlanStatus
from lowtide.trainingjob.window import Window, window_of
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.objectives import (
    objective_fault,
    objective_of,
    prices_awaited_until,
)
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.resizing import size_fault, sizes_of, sizes_to_plan
from lowtide_operator.objects.views import ChildView, Fault, JobView
from lowtide_operator.settings import OperatorSettings


def question_of(seen: Observation, settings: OperatorSettings) -> Request | None:
    """Return what the planner will be asked for a job that has not started; `None` for nothing.

    A job that is suspended, cannot run as it is written or has no forecast is not planned with
    the others.
    """
    spec = seen.job.spec
    if isinstance(spec, Fault) or spec.suspend:
        return None
    window = window_of(spec, seen.job.created, settings.schedule, seen.experience)
    if fault_of(seen, window, settings) is not None or seen.forecast.forecast is None:
        return None
    if prices_awaited_until(seen, settings.schedule) is not None:
        return None
    return request_before_start(seen, spec, window, settings, reason_to_run(seen, spec))


def fault_of(
    seen: Observation, window: Window, settings: OperatorSettings
) -> tuple[Reason, str] | None:
    """Return why the job cannot run as it is written."""
    fault = window.fault or objective_fault(seen, settings.schedule) or size_fault(seen.job)
    if fault is not None:
        return Reason.INVALID_SCHEDULE, fault
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
    return request_to_start(
        spec,
        window,
        settings.schedule,
        _applicant(seen.job, sizes_of(seen.job)),
        at_once=at_once,
        now=seen.now,
        waited=has_waited(remembered_plan(seen.job)),
        objective=objective_of(seen, settings.schedule).objective,
    )


def remembered_plan(job: JobView) -> PlanStatus | None:
    """Return the plan in the status if it was made for the spec as it is now."""
    status = job.status
    return status.plan if status.observed_generation == job.generation else None


def reason_to_run(seen: Observation, spec: TrainingJobSpec) -> Reason | None:
    """Return why the job runs as soon as it may, whatever the grid does; `None` if it may wait."""
    if seen.job.run_now:
        return Reason.RUN_NOW_REQUESTED
    if seen.runs_at_once:
        return Reason.NOT_SCHEDULED
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
    """Return the job as the planner sees it after its start."""
    return request_to_go_on(
        spec,
        window,
        settings.schedule,
        _applicant(seen.job, sizes_to_plan(seen.job, seen.now, draft.attempts)),
        attempts=draft.attempts,
        now=seen.now,
        running=not child.suspended,
        replicas=child.replicas,
        objective=objective_of(seen, settings.schedule).objective,
    )


def _applicant(job: JobView, elastic: Elastic | None) -> Applicant:
    return Applicant(
        key=job.uid,
        created=job.created,
        gpus=job.gpus - job.other_gpus,
        gpu_resource=job.gpu_resource,
        elastic=elastic,
    )
