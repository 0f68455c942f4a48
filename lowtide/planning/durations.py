"""Running time to plan with, from the runs of the same series and the declared duration."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

MINIMUM_RUNS: Final = 5
"""Fewer runs say too little about a 90th percentile
(docs/explanation/planning.md#how-long-a-job-runs)."""
DECLARED_HIGH_RATIO: Final = 1.2


@dataclass(frozen=True, slots=True)
class DurationEstimate:
    """Full-power running time: median and 90th percentile in seconds, and how many runs it is from.

    `runs` is 0 where the figures come from a declared duration.
    """

    median_seconds: float
    high_seconds: float
    runs: int


def learn_duration(
    finished_seconds: Sequence[float], declared_seconds: float | None = None
) -> DurationEstimate | None:
    """Return the running time to plan with, or `None` where nothing is known.

    `finished_seconds` are the full-power times of finished jobs of the series. From five runs on
    they count; before, the declared duration times 1 and 1.2 is used, or the median of what there
    is if nothing is declared. Quantiles interpolate linearly between runs.

    Source: docs/explanation/planning.md#how-long-a-job-runs.

    Raises:
        ValueError: a duration is not a positive finite number of seconds.
    """
    for seconds in (*finished_seconds, *(() if declared_seconds is None else (declared_seconds,))):
        if not (isfinite(seconds) and seconds > 0):
            raise ValueError(f"a running time of {seconds} s is not a positive number of seconds")
    runs = len(finished_seconds)
    if runs >= MINIMUM_RUNS:
        median, high = np.quantile(np.array(finished_seconds, dtype=np.float64), [0.5, 0.9])
        return DurationEstimate(float(median), float(high), runs)
    if declared_seconds is not None:
        return DurationEstimate(declared_seconds, DECLARED_HIGH_RATIO * declared_seconds, 0)
    if runs:
        median = float(np.median(finished_seconds))
        high = max(DECLARED_HIGH_RATIO * median, *finished_seconds)
        return DurationEstimate(median, high, runs)
    return None
