"""Attempts in a job's status: when the job ran."""

from collections.abc import Iterable
from datetime import datetime

from lowtide.trainingjob.status import MAX_ATTEMPTS, Attempt
from lowtide.trainingjob.times import whole_seconds


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
