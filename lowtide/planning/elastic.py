"""Elastic size of a job: how many replicas it may run with, and how fast it is with each number.

Speeds and powers are relative to the size that the job's running time was given for (`base`): a
job at twice the replicas draws about twice the power and is less than twice as fast, so that every
unit of work costs more energy. Running wider pays where it moves work into clean hours.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import exp, isfinite, log
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lowtide.planning.errors import RequestError
from lowtide.planning.scaling import Scaling

MOST_REPLICAS: Final = 4096
MOST_SIZES: Final = 8
"""Sizes that a plan chooses among; of more, these many are taken, each about the same factor
larger than the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elastic:
    """The sizes of a job and what is known about them.

    Raises:
        RequestError: sizes do not rise, base or guard is not one of them, or a speed falls.
    """

    sizes: tuple[int, ...]
    """Numbers of replicas to choose among, rising."""
    speeds: tuple[float, ...]
    """Speed of each size, where that of `base` is 1."""
    base: int
    """Replicas for which the job's running time is given."""
    guard: int
    """Replicas that the deadline counts on: the work left must always fit at this size."""
    resize_cost_seconds: float = 0.0
    """Running time at the new size that one change of size burns."""
    sure_speeds: tuple[float, ...] = ()
    """Least speed of each size, which the deadline counts on; empty: `speeds` are certain."""
    scaling: Scaling | None = None
    """What the speeds and powers come from; `None` for speeds that were given as a curve."""

    def __post_init__(self) -> None:
        rising = self.sizes and list(self.sizes) == sorted(set(self.sizes))
        if not rising or not 1 <= self.sizes[0] <= self.sizes[-1] <= MOST_REPLICAS:
            raise RequestError(f"sizes are {self.sizes}, they must rise from 1 to {MOST_REPLICAS}")
        if self.base not in self.sizes or self.guard not in self.sizes:
            raise RequestError(
                f"base {self.base} and guard {self.guard} must be among the sizes {self.sizes}"
            )
        if len(self.speeds) != len(self.sizes) or list(self.speeds) != sorted(self.speeds):
            raise RequestError("a larger size must not be slower than a smaller one")
        if not (all(map(isfinite, self.speeds)) and self.speeds[0] > 0):
            raise RequestError(f"speeds are {self.speeds}, they must be finite and above 0")
        if self.sure_speeds and (
            len(self.sure_speeds) != len(self.sizes)
            or list(self.sure_speeds) != sorted(self.sure_speeds)
            or not self.sure_speeds[0] > 0
            or any(map(float.__gt__, self.sure_speeds, self.speeds))
        ):
            raise RequestError(
                f"sure speeds are {self.sure_speeds}, they must be above 0, rise, and be at most "
                f"the speeds {self.speeds}"
            )
        if not 0 <= self.resize_cost_seconds < float("inf"):
            raise RequestError(
                f"resize cost is {self.resize_cost_seconds} s, it must be finite and >= 0"
            )

    @classmethod
    def per_doubling(
        cls,
        least: int,
        most: int,
        efficiency: float,
        *,
        base: int | None = None,
        guard: int | None = None,
        resize_cost_seconds: float = 0.0,
    ) -> Self:
        """Return sizes of which each doubling is `2 * efficiency` times as fast.

        The base is the least size unless given, the guard the largest.

        Raises:
            RequestError: the efficiency is not from 0.5 to 1, or as for the class.
        """
        return cls.scaled(
            least,
            most,
            Scaling.given(efficiency),
            base=base,
            guard=guard,
            resize_cost_seconds=resize_cost_seconds,
        )

    @classmethod
    def scaled(
        cls,
        least: int,
        most: int,
        scaling: Scaling,
        *,
        base: int | None = None,
        guard: int | None = None,
        resize_cost_seconds: float = 0.0,
    ) -> Self:
        """Return sizes with the speeds and powers of a scaling.

        The base is the least size unless given, the guard the largest.

        Raises:
            RequestError: as for the class.
        """
        base, guard = base or least, guard or most
        sizes = sizes_between(least, most, base, guard)
        return cls(
            sizes=sizes,
            speeds=tuple(scaling.speed(size, base) for size in sizes),
            # A larger size is never slower, so that what is sure of a smaller one is of it too.
            sure_speeds=tuple(accumulate((scaling.sure_speed(size, base) for size in sizes), max)),
            base=base,
            guard=guard,
            resize_cost_seconds=resize_cost_seconds,
            scaling=scaling,
        )

    @classmethod
    def from_curve(
        cls,
        least: int,
        most: int,
        curve: Mapping[int, float],
        *,
        base: int | None = None,
        guard: int | None = None,
        resize_cost_seconds: float = 0.0,
    ) -> Self:
        """Return sizes with speeds from a curve of replicas and speed, in any unit.

        Between its points the efficiency of a doubling is constant.

        Raises:
            RequestError: the curve does not reach from `least` to `most`, or as for the class.
        """
        points = sorted(curve.items())
        if not points or points[0][0] < 1 or points[0][0] > least or points[-1][0] < most:
            raise RequestError(f"the curve must give speeds for {least} to {most} replicas")
        if not all(isfinite(speed) and speed > 0 for _, speed in points):
            raise RequestError("the curve must give speeds that are finite and above 0")
        base, guard = base or least, guard or most
        sizes = sizes_between(least, most, base, guard)
        at_base = _on_curve(points, base)
        return cls(
            sizes=sizes,
            speeds=tuple(_on_curve(points, size) / at_base for size in sizes),
            base=base,
            guard=guard,
            resize_cost_seconds=resize_cost_seconds,
        )

    def speed(self, size: int) -> float:
        """Return the speed of one of the sizes."""
        return self.speeds[self.sizes.index(size)]

    def sure_speed(self, size: int) -> float:
        """Return the speed of one of the sizes that the deadline counts on."""
        return (self.sure_speeds or self.speeds)[self.sizes.index(size)]

    def power(self, size: int) -> float:
        """Return the power of any size, where that of `base` is 1."""
        ratio = size / self.base
        return ratio if self.scaling is None else self.scaling.power(ratio)

    @property
    def powers(self) -> tuple[float, ...]:
        """Return the power of each size, where that of `base` is 1."""
        return tuple(self.power(size) for size in self.sizes)

    @property
    def uncertain_speeds(self) -> "NDArray[np.float64] | None":
        """Return the speed of each size that the deadline counts on, `None` where all are sure."""
        is_sure = not self.sure_speeds or self.sure_speeds == self.speeds
        return None if is_sure else np.array(self.sure_speeds)

    def among(self, sizes: Container[int]) -> Self:
        """Return the sizes that are among `sizes`, which hold base and guard."""
        kept = [place for place, size in enumerate(self.sizes) if size in sizes]
        return replace(
            self,
            sizes=tuple(self.sizes[place] for place in kept),
            speeds=tuple(self.speeds[place] for place in kept),
            sure_speeds=tuple(self.sure_speeds[place] for place in kept if self.sure_speeds),
        )

    @property
    def guard_speed(self) -> float:
        """Return the speed that the deadline counts on."""
        return self.sure_speed(self.guard)


def sizes_between(least: int, most: int, *kept: int) -> tuple[int, ...]:
    """Return the sizes from `least` to `most` that a plan chooses among, `kept` always among them.

    Raises:
        RequestError: `least` is below 1 or above `most`, or a kept size lies outside.
    """
    if not 1 <= least <= most <= MOST_REPLICAS:
        raise RequestError(
            f"sizes go from {least} to {most} replicas, they must go from 1 to {MOST_REPLICAS} "
            "and not fall"
        )
    if any(not least <= size <= most for size in kept):
        raise RequestError(f"{kept} replicas must lie between {least} and {most}")
    if most - least < MOST_SIZES:
        return tuple(range(least, most + 1))
    steps = MOST_SIZES - 1
    spread = {round(least * (most / least) ** (step / steps)) for step in range(steps + 1)}
    return tuple(sorted(spread | set(kept)))


def _on_curve(points: list[tuple[int, float]], size: int) -> float:
    """Return the speed of a size between the points of a curve."""
    for (low, slow), (high, fast) in pairwise(points):
        if low <= size <= high:
            share = log(size / low) / log(high / low)
            return exp(log(slow) + share * (log(fast) - log(slow)))
    return points[0][1]
