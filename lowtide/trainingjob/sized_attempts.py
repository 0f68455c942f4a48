"""Attempts of an elastic job as evidence of its scaling: how fast and how powerful each was. Pure.

An attempt that found no room, that is too short or whose energy is not whole says nothing.
"""

from collections.abc import Sequence
from math import fsum
from typing import Final

from lowtide.planning.scaling import LEAST_SECONDS, SizedAttempt
from lowtide.trainingjob.attempts import NO_ROOM
from lowtide.trainingjob.status import Attempt

MOST_OF_A_RUN: Final = 32
"""Attempts of one run that are evidence: its latest ones."""


def sized_attempts(attempts: Sequence[Attempt]) -> tuple[SizedAttempt, ...]:
    """Return what the attempts of one run say of its scaling."""
    found = [
        SizedAttempt(replicas=one.replicas, paces=_paces(one), watts=_watts(one))
        for one in attempts
        if one.replicas and one.outcome != NO_ROOM
    ]
    return tuple(one for one in found if one.paces or one.watts is not None)[-MOST_OF_A_RUN:]


def _paces(attempt: Attempt) -> tuple[tuple[str, float], ...]:
    return tuple(
        (stretch.unit, stretch.count / float(stretch.seconds))
        for stretch in attempt.trained
        if float(stretch.seconds) >= LEAST_SECONDS
    )


def _watts(attempt: Attempt) -> float | None:
    """Return the mean power of an ended attempt whose energy is known of every replica."""
    if attempt.start is None or attempt.end is None:
        return None
    seconds = (attempt.end - attempt.start).total_seconds()
    known = [pod.joules for pod in attempt.pods if pod.joules is not None]
    is_whole = len(known) == len(attempt.pods) >= (attempt.replicas or 1)
    if not is_whole or seconds < LEAST_SECONDS:
        return None
    return fsum(known) / seconds
