"""Changes of a job's size: a pause, and a resume with other parallelism and completions.

The size is changed in the request that resumes the Job, when no pod of the old size is left and
its attempt is closed in the status: workers of two sizes never meet, and the work of an attempt
is counted at one speed. A size that found no room is not tried again for a while, and none is after
the API server refused a change.
"""

from datetime import datetime, timedelta
from typing import Final

from lowtide.planning.elastic import Elastic
from lowtide.planning.errors import RequestError
from lowtide.planning.guard import latest_start, size_to_the_end
from lowtide.planning.types import Request
from lowtide.trainingjob.attempts import NO_ROOM, RESIZED, with_attempt, with_end, with_size
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide.trainingjob.requests import NEVER_PAUSED, elastic_of
from lowtide.trainingjob.status import Attempt
from lowtide.trainingjob.times import clock_text
from lowtide_operator.decision.actions import SuspendJob
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.start import is_held, record_or_resume
from lowtide_operator.objects.views import ChildView, Fault, JobView
from lowtide_operator.objects.workloads import is_there

PAUSED: Final = "Paused"
ROOM_AGAIN: Final = timedelta(hours=1)
"""After a size found no room, or a change was refused, other sizes are left out for so long."""
GONE_POLL_SECONDS: Final = 2.0
"""Distance between two looks for the end of the last pod of the old size."""


def size_fault(job: JobView) -> str | None:
    """Return why a job cannot change its size as its spec asks; `None` where it can or need not."""
    if isinstance(job.spec, Fault) or job.spec.schedule.elastic is None:
        return None
    if job.size_fault:
        return job.size_fault
    size = job.spec.schedule.elastic
    if not size.min_replicas <= job.replicas <= size.max_replicas:
        target = job.spec.target_ref
        written = "spec.template" if target is None else f"{target.kind} {target.name}"
        return (
            f"spec.schedule.elastic goes from {size.min_replicas} to {size.max_replicas} replicas "
            f"and {written} has {job.replicas}: they must lie between"
        )
    return None


def sizes_of(job: JobView) -> Elastic | None:
    """Return the sizes that a job may have by its spec; `None` for one of fixed size."""
    if isinstance(job.spec, Fault) or size_fault(job) is not None:
        return None
    try:
        return elastic_of(job.spec, job.replicas, job.scaling)
    except RequestError:
        return None


def sizes_to_plan(job: JobView, now: datetime, attempts: tuple[Attempt, ...]) -> Elastic | None:
    """Return the sizes that a job is planned with for now; `None` for one of fixed size.

    After a size found no room, those above the template's are left out for a while; after a change
    was refused, all others than the template's.
    """
    elastic = sizes_of(job)
    if elastic is None:
        return None
    if is_refused(job, now):
        return elastic.among((elastic.base,))
    is_full = any(
        attempt.outcome == NO_ROOM and (attempt.end is None or now - attempt.end < ROOM_AGAIN)
        for attempt in attempts
    )
    return elastic.among(range(elastic.base + 1)) if is_full else elastic


def is_refused(job: JobView, now: datetime) -> bool:
    """Return whether the API server refused a change of the job's size a short while ago."""
    said = find(job.status.conditions, ConditionType.RESIZABLE)
    if said is None or said.status != "False" or said.reason != Reason.RESIZE_REFUSED:
        return False
    return now < said.last_transition_time + ROOM_AGAIN


def say_refusal(seen: Observation, draft: Draft) -> None:
    """Draft whether the job's size can be changed, once that was refused."""
    refusal, again = seen.refusal, clock_text(seen.now + ROOM_AGAIN)
    said = find(seen.job.status.conditions, ConditionType.RESIZABLE)
    if refusal is not None and refusal.reason is Reason.RESIZE_REFUSED:
        message = f"{refusal.message}; no other size is tried before {again}"
        draft.condition(ConditionType.RESIZABLE, "False", Reason.RESIZE_REFUSED, message)
    elif said is not None and said.status == "False" and not is_refused(seen.job, seen.now):
        draft.condition(ConditionType.RESIZABLE, "True", Reason.RESIZE_ALLOWED)


