"""Speeds of a job at the sizes at which it was measured, where it follows no one efficiency.

Many trainings scale well up to a size and badly beyond it: one efficiency for all sizes is then too
low for the first doublings and too high for the last. From three measured sizes on each has its own
speed, as far as the attempts agree: what scatter explains is taken back to the one efficiency.
Source: docs/explanation/planning.md#scaling-efficiency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log2
from typing import Final

import numpy as np

from lowtide.planning.errors import RequestError

LEAST_SIZES: Final = 3
"""Between two sizes one efficiency says all that was measured."""
MOST_SIZES: Final = 32
"""Measured sizes that are kept; with more, one efficiency holds for all."""
USUAL_DEVIATION: Final = log2(1.2)
"""By how much sizes usually deviate from one efficiency: a fifth."""
MOST_EXPONENT: Final = 1.0
"""No part of the curve is steeper: twice the replicas are at most twice as fast."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Speed at each measured size, where that of the smallest is 1.

    Raises:
        RequestError: there are fewer than three or too many sizes, one is below 1, they do not
            rise, or a speed is not above 0 or falls.
    """

    points: tuple[tuple[int, float], ...]
    """Replicas and speed, rising."""

    def __post_init__(self) -> None:
        sizes, speeds = [size for size, _ in self.points], [speed for _, speed in self.points]
        if not LEAST_SIZES <= len(sizes) <= MOST_SIZES:
            raise RequestError(
                f"{len(sizes)} sizes have a measured speed, {LEAST_SIZES} to {MOST_SIZES} must"
            )
        if sizes[0] < 1 or sizes != sorted(set(sizes)):
            raise RequestError(f"measured sizes are {sizes}, they must rise from 1 on")
        if not (all(map(isfinite, speeds)) and speeds[0] > 0 and speeds == sorted(speeds)):
            raise RequestError(f"measured speeds are {speeds}, they must be above 0 and not fall")

    def speed(self, replicas: int, exponent: float) -> float:
        """Return the speed of any size; beyond the measured ones the worse of two laws counts.

        `exponent` is that of the one efficiency, the other law is the nearest part of the curve.
        """
        x, (logs, speeds) = log2(replicas), self._logarithms()
        slopes = np.diff(speeds) / np.diff(logs)
        if x <= logs[0]:
            return float(2 ** (speeds[0] + max(exponent, slopes[0]) * (x - logs[0])))
        if x >= logs[-1]:
            return float(2 ** (speeds[-1] + min(exponent, slopes[-1]) * (x - logs[-1])))
        return float(2 ** np.interp(x, logs, speeds))

    def _logarithms(self) -> tuple["np.typing.NDArray[np.float64]", ...]:
        columns = zip(*((log2(size), log2(speed)) for size, speed in self.points), strict=True)
        logs, speeds = (np.array(column) for column in columns)
        return logs, speeds


def measured_rates(
    runs: Sequence[Sequence[tuple[int, float]]], exponent: float, least_spread: float
) -> Rates | None:
    """Return the speed at each size of comparable runs, `None` where one efficiency says it all.

    `runs` holds (replicas, amount) of the attempts that were compared, `exponent` is that of the
    replicas in them. A size deviates from it by the mean of what its attempts say and of attempts
    that say nothing: as many of these as the scatter is larger than a usual deviation (squared).
    """
    sizes = sorted({replicas for run in runs for replicas, _ in run})
    if not LEAST_SIZES <= len(sizes) <= MOST_SIZES:
        return None
    place = {size: number for number, size in enumerate(sizes)}
    rows = [
        (r, place[n], log2(y) - exponent * log2(n)) for r, run in enumerate(runs) for n, y in run
    ]
    design = np.zeros((len(rows), len(runs) + len(sizes)))
    for row, (run, size, _) in enumerate(rows):
        design[row, run] = design[row, len(runs) + size] = 1.0
    above = np.array([y for _, _, y in rows])
    fitted, _, rank, _ = np.linalg.lstsq(design, above)
    degrees = len(rows) - int(rank)
    if degrees < 1:
        return None
    scatter = max(least_spread**2, float(((above - design @ fitted) ** 2).sum()) / degrees)
    nothing = np.diag([0.0] * len(runs) + [scatter / USUAL_DEVIATION**2] * len(sizes))
    deviations = np.linalg.solve(design.T @ design + nothing, design.T @ above)[len(runs) :]
    levels = [exponent * log2(size) + float(deviations[place[size]]) for size in sizes]
    return _rising(sizes, levels)


def _rising(sizes: list[int], levels: list[float]) -> Rates:
    """Return the curve of these logarithms, no part of which falls or is too steep."""
    logarithm, points = 0.0, [(sizes[0], 1.0)]
    for (size, level), (after, next_level) in pairwise(zip(sizes, levels, strict=True)):
        width = log2(after) - log2(size)
        logarithm += min(max(next_level - level, 0.0), MOST_EXPONENT * width)
        points.append((after, float(2**logarithm)))
    return Rates(tuple(points))
