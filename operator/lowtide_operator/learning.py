"""Experience of a series: how long its next job runs, and how many joules it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

QUANTILES_NEED: Final = 5
"""Fewer finished jobs say too little about the 90th percentile
(docs/explanation/planning.md#how-long-a-job-runs)."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """Finished job: seconds it ran, pauses excluded, and its energy if it was measured."""

    duration_seconds: float
    energy_joules: float | None


@dataclass(frozen=True, slots=True)
class Experience:
    """What a series says about its next job. `high_seconds` is the 90th percentile, if known."""

    runs: int
    duration_seconds: float
    high_seconds: float | None
    energy_joules: float | None


def learn(runs: Sequence[PastRun]) -> Experience | None:
    """Return medians over the finished jobs of a series, or `None` if there are none."""
    if not runs:
        return None
    durations = [run.duration_seconds for run in runs]
    energies = [run.energy_joules for run in runs if run.energy_joules is not None]
    high = None
    if len(runs) >= QUANTILES_NEED:
        high = quantiles(durations, n=10, method="inclusive")[8]
    return Experience(
        runs=len(runs),
        duration_seconds=median(durations),
        high_seconds=high,
        energy_joules=median(energies) if energies else None,
    )
