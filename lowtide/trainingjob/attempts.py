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
    """Return the attempts with the size of the open one, if it is not known yet."""
    if not attempts or attempts[-1].end is not None or attempts[-1].replicas is not None:
        return attempts
    sized = {"replicas": replicas, "base_replicas": elastic.base}
    return (*attempts[:-1], attempts[-1].model_copy(update=sized))


def with_speeds(attempts: tuple[Attempt, ...], elastic: Elastic) -> tuple[Attempt, ...]:
    """Return the attempts with speeds and powers as they are known by now.

    A size that is none of the plan's counts as the next smaller one, or as the smallest: work is
    then not counted that was not done.
    """
    return tuple(
        one if one.replicas is None else _with_speed(one, one.replicas, elastic) for one in attempts
    )


def _with_speed(attempt: Attempt, replicas: int, elastic: Elastic) -> Attempt:
    near = max((size for size in elastic.sizes if size <= replicas), default=elastic.sizes[0])
    speed, least = (
        decimal_text(one, SPEED_DIGITS) for one in (elastic.speed(near), elastic.sure_speed(near))
    )
    is_measured = elastic.scaling is not None and elastic.scaling.power_attempts > 0
    known = {
        "speed": speed,
        "least_speed": None if least == speed else least,
        "power": decimal_text(elastic.power(replicas), SPEED_DIGITS) if is_measured else None,
    }
    is_same = all(getattr(attempt, name) == value for name, value in known.items())
    return attempt if is_same else attempt.model_copy(update=known)


def relative_power(attempt: Attempt) -> float:
    """Return the power of an attempt, where that of the base is 1; 1 for a job of fixed size."""
    if attempt.power is not None:
        return float(attempt.power)
    return relative_width(attempt)


def relative_width(attempt: Attempt) -> float:
    """Return the replicas of an attempt over those of the base; 1 for a job of fixed size."""
    replicas, base = attempt.replicas, attempt.base_replicas
    return 1.0 if replicas is None or not base else replicas / base


def worked_seconds(
    attempts: Iterable[Attempt],
    now: datetime,
    restart_cost_seconds: float,
    *,
    surely: bool = False,
) -> float:
    """Return the work that is done, as running time at the size that it is given for.

    Every attempt but the first begins with a resume, which burns its cost at the attempt's size.
    With `surely` the least speed of each attempt counts, as it does for the deadline.
    """
    total = 0.0
    for place, attempt in enumerate(attempts):
        if attempt.outcome == NO_ROOM:
            continue
        burnt = restart_cost_seconds if place else 0.0
        seconds = ran_seconds([attempt], now) - burnt
        done = seconds * float(attempt.speed or 1)
        if surely and attempt.least_speed is not None:
            # While a resume burns, the faster size owes more.
            done = min(done, seconds * float(attempt.least_speed))
        total += done
    return max(0.0, total)
