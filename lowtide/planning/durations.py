"""Running time to plan with, from the runs of the same series and the declared duration.

One rule for the operator and the command line. From five finished runs of a series on, the
quantiles of its latest ones count. Before that the declared duration counts, or the default where
none is declared, and a run may only lengthen it: one short run must not teach a series. Where the
declared duration and the series disagree by more than the guard allows, the estimate says so;
where they agree, the wider guard of the two is kept.
Source: docs/explanation/planning.md#how-long-a-job-runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from statistics import median
from typing import Final

import numpy as np

from lowtide.planning.scaling import SizedAttempt
from lowtide.units import format_duration

MINIMUM_RUNS: Final = 5
"""Fewer runs say too little about a 90th percentile."""
LATEST_RUNS: Final = 10
"""Older runs are forgotten, so that a series whose length changes is followed."""
HIGH_RATIO: Final = 1.2
"""90th percentile over the usual running time where no quantile is known."""


class DurationSource(StrEnum):
    """Rule that gave the expected duration."""

    DECLARED = "Declared"
    LEARNT = "Learnt"
    DEFAULT = "Default"


@dataclass(frozen=True, slots=True)
class PastRun:
    """A finished job: seconds it ran, pauses excluded, and its energy if it was measured.

    `ended` is its end in seconds since 1970, which orders the runs of a series.
    """

    duration_seconds: float
    energy_joules: float | None = None
    ended: float = 0.0
    attempts: tuple[SizedAttempt, ...] = ()
    """What its attempts say of its scaling, if it changed its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """Figures of the latest finished runs of a series, at most ten."""

    runs: int
    median_seconds: float
    high_seconds: float
    """90th percentile, interpolated linearly between runs."""
    longest_seconds: float
    energy_joules: float | None
    """Median of the measured ones."""
    durations: tuple[float, ...] = ()
    """Seconds of each of these runs, in the order of their ends."""
    energies: tuple[float, ...] = ()
    """Joules of those that were measured."""
    attempts: tuple[tuple[SizedAttempt, ...], ...] = ()
    """What the attempts of each of these runs say of its scaling."""

    @property
    def suffices(self) -> bool:
        """Return whether the quantiles mean something."""
        return self.runs >= MINIMUM_RUNS


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationEstimate:
    """Full-power running time to plan with.

    `usual_seconds` is the median, `high_seconds` the 90th percentile. `note` is a sentence where
    the declared duration and the series disagree by more than the guard allows, else empty.
    """

    usual_seconds: float
    high_seconds: float
    source: DurationSource
    note: str = ""


def learn(finished: Sequence[PastRun]) -> Experience | None:
    """Return the figures of a series, `None` where no run has finished.

    Raises:
        ValueError: a duration is not a positive finite number of seconds.
    """
    for run in finished:
        _check(run.duration_seconds)
    if not finished:
        return None
    latest = sorted(finished, key=lambda run: run.ended)[-LATEST_RUNS:]
    seconds = np.array([run.duration_seconds for run in latest], dtype=np.float64)
    usual, high, longest = np.quantile(seconds, [0.5, 0.9, 1.0]).tolist()
    energies = [run.energy_joules for run in latest if run.energy_joules is not None]
    return Experience(
        runs=len(latest),
        median_seconds=usual,
        high_seconds=high,
        longest_seconds=longest,
        energy_joules=median(energies) if energies else None,
        durations=tuple(run.duration_seconds for run in latest),
        energies=tuple(energies),
        attempts=tuple(run.attempts for run in latest if run.attempts),
    )


def estimate_duration(
    experience: Experience | None,
    declared_seconds: float | None,
    *,
    default_seconds: float,
    high_ratio: float = HIGH_RATIO,
) -> DurationEstimate:
    """Return the running time to plan with; `default_seconds` counts where nothing is known.

    Raises:
        ValueError: a duration is not a positive finite number of seconds.
    """
    assumed = default_seconds if declared_seconds is None else declared_seconds
    _check(assumed)
    source = DurationSource.DEFAULT if declared_seconds is None else DurationSource.DECLARED
    if experience is None:
        return DurationEstimate(
            usual_seconds=assumed, high_seconds=high_ratio * assumed, source=source
        )
    declared = declared_seconds or 0.0
    note = _disagreement(experience, declared, high_ratio) if declared else ""
    if experience.suffices:
        # A declaration that agrees with the series keeps its own guard, which is wider.
        guard = 0.0 if note else high_ratio * declared
        return DurationEstimate(
            usual_seconds=experience.median_seconds,
            high_seconds=max(experience.high_seconds, guard),
            source=DurationSource.LEARNT,
            note=note,
        )
    usual = max(assumed, experience.median_seconds)
    return DurationEstimate(
        usual_seconds=usual,
        high_seconds=high_ratio * max(assumed, experience.longest_seconds),
        source=DurationSource.LEARNT if usual > assumed else source,
        note=note,
    )


def _disagreement(experience: Experience, declared: float, high_ratio: float) -> str:
    """Return a sentence where one time lies beyond what a guard made from the other allows."""
    known = experience.high_seconds if experience.suffices else experience.longest_seconds
    longer = known > high_ratio * declared
    shorter = experience.suffices and declared > high_ratio * known
    if not (longer or shorter):
        return ""
    runs = "a finished run" if experience.runs == 1 else f"the latest {experience.runs} runs"
    text = (
        f"{format_duration(declared)} are declared, but {runs} of the series took "
        f"{format_duration(experience.median_seconds)}"
    )
    if experience.runs > 1:
        text += f", at most {format_duration(experience.longest_seconds)}"
    counts = "the series counts" if experience.suffices else "the longer time is kept free"
    return f"{text}: {counts}"


def _check(seconds: float) -> None:
    if not (isfinite(seconds) and seconds > 0):
        raise ValueError(f"a running time of {seconds} s is not a positive number of seconds")
