"""Stretches of training inside single attempts, from what a training reported. Pure.

Samples are counted between two answers of the same attempt; epochs between the ends of two that
lie in it, so that none counts that began before a pause.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from math import fsum
from typing import Final

from lowtide.accounts.progress import Mark
from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.scaling import TrainedStretch
from lowtide.trainingjob.status import Attempt, EpochEntry, TrainingStatus

SECONDS_DIGITS: Final = 9


def with_trained(
    attempts: tuple[Attempt, ...], marks: Sequence[Mark], training: TrainingStatus | None
) -> tuple[Attempt, ...]:
    """Return the attempts of an elastic job with what was trained in each.

    Of two stretches in the same unit the longer one stays: an operator that starts anew has seen
    less.
    """
    history = () if training is None else training.history
    return tuple(
        one if one.replicas is None or one.start is None else _with_longest(one, marks, history)
        for one in attempts
    )


def _with_longest(
    attempt: Attempt, marks: Sequence[Mark], history: Sequence[EpochEntry]
) -> Attempt:
    longest = {stretch.unit: stretch for stretch in attempt.trained}
    for stretch in (*_by_samples(attempt, marks), *_by_epochs(attempt, history)):
        known = longest.get(stretch.unit)
        if known is None or float(stretch.seconds) > float(known.seconds):
            longest[stretch.unit] = stretch
    trained = tuple(longest[unit] for unit in sorted(longest))
    return (
        attempt if trained == attempt.trained else attempt.model_copy(update={"trained": trained})
    )


def _by_samples(attempt: Attempt, marks: Sequence[Mark]) -> Iterator[TrainedStretch]:
    inside = [mark for mark in marks if _is_inside(attempt, mark.at)]
    if len(inside) > 1:
        first, last = inside[0], inside[-1]
        yield from _stretch(
            "Samples", last.samples - first.samples, last.training_seconds - first.training_seconds
        )


def _by_epochs(attempt: Attempt, history: Sequence[EpochEntry]) -> Iterator[TrainedStretch]:
    whole = [
        (later.epoch - sooner.epoch, float(later.seconds))
        for sooner, later in pairwise(history)
        if _is_inside(attempt, sooner.end) and _is_inside(attempt, later.end)
    ]
    epochs, seconds = sum(count for count, _ in whole), fsum(length for _, length in whole)
    yield from _stretch("Epochs", epochs, seconds)


def _stretch(unit: str, count: int, seconds: float) -> Iterator[TrainedStretch]:
    length = decimal_text(seconds, SECONDS_DIGITS)
    if count > 0 and seconds > 0 and length is not None:
        yield TrainedStretch(unit=unit, count=count, seconds=length)  # type: ignore[arg-type]


def _is_inside(attempt: Attempt, moment: datetime) -> bool:
    """Return whether a moment lies in an attempt that has started."""
    started = attempt.start is not None and attempt.start < moment
    return started and (attempt.end is None or moment <= attempt.end)
