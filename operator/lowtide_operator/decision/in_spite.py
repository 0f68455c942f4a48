"""Decision about a job in spite of a fault: the fault is said, and the deadline guard still holds.

Whatever an operator fails at while it looks at a job (a value that no code foresaw, a fault of its
own) is a condition of that job. One that has not started still starts at its latest start.
"""

from datetime import datetime, timedelta
from math import inf
from typing import Final

from lowtide.trainingjob.attempts import with_attempt
from lowtide.trainingjob.conditions import ConditionType, Reason, has_end, is_true, shortened
from lowtide.trainingjob.window import window_of
from lowtide_operator.decision.actions import CreateJob, FreeWorkload
from lowtide_operator.decision.draft import Decision, Draft
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.questions import remembered_plan
from lowtide_operator.decision.start import has_run, is_held, record_or_resume
from lowtide_operator.objects.job_manifest import child_name
from lowtide_operator.objects.views import ChildView, Fault, JobView
from lowtide_operator.objects.workloads import WorkloadRef
from lowtide_operator.settings import OperatorSettings

AGAIN_SECONDS: Final = 300.0
"""A job that cannot be handled is looked at again after so long, or at its latest start."""
DUE_SECONDS: Final = 30.0
"""A job that is due and could not be started is tried again within so long."""


def decide_in_spite(seen: Observation, error: Exception, settings: OperatorSettings) -> Decision:
    """Return the decision about a job that could not be decided because of `error`."""
    draft = Draft(seen)
    words = shortened(f"{type(error).__name__}: {error}", 300)
    message = f"the operator failed at this job ({words}); it tries again"
    ended = has_end(seen.job.status.conditions)
    about = ConditionType.MEASURED if ended else ConditionType.RUNNING
    draft.condition(about, "Unknown", Reason.HANDLING_FAILED, message)
    draft.look_in(AGAIN_SECONDS)
    if ended or seen.child_is_gone:
        return draft.finish()
    if seen.child is not None:
        _release(seen, seen.child, draft)
    elif not draft.attempts:
        _guard(seen, draft, settings)
    return draft.finish()


def _release(seen: Observation, child: ChildView, draft: Draft) -> None:
    """Let a Job that was created begin, unless its user has it wait."""
    spec = seen.job.spec
    if is_held(child, draft.attempts) and (isinstance(spec, Fault) or not spec.suspend):
        record_or_resume(seen, child, draft)


def _guard(seen: Observation, draft: Draft, settings: OperatorSettings) -> None:
    """Start the job if its latest start has come."""
    spec = seen.job.spec
    if isinstance(spec, Fault) or spec.suspend:
        return
    # The experience of its series may be what the operator failed at.
    window = window_of(spec, seen.job.created, settings.schedule)
    if window.fault is not None:
        return
    reserve = settings.schedule.start_latency_seconds + settings.schedule.margin_seconds
    needed = timedelta(seconds=window.duration.high_seconds + reserve)
    latest = max(window.earliest, window.deadline - needed)
    if seen.now < latest:
        draft.look_at(latest)
        return
    target = seen.job.status.target
    if target is not None:
        where = seen.job.key.namespace
        ref = WorkloadRef(where, target.api_version, target.kind, target.name, target.uid)
        draft.act(FreeWorkload(ref))
        draft.section(attempts=with_attempt(draft.attempts, target.name))
    elif spec.target_ref is None:
        draft.act(CreateJob(seen.job.key, seen.job.uid, seen.job.generation, attempt=1))
        draft.section(attempts=with_attempt(draft.attempts, child_name(seen.job.key)))
        draft.look_in(0)


def patience_seconds(job: JobView, now: datetime) -> float:
    """Return how long a job whose look failed can wait: until it is due, infinite if never.

    A plan of an earlier spec does not say when the job that the user wants now is due.
    """
    status = job.status
    if has_end(status.conditions) or isinstance(job.spec, Fault) or job.spec.suspend:
        return inf
    if has_run(status.attempts) and not is_true(status.conditions, ConditionType.PAUSED):
        # A start that is recorded may not be released yet.
        return inf if is_true(status.conditions, ConditionType.RUNNING) else DUE_SECONDS
    plan = None if job.run_now else remembered_plan(job)
    # The user may ask for a start before the planned one, which then is no later than the latest.
    due = [] if plan is None else [plan.start, plan.latest_start]
    left = min(((moment - now).total_seconds() for moment in due if moment), default=0.0)
    return max(DUE_SECONDS, left)