def first_size(seen: Observation, draft: Draft) -> int | None:
    """Return the size that the plan in the status begins with; `None` for a fixed size."""
    plan = draft.plan
    if plan is None or not plan.segments or plan.reason in NEVER_PAUSED:
        return None
    elastic = sizes_to_plan(seen.job, seen.now, draft.attempts)
    if elastic is None:
        return None
    planned = plan.segments[0].replicas
    return planned if planned in elastic.sizes else elastic.base


def size_without_forecast(seen: Observation, request: Request, draft: Draft) -> int | None:
    """Return the size that keeps the deadline from the latest start on; `None` keeps the size."""
    if request.elastic is None:
        return None
    latest = latest_start(request)
    if seen.now >= latest:
        return size_to_the_end(request)
    draft.look_at(latest)
    return None


def lacks_room(seen: Observation, child: ChildView, elastic: Elastic) -> bool:
    """Return whether a larger size than the template's has no quota, node or right to its pods."""
    if child.replicas <= elastic.base:
        return False
    queue = None if seen.workload is None else seen.workload.queue
    if child.queued and queue is not None and queue.short:
        return True
    if child.suspended:
        return False
    unplaced = any(pod.trouble == Reason.UNSCHEDULABLE for pod in seen.pods)
    return unplaced or bool(seen.creation_failure)


def resizes(child: ChildView, size: int | None) -> bool:
    """Return whether a Job has another size than it should; one with ended indexes keeps its."""
    return size is not None and size != child.replicas and not child.succeeded


def go_on(seen: Observation, child: ChildView, size: int | None, draft: Draft) -> None:
    """Draft that a Job runs at a size, `None` for the one that it has."""
    if not resizes(child, size):
        if child.suspended:
            record_or_resume(seen, child, draft)
    elif not child.suspended:
        if is_refused(seen.job, seen.now):
            return
        draft.act(SuspendJob(child.owner.namespace, child.name, child.uid))
    elif is_held(child, draft.attempts):
        record_or_resume(seen, child, draft, size)
    elif child.active or any(is_there(pod) for pod in seen.pods) or _is_open(seen.job):
        draft.look_in(GONE_POLL_SECONDS)
    else:
        record_or_resume(seen, child, draft, size)


def _is_open(job: JobView) -> bool:
    """Return whether the last attempt has no end in the stored status."""
    attempts = job.status.attempts
    return bool(attempts) and attempts[-1].end is None


def outcome_of_rest(draft: Draft, *, goes_on: bool) -> str:
    """Return the outcome of an attempt whose Job was suspended."""
    if draft.attempts and draft.attempts[-1].outcome == NO_ROOM:
        return NO_ROOM
    return RESIZED if goes_on else PAUSED


def size_without_room(seen: Observation, child: ChildView, elastic: Elastic, draft: Draft) -> int:
    """Return the size of a job that finds no room at a larger one, and draft that it found none.

    One that waits for quota keeps the larger size until that is written down: nothing else would
    tell the next look that it was tried.
    """
    attempts = draft.attempts
    if not child.suspended:
        if attempts and attempts[-1].end is None:
            refused = attempts[-1].model_copy(update={"outcome": NO_ROOM})
            draft.section(attempts=(*attempts[:-1], refused))
        return elastic.base
    if is_underway(attempts):
        return elastic.base
    before = seen.job.status.attempts
    if before and before[-1].outcome == NO_ROOM and before[-1].start is None:
        if before[-1].end is not None and seen.now - before[-1].end < ROOM_AGAIN:
            return elastic.base
        attempts = attempts[:-1]
    attempts = with_size(with_attempt(attempts, child.name), child.replicas, elastic)
    draft.section(attempts=with_end(attempts, seen.now, NO_ROOM))
    draft.look_in(0)
    return child.replicas


def is_underway(attempts: tuple[Attempt, ...]) -> bool:
    """Return whether pods of the last attempt were seen and it has no end."""
    last = attempts[-1] if attempts else None
    return last is not None and last.end is None and bool(last.start or last.pods)
