"""Attempts in a job's status: when the job ran, how wide, and how much work that was."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from lowtide.planning.elastic import Elastic
from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.status import MAX_ATTEMPTS, Attempt
from lowtide.trainingjob.times import whole_seconds

SPEED_DIGITS: Final = 5
RESIZED: Final = "Resized"
"""Outcome of an attempt that ended to go on at another size."""
NO_ROOM: Final = "NoRoom"
"""Outcome of an attempt at a larger size whose pods found no room: it did no work."""


def with_attempt(attempts: tuple[Attempt, ...], name: str) -> tuple[Attempt, ...]:
    """Return the attempts with an open one of the Job `name` at the end."""
    if attempts and attempts[-1].end is None:
        return attempts
    number = attempts[-1].number + 1 if attempts else 1
    return (*attempts, Attempt(number=number, name=name))[-MAX_ATTEMPTS:]


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


def with_size(
    attempts: tuple[Attempt, ...], replicas: int, elastic: Elastic
) -> tuple[Attempt, ...]:
    """Return the attempts with the size of the open one, if it is not known yet.

    A size that is none of the plan's counts as the next smaller one, or as the smallest: work is
    then not counted that was not done.
    """
    if not attempts or attempts[-1].end is not None or attempts[-1].replicas is not None:
        return attempts
    near = max((size for size in elastic.sizes if size <= replicas), default=elastic.sizes[0])
    sized = attempts[-1].model_copy(
        update={
            "replicas": replicas,
            "base_replicas": elastic.base,
            "speed": decimal_text(elastic.speed(near), SPEED_DIGITS),
        }
    )
    return (*attempts[:-1], sized)


def relative_width(replicas: int | None, base: int | None) -> float:
    """Return the power of a size, where that of the base is 1; 1 for a job of fixed size."""
    return 1.0 if replicas is None or not base else replicas / base


def worked_seconds(
    attempts: Iterable[Attempt], now: datetime, restart_cost_seconds: float
) -> float:
    """Return the work that is done, as running time at the size that it is given for.

    Every attempt but the first begins with a resume, which burns its cost at the attempt's size.
    """
    total = 0.0
    for place, attempt in enumerate(attempts):
        if attempt.outcome == NO_ROOM:
            continue
        burnt = restart_cost_seconds if place else 0.0
        total += (ran_seconds([attempt], now) - burnt) * float(attempt.speed or 1)
    return max(0.0, total)
