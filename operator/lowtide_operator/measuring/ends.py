"""Ends of a job and of its pods, as far as somebody saw them, each by whose clock."""

from collections.abc import Mapping
from datetime import datetime

from lowtide.grid.overhead import RunSpan
from lowtide.trainingjob.conditions import ENDS, find
from lowtide.trainingjob.status import Attempt
from lowtide_operator.decision.due import LONGEST_WAIT
from lowtide_operator.objects.views import JobView
from lowtide_operator.samples.of_pods import end_times
from lowtide_operator.samples.source import Samples


def last_ends(attempts: tuple[Attempt, ...]) -> list[datetime]:
    """Return the end of the pod that ended last, if all ends of the last attempt are known."""
    ends = [pod.end for pod in attempts[-1].pods]
    known = [end for end in ends if end is not None]
    return [max(known)] if known and len(known) == len(ends) else []


def end_seen(job: JobView, now: datetime) -> datetime:
    """Return when the operator wrote that the job ended, by its own clock.

    Pods tell their ends by the clocks of their nodes, against which the operator's may be ahead:
    by these alone the time to settle could be over before it began. A time that is still to come
    was written before a clock was set back, and counts for nothing.
    """
    held = (find(job.status.conditions, kind) for kind in ENDS)
    seen = [one.last_transition_time for one in held if one is not None and one.status == "True"]
    return max((moment for moment in seen if moment <= now), default=job.created)


async def unseen_ends(samples: Samples, job: JobView, until: datetime) -> Mapping[str, float]:
    """Return the end markers of pods that were gone before the operator saw their end.

    The operator's word on the end of a paused attempt depends on its own clock; a job that is
    stopped at rest ends with such an attempt.
    """
    unseen = {
        pod.uid: (pod.start, attempt.end)
        for attempt in job.status.attempts
        for pod in attempt.pods
        if pod.start is not None and pod.end is None and attempt.end is not None
    }
    if not unseen:
        return {}
    start = min(start for start, _ in unseen.values())
    end = min(until, max(end for _, end in unseen.values()) + LONGEST_WAIT)
    return await end_times(samples, job.key.namespace, unseen, start, end)


def stored_time(
    start: datetime, end: datetime, attempt_end: datetime | None
) -> tuple[datetime, datetime]:
    """Return in which time a pod's samples were stored.

    Its node tells start and end, by a clock that may be wrong; the end of the attempt is told by
    the cluster's.
    """
    if attempt_end is None:
        return start, end
    return min(start, start + (attempt_end - end)), max(end, attempt_end)


def ran(attempts: tuple[Attempt, ...]) -> list[RunSpan]:
    """Return the stretches in which the job ran, as far as both their ends are known."""
    return [
        (a.start, a.end)
        for a in attempts
        if a.start is not None and a.end is not None and a.start < a.end
    ]
