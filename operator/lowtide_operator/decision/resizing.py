"""Changes of a job's size: a pause, and a resume with other parallelism and completions.

The size is changed in the request that resumes the Job, when no pod of the old size is left and
its attempt is closed in the status: workers of two sizes never meet, and the work of an attempt
is counted at one speed. A size that found no room is not tried again for a while.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from lowtide.planning.elastic import Elastic
from lowtide.planning.errors import RequestError
from lowtide.planning.guard import latest_start, size_to_the_end
from lowtide.planning.types import Request
from lowtide.trainingjob.attempts import NO_ROOM, RESIZED
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.requests import NEVER_PAUSED, elastic_of
from lowtide.trainingjob.status import Attempt
from lowtide_operator.decision.actions import SuspendJob
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.observation import Observation
from lowtide_operator.decision.start import is_held, record_or_resume
from lowtide_operator.objects.views import ChildView, Fault, JobView
from lowtide_operator.objects.workloads import is_there

PAUSED: Final = "Paused"
ROOM_AGAIN: Final = timedelta(hours=1)
"""After a size found no room, sizes above the template's are left out of plans for so long."""
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
        return (
            f"spec.schedule.elastic goes from {size.min_replicas} to {size.max_replicas} replicas "
            f"and spec.template has {job.replicas}: they must lie between"
        )
    return None


def sizes_of(job: JobView, now: datetime, attempts: tuple[Attempt, ...] = ()) -> Elastic | None:
    """Return the sizes that a job is planned with; `None` for one of fixed size."""
    if isinstance(job.spec, Fault) or size_fault(job) is not None:
        return None
    try:
        elastic = elastic_of(job.spec, job.replicas)
    except RequestError:
        return None
    is_full = any(
        attempt.outcome == NO_ROOM and (attempt.end is None or now - attempt.end < ROOM_AGAIN)
        for attempt in attempts
    )
    return _up_to_base(elastic) if elastic is not None and is_full else elastic


def _up_to_base(elastic: Elastic) -> Elastic:
    """Return the sizes without those larger than the template's."""
    kept = [size for size in elastic.sizes if size <= elastic.base]
    speeds = tuple(elastic.speed(size) for size in kept)
    return replace(elastic, sizes=tuple(kept), speeds=speeds)


def first_size(seen: Observation, draft: Draft) -> int | None:
    """Return the size that the plan in the status begins with; `None` for a fixed size."""
    plan = draft.plan
    if plan is None or not plan.segments or plan.reason in NEVER_PAUSED:
        return None
    if sizes_of(seen.job, seen.now) is None:
        return None
    return plan.segments[0].replicas


def size_without_forecast(seen: Observation, request: Request, draft: Draft) -> int | None:
    """Return the size that keeps the deadline from the latest start on; `None` keeps the size."""
    if request.elastic is None:
        return None
    latest = latest_start(request)
    if seen.now >= latest:
        return size_to_the_end(request)
    draft.look_at(latest)
    return None


def lacks_room(seen: Observation, child: ChildView, request: Request) -> bool:
    """Return whether pods of a larger size than the template's cannot be placed or created."""
    elastic = request.elastic
    if elastic is None or child.suspended or child.replicas <= elastic.base:
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


def note_no_room(draft: Draft) -> None:
    """Draft that the open attempt found no room at its size."""
    if draft.attempts and draft.attempts[-1].end is None:
        refused = draft.attempts[-1].model_copy(update={"outcome": NO_ROOM})
        draft.section(attempts=(*draft.attempts[:-1], refused))
