"""Pods in the attempts of a job's status: which of them ran when.

The energy is found by them later, so a pod that was seen once is never forgotten, and a known
time is never replaced by an unknown one.
"""

from collections.abc import Iterable, Sequence

from lowtide.trainingjob.attempts import with_attempt
from lowtide.trainingjob.status import MAX_PODS, Attempt, AttemptPod
from lowtide.trainingjob.times import whole_seconds
from lowtide_operator.objects.pods import PodView


def with_pods(attempts: tuple[Attempt, ...], pods: Iterable[PodView]) -> tuple[Attempt, ...]:
    """Return the attempts with what was seen of their pods; new pods belong to the last one.

    A pod that began after the last attempt had ended belongs to the next: pods are listed as they
    are, while the workload may be seen as it was before it went on. One that has not begun then is
    left for a later look, since it may belong to either.

    A pod that is listed stays, so that two looks at the same pods give the same status; above the
    limit of all attempts together the exporter's word alone finds a pod's energy.
    """
    if not attempts:
        return attempts
    seen = {pod.uid: pod for pod in pods}
    known = {pod.uid for attempt in attempts for pod in attempt.pods}
    updated = [
        attempt.model_copy(
            update={"pods": tuple(_refreshed(pod, seen.get(pod.uid)) for pod in attempt.pods)}
        )
        for attempt in attempts
    ]
    fresh = [
        _refreshed(AttemptPod(name=pod.name, uid=pod.uid), pod)
        for pod in sorted(seen.values(), key=_by_start)
        if pod.uid not in known and pod.node
    ]
    last, later = updated[-1], list[AttemptPod]()
    if last.end is not None:
        begun = [pod for pod in fresh if pod.start is not None]
        fresh = [pod for pod in begun if pod.start is not None and pod.start < last.end]
        later = begun[len(fresh) :]
    updated[-1] = _with_fresh(last, fresh, updated)
    if later:
        updated = [*with_attempt(tuple(updated), last.name)]
        updated[-1] = _with_fresh(updated[-1], later, updated)
    return tuple(updated)


def _with_fresh(
    attempt: Attempt, fresh: Sequence[AttemptPod], attempts: Sequence[Attempt]
) -> Attempt:
    """Return an attempt with further pods, as many as all attempts together may list."""
    room = max(0, MAX_PODS - sum(len(one.pods) for one in attempts))
    starts = [pod.start for pod in (*attempt.pods, *fresh) if pod.start is not None]
    return attempt.model_copy(
        update={
            "pods": (*attempt.pods, *fresh[:room]),
            "start": attempt.start or (min(starts) if starts else None),
        }
    )


def _refreshed(pod: AttemptPod, seen: PodView | None) -> AttemptPod:
    if seen is None:
        return pod
    return pod.model_copy(
        update={
            "node": seen.node or pod.node,
            "start": pod.start or (None if seen.start is None else whole_seconds(seen.start)),
            "end": pod.end or (None if seen.end is None else whole_seconds(seen.end)),
        }
    )


def _by_start(pod: PodView) -> tuple[float, str]:
    return (float("inf") if pod.start is None else pod.start.timestamp(), pod.name)
