"""Progress of a run, and what the rest of it will take, or why that cannot be said.

A prediction is "if all planned work is done": early stopping ends a run sooner. Nothing is
predicted from fewer than five steps, and nothing whose 90 % interval is wider than the expected
total itself, or than the one that the mean of the steps gives: the reason is said instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from math import fsum
from typing import Final

from lowtide.prediction.extrapolation import FEWEST_STEPS, SumToCome, sum_to_come

WIDEST: Final = 1.0
"""Most that half the interval may be of the expected total, and of the one by the mean step."""
CLEAR: Final = 0.5
"""From this probability or correlation on a peculiarity of the steps is named."""


class Unit(StrEnum):
    """What the steps of a run are counted in; also the name of the method."""

    EPOCHS = "Epochs"
    SAMPLES = "Samples"


@dataclass(frozen=True, slots=True)
class Step:
    """A finished stretch of a run: its units, its running time and its energy, if that is known."""

    units: float
    seconds: float
    joules: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What of a run is finished, and how much is planned."""

    unit: Unit
    done: float
    """Units finished at the end of the last step."""
    planned: float
    """Units of the whole run."""
    steps: tuple[Step, ...]
    """Finished stretches in time order."""

    @property
    def ratio(self) -> float:
        """Return the finished share, 0 to 1."""
        return min(1.0, self.done / self.planned) if self.planned > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected amount with its 90 % interval."""

    expected: float
    low: float
    high: float

    def plus(self, known: float) -> "Expected":
        """Return the amount with a known part added."""
        return Expected(self.expected + known, self.low + known, self.high + known)

    def times(self, factor: float) -> "Expected":
        """Return the amount times a known factor that is not negative."""
        return Expected(self.expected * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class NotPredicted:
    """Why there is no prediction, in one sentence."""

    sentence: str


def seconds_to_come(progress: Progress) -> SumToCome | NotPredicted:
    """Return the running time of what is left after the last step."""
    return _to_come(progress, [step.seconds for step in progress.steps], "running time")


def until_metered(progress: Progress) -> tuple[Progress, float]:
    """Return the progress up to the last step whose energy is known, and the seconds after it.

    The meters' samples come later than the report of an epoch that has just ended. Where the
    energy of no step is known the progress is returned as it is.
    """
    newest_first = reversed(progress.steps)
    unmetered = [*takewhile(lambda step: step.joules is None, newest_first)]
    if len(unmetered) == len(progress.steps):
        return progress, 0.0
    kept = Progress(
        unit=progress.unit,
        done=progress.done - fsum(step.units for step in unmetered),
        planned=progress.planned,
        steps=progress.steps[: len(progress.steps) - len(unmetered)],
    )
    return kept, fsum(step.seconds for step in unmetered)


def joules_to_come(progress: Progress) -> SumToCome | NotPredicted:
    """Return the energy of what is left after the last step, from the steps whose energy is known.

    Only steps without a gap up to the last one count, because they follow one another.
    """
    newest_first = reversed(progress.steps)
    known = [*takewhile(lambda step: step.joules is not None, newest_first)][::-1]
    kept = Progress(
        unit=progress.unit, done=progress.done, planned=progress.planned, steps=tuple(known)
    )
    return _to_come(kept, [step.joules or 0.0 for step in known], "energy")


def peculiarities(ahead: SumToCome) -> tuple[str, ...]:
    """Return in words what was found in the steps and widens or shifts the prediction."""
    found = []
    if ahead.warm_up >= CLEAR:
        found.append("a warm-up at the beginning is not carried on")
    if ahead.jump >= CLEAR:
        found.append("the level jumped once, and what was before is not carried on")
    if ahead.cycle >= CLEAR:
        found.append("every n-th step differs from the others, and is counted as often as it comes")
    if ahead.trend_is_sure:
        found.append(f"each step takes {100 * ahead.trend:+.2g} % than the one before")
    if ahead.resemblance >= CLEAR:
        found.append(f"neighbouring steps resemble each other ({ahead.resemblance:.1f})")
    return tuple(found)


def _to_come(
    progress: Progress, amounts: Sequence[float], quantity: str
) -> SumToCome | NotPredicted:
    left = max(0.0, progress.planned - progress.done)
    if len(amounts) < FEWEST_STEPS:
        unit = "epochs" if progress.unit is Unit.EPOCHS else "stretches of the training"
        return NotPredicted(
            f"the {quantity} of {len(amounts)} {unit} is known: it is predicted from "
            f"{FEWEST_STEPS} on"
        )
    units = fsum(step.units for step in progress.steps)
    usual = units / len(amounts)
    # Steps of unequal length count as if each had the usual one.
    even = [
        amount * usual / step.units
        for amount, step in zip(amounts, progress.steps, strict=True)
        if step.units > 0
    ]
    if len(even) < FEWEST_STEPS:
        return NotPredicted(f"the steps whose {quantity} is known hold no work")
    ahead = sum_to_come(even, left / usual)
    # By the mean step too: a course that runs away carries its own expectation along.
    usual_rest = fsum(even) / len(even) * left / usual
    total = fsum(amounts) + min(ahead.expected, usual_rest)
    if (ahead.high - ahead.low) / 2 > WIDEST * total:
        return NotPredicted(
            f"the {quantity} differs too much from step to step: the 90 % interval of the rest, "
            f"{ahead.low:.3g} to {ahead.high:.3g}, is wider than the prediction"
        )
    return ahead
