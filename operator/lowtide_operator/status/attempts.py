"""Attempts in a job's status: which pods ran when.

The energy is found by them later, so a pod that was seen once is never forgotten, and a known
time is never replaced by an unknown one.
"""

from collections.abc import Iterable
from datetime import datetime

from lowtide.trainingjob.status import MAX_ATTEMPTS, MAX_PODS, Attempt, AttemptPod
from lowtide_operator.objects.views import PodView
from lowtide_operator.status.times import whole_seconds


def with_attempt(attempts: tuple[Attempt, ...], name: str) -> tuple[Attempt, ...]:
    """Return the attempts with an open one of the Job `name` at the end."""
    if attempts and attempts[-1].end is None:
        return attempts
    number = attempts[-1].number + 1 if attempts else 1
    return (*attempts, Attempt(number=number, name=name))[-MAX_ATTEMPTS:]


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


def with_end(attempts: tuple[Attempt, ...], at: datetime, outcome: str) -> tuple[Attempt, ...]:
    """Return the attempts with the last one ended, if it was still open.

    It ends no earlier than its pods began: the operator's clock may be behind that of their node.
    """
    if not attempts or attempts[-1].end is not None:
        return attempts
    began = [pod.start for pod in attempts[-1].pods if pod.start is not None]
    end = max([whole_seconds(at), *began])
    ended = attempts[-1].model_copy(update={"end": end, "outcome": outcome})
    return (*attempts[:-1], ended)


def ran_seconds(attempts: Iterable[Attempt], now: datetime) -> float:
    """Return for how long the job has run, pauses excluded."""
    return sum(
        max(0.0, ((attempt.end or now) - attempt.start).total_seconds())
        for attempt in attempts
        if attempt.start is not None
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
