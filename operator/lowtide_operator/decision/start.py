"""Start of a job in three steps, so that no kill and no deletion between them starts it twice.

    create   the batch Job, suspended: it has no pods
    record   the attempt in the status
    release  the Job, once the API server holds the record

A Job that is gone before its start is recorded never ran, and is created again. One that is gone
afterwards is lost, and stays so. A Job of a Kueue queue is created outside of it; its release is
the entry into the queue, and Kueue lets it go.
"""

from collections.abc import Iterable

from lowtide.trainingjob.attempts import with_attempt
from lowtide.trainingjob.status import Attempt
from lowtide_operator.decision.actions import EnterQueue, ResumeJob
from lowtide_operator.decision.draft import Draft
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.views import ChildView


def has_run(attempts: Iterable[Attempt]) -> bool:
    """Return whether a pod of an attempt ever began."""
    return any(attempt.start is not None for attempt in attempts)


def is_held(child: ChildView, attempts: tuple[Attempt, ...]) -> bool:
    """Return whether a Job waits for its first release: suspended, and none of its pods seen."""
    seen = has_run(attempts) or any(attempt.pods for attempt in attempts)
    return child.suspended and not child.queued and not seen


def record_or_resume(
    seen: Observation, child: ChildView, draft: Draft, replicas: int | None = None
) -> None:
    """Ask for a suspended Job to go on if its start is recorded; otherwise record that first.

    `replicas` is another size to go on with.
    """
    place = child.owner.namespace, child.name, child.uid
    if seen.job.status.attempts and child.queue_to_enter:
        draft.act(EnterQueue(*place, child.queue_to_enter))
    elif seen.job.status.attempts:
        draft.act(ResumeJob(*place, replicas))
    else:
        draft.section(attempts=with_attempt(draft.attempts, child.name))
        draft.look_in(0)
