"""Pods in the attempts of a job's status: which of them ran when.

The energy is found by them later, so a pod that was seen once is never forgotten, and a known
time is never replaced by an unknown one.
"""

from collections.abc import Iterable

from lowtide.trainingjob.status import MAX_PODS, Attempt, AttemptPod
from lowtide.trainingjob.times import whole_seconds
from lowtide_operator.objects.pods import PodView


def with_pods(attempts: tuple[Attempt, ...], pods: Iterable[PodView]) -> tuple[Attempt, ...]:
    """Return the attempts with what was seen of their pods; new pods belong to the last one.

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
    last = updated[-1]
    room = max(0, MAX_PODS - sum(len(attempt.pods) for attempt in updated))
    starts = [pod.start for pod in (*last.pods, *fresh) if pod.start is not None]
    updated[-1] = last.model_copy(
        update={
            "pods": (*last.pods, *fresh[:room]),
            "start": last.start or (min(starts) if starts else None),
        }
    )
    return tuple(updated)


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
