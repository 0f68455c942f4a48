"""Scaling of a job with its replicas: how much faster it is with more, and how much more it draws.

Both are powers of the replicas: a doubling is `2 * efficiency` times as fast. The efficiency is
given, or learnt from attempts at several sizes, or assumed; power follows from the energy of such
attempts, or is assumed to be proportional. Where three sizes or more were measured, each has its
own speed (`rates`). The deadline counts on the bounds of what is not given.

Ratios are taken within a run, because another run may have had other hardware, and a size counts
from two attempts on: one odd attempt teaches nothing. Source:
docs/explanation/planning.md#scaling-efficiency.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import fsum, isfinite, log2, sqrt
from statistics import fmean
from typing import Final, Self

from lowtide.metrics.student import t_quantile
from lowtide.planning.errors import RequestError
from lowtide.planning.rates import Rates, measured_rates

LEAST_EFFICIENCY: Final = 0.5
"""Twice the replicas are no faster."""
MOST_EFFICIENCY: Final = 1.0
"""Twice the replicas are twice as fast."""
ASSUMED_EFFICIENCY: Final = 0.8
MOST_POWER_EXPONENT: Final = 1.2
"""Twice the replicas draw at most 2.3 times as much."""
LEAST_SECONDS: Final = 600.0
"""A shorter stretch of training, or a shorter attempt, is not compared."""
LEAST_ATTEMPTS: Final = 2
"""Attempts at a size, of one run or of several, from which on it is compared."""
LEAST_SPREAD: Final = log2(1.02)
"""Attempts of one size are taken to differ by two percent at least."""
SURENESS: Final = 0.95
"""Chance with which each bound of a learnt efficiency holds."""


class ScalingSource(StrEnum):
    """Where an efficiency comes from."""

    GIVEN = "Given"
    LEARNT = "Learnt"
    ASSUMED = "Assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedAttempt:
    """An attempt at one size: how fast it trained and how much it drew, as far as that is known."""

    replicas: int
    paces: tuple[tuple[str, float], ...] = ()
    """Units per second of training, by the name of the unit."""
    watts: float | None = None
    """Mean power of all replicas together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """Exponent of the replicas that attempts show, with its bounds and their number."""

    value: float
    low: float
    high: float
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What is known of a job's scaling.

    Raises:
        RequestError: an efficiency is not from 0.5 to 1, or lies outside its bounds.
    """

    efficiency: float = ASSUMED_EFFICIENCY
    """Efficiency of a doubling."""
    low: float = LEAST_EFFICIENCY
    """What the deadline counts on above the size that the running time is given for."""
    high: float = MOST_EFFICIENCY
    """What it counts on below that size: the faster a large job, the slower a small one."""
    source: ScalingSource = ScalingSource.ASSUMED
    attempts: int = 0
    """Attempts that the efficiency was learnt from."""
    power_exponent: float = 1.0
    """Power of a size is its replicas to this exponent."""
    power_attempts: int = 0
    """Attempts whose energy says so; 0: assumed to be proportional."""
    rates: Rates | None = None
    """Measured speeds, which count where there are any; `None`: one efficiency holds."""

    def __post_init__(self) -> None:
        if not LEAST_EFFICIENCY <= self.efficiency <= MOST_EFFICIENCY:
            raise RequestError(
                f"efficiency is {self.efficiency:g}, it must be from 0.5 (twice the replicas are "
                "no faster) to 1 (twice as fast)"
            )
        if not LEAST_EFFICIENCY <= self.low <= self.efficiency <= self.high <= MOST_EFFICIENCY:
            raise RequestError(
                f"efficiency is {self.efficiency:g}, outside of its bounds {self.low:g} and "
                f"{self.high:g}"
            )
        if not 0 <= self.power_exponent <= MOST_POWER_EXPONENT:
            raise RequestError(
                f"the exponent of power is {self.power_exponent:g}, it must be from 0 to "
                f"{MOST_POWER_EXPONENT}"
            )

    @classmethod
    def given(cls, efficiency: float) -> Self:
        """Return the scaling of a job whose efficiency a person states.

        Raises:
            RequestError: the efficiency is not from 0.5 to 1.
        """
        source = ScalingSource.GIVEN
        return cls(efficiency=efficiency, low=efficiency, high=efficiency, source=source)

    def speed(self, replicas: int, base: int) -> float:
        """Return the speed with so many replicas, where that of `base` is 1."""
        exponent = _exponent(self.efficiency)
        if self.rates is None or replicas == base:
            return float((replicas / base) ** exponent)
        return self.rates.speed(replicas, exponent) / self.rates.speed(base, exponent)

    def sure_speed(self, replicas: int, base: int) -> float:
        """Return the least speed with so many replicas that the deadline counts on.

        A measured speed below that of the one efficiency has the same bounds around it.
        """
        ratio = replicas / base
        bound = float(ratio ** _exponent(self.low if ratio > 1 else self.high))
        if self.rates is None:
            return bound
        known, speed = float(ratio ** _exponent(self.efficiency)), self.speed(replicas, base)
        return min(bound, speed, bound * speed / known)

    def power(self, ratio: float) -> float:
        """Return the power at so many times the replicas."""
        return float(ratio**self.power_exponent)

    @property
    def sentence(self) -> str:
        """Return what is known and where it comes from, for people."""
        text = f"efficiency of a doubling {self.efficiency:.2f}, {str(self.source).lower()}"
        if self.source is ScalingSource.LEARNT:
            text += f" from {self.attempts} attempts ({self.low:.2f} to {self.high:.2f})"
        if self.rates is not None:
            text += f", each of {len(self.rates.points)} sizes at its measured speed"
        if self.power_attempts:
            ratio = self.power(2.0)
            text += f"; twice the replicas draw {ratio:.2f} times the power, by the energy of "
            return text + f"{self.power_attempts} attempts"
        return text + "; power assumed proportional to the replicas"


def scaling_of(given: float | None, runs: Sequence[Sequence[SizedAttempt]] = ()) -> Scaling:
    """Return what is known of a job's scaling from attempts of its series' runs and its own.

    A given efficiency counts whatever the attempts show.

    Raises:
        RequestError: the given efficiency is not from 0.5 to 1.
    """
    paces = _paces(runs)
    speed = None if given is not None else learnt_exponent(paces, most=1.0)
    drawn = learnt_exponent(_watts(runs), most=MOST_POWER_EXPONENT)
    known = Scaling() if given is None else Scaling.given(given)
    if speed is not None:
        low, efficiency, high = map(_efficiency, (speed.low, speed.value, speed.high))
        known = Scaling(
            efficiency=efficiency,
            low=low,
            high=high,
            source=ScalingSource.LEARNT,
            attempts=speed.attempts,
            rates=measured_rates(_comparable(paces), speed.value, LEAST_SPREAD),
        )
    if drawn is None:
        return known
    return replace(known, power_exponent=drawn.value, power_attempts=drawn.attempts)


def learnt_exponent(runs: Sequence[Sequence[tuple[int, float]]], *, most: float) -> Slope | None:
    """Return the exponent of the replicas in the amounts of runs, `None` where too little is known.

    `runs` holds (replicas, amount) of each attempt; the exponent is kept from 0 to `most`. Least
    squares of the logarithms with one level for each run, so the unit of an amount is of no
    account and may differ between runs.
    """
    compared = _comparable(runs)
    count = sum(len(run) for run in compared)
    degrees = count - len(compared) - 1
    if degrees < 1:
        return None
    points = [point for run in compared for point in _centred(run)]
    squares = fsum(x * x for x, _ in points)
    slope = fsum(x * y for x, y in points) / squares
    rest = fsum((y - slope * x) ** 2 for x, y in points)
    spread = max(LEAST_SPREAD, sqrt(rest / degrees))
    half = t_quantile(SURENESS, degrees) * spread / sqrt(squares)
    low, value, high = (min(max(one, 0.0), most) for one in (slope - half, slope, slope + half))
    return Slope(value=value, low=low, high=high, attempts=count)


def _comparable(runs: Sequence[Sequence[tuple[int, float]]]) -> list[list[tuple[int, float]]]:
    """Return the attempts of sizes that were tried often enough, in runs with several such sizes.

    An attempt that is left out may leave another size with too few.
    """
    kept = [[one for one in run if isfinite(one[1]) and one[1] > 0] for run in runs]
    while True:
        tried = Counter(replicas for run in kept for replicas, _ in run)
        left = [[one for one in run if tried[one[0]] >= LEAST_ATTEMPTS] for run in kept]
        left = [run for run in left if len({replicas for replicas, _ in run}) > 1]
        if left == kept:
            return left
        kept = left


def _centred(run: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Return the logarithms of replicas and amounts, less their means in the run."""
    points = [(log2(replicas), log2(amount)) for replicas, amount in run]
    middle = [fmean(column) for column in zip(*points, strict=True)]
    return [(x - middle[0], y - middle[1]) for x, y in points]


def _paces(runs: Sequence[Sequence[SizedAttempt]]) -> list[list[tuple[int, float]]]:
    """Return the pace of each attempt, in the unit that most attempts of its run have."""
    found = []
    for run in runs:
        units = Counter(unit for one in run for unit, _ in one.paces)
        unit = max(sorted(units), key=lambda name: units[name], default="")
        found.append(
            [(one.replicas, pace) for one in run for name, pace in one.paces if name == unit]
        )
    return found


def _watts(runs: Sequence[Sequence[SizedAttempt]]) -> list[list[tuple[int, float]]]:
    return [[(one.replicas, one.watts) for one in run if one.watts is not None] for run in runs]


def _exponent(efficiency: float) -> float:
    return 1 + log2(efficiency)


def _efficiency(exponent: float) -> float:
    return float(2 ** (exponent - 1))
