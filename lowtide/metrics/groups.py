"""Groups of repeated runs: mean and spread, and the difference of two means with its range.

The range of a ratio of means is Fieller's, the test is Welch's t-test; both assume that runs are
independent and their means roughly normal, and neither assumes equal spread. Degrees of freedom
are rounded down, which widens the range a little. Sources:
docs/explanation/sources.md#fieller-1954 and
docs/explanation/sources.md#welch-1947.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, fsum, sqrt
from statistics import fmean, stdev
from typing import Final, TypeVar

from lowtide.metrics.student import t_quantile, two_sided_probability

Item = TypeVar("Item")

TEST: Final = "Welch's t-test"
ASSUMPTION: Final = "runs independent, means roughly normal, spreads may differ"
MOST_DEGREES: Final = 1000
"""Beyond this the t distribution is the normal one to four digits."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Mean of repeated runs and their sample standard deviation; `None` with one run."""

    count: int
    mean: float
    deviation: float | None

    @property
    def variance_of_mean(self) -> float | None:
        """Square of the standard error."""
        return None if self.deviation is None else self.deviation**2 / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Difference of two means with its 95 % range and the probability of Welch's t-test.

    `low`, `high` and `probability` are `None` where a group has one run, or where the baseline's
    mean is not clearly above zero, so that the ratio has no bounded range.
    """

    value: float
    low: float | None = None
    high: float | None = None
    probability: float | None = None
    degrees: int | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the range is known and does not hold zero."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


def sample_of(values: Sequence[float]) -> Sample:
    """Return the sample of at least one value."""
    deviation = stdev(values) if len(values) > 1 else None
    return Sample(len(values), fmean(values), deviation)


def difference_of_means(baseline: Sample, candidate: Sample) -> MeanDifference:
    """Return candidate less baseline, in the unit of the values, with Welch's range."""
    value = candidate.mean - baseline.mean
    first, second = baseline.variance_of_mean, candidate.variance_of_mean
    if first is None or second is None:
        return MeanDifference(value=value)
    error = sqrt(first + second)
    degrees = _degrees(baseline, candidate, 1.0)
    half = t_quantile(0.975, degrees) * error
    return MeanDifference(
        value=value,
        low=value - half,
        high=value + half,
        probability=_probability(value, error, degrees),
        degrees=degrees,
    )


def ratio_of_means(baseline: Sample, candidate: Sample) -> MeanDifference | None:
    """Return the change of the mean in percent with Fieller's range; `None` for a baseline of 0."""
    if baseline.mean == 0:
        return None
    ratio = candidate.mean / baseline.mean
    first, second = baseline.variance_of_mean, candidate.variance_of_mean
    if first is None or second is None:
        return MeanDifference(value=(ratio - 1) * 100)
    plain = difference_of_means(baseline, candidate)
    t = t_quantile(0.975, _degrees(baseline, candidate, ratio))
    # (m2 - r m1)^2 <= t^2 (v2 + r^2 v1) is quadratic in r; bounded only where m1 is not about 0.
    a = baseline.mean**2 - t**2 * first
    b = baseline.mean * candidate.mean
    c = candidate.mean**2 - t**2 * second
    if a <= 0 or (root := b**2 - a * c) < 0:
        return MeanDifference(
            value=(ratio - 1) * 100, probability=plain.probability, degrees=plain.degrees
        )
    low, high = sorted(((b - sqrt(root)) / a, (b + sqrt(root)) / a))
    return MeanDifference(
        value=(ratio - 1) * 100,
        low=(low - 1) * 100,
        high=(high - 1) * 100,
        probability=plain.probability,
        degrees=plain.degrees,
    )


def _degrees(baseline: Sample, candidate: Sample, ratio: float) -> int:
    """Return the degrees of freedom of Welch and Satterthwaite for m2 - ratio * m1."""
    parts = (
        (ratio**2 * (baseline.variance_of_mean or 0.0), baseline.count),
        (candidate.variance_of_mean or 0.0, candidate.count),
    )
    below = fsum(part**2 / (count - 1) for part, count in parts)
    least = min(count for _, count in parts) - 1
    if below == 0:
        return least
    found = fsum(part for part, _ in parts) ** 2 / below
    return max(least, min(MOST_DEGREES, floor(found + 1e-9)))


def _probability(value: float, error: float, degrees: int) -> float | None:
    if error == 0:
        return None if value == 0 else 0.0
    return max(0.0, 1 - two_sided_probability(abs(value) / error, degrees))


def grouped(items: Sequence[Item], key: Callable[[Item], str | None]) -> dict[str, list[Item]]:
    """Return items by key in the order of their first; an unknown key is its own group."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(key(item) or "not stated", []).append(item)
    return found
