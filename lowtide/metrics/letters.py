"""Letters A to E: from an index and four boundaries, and the boundaries from a group's indices.

A tie goes to the worse letter in correct and mlee mode and to the better one in STREP mode.
Boundaries belong to one task and are frozen in a named set with the number of rows behind them.
Source: docs/explanation/metrics.md#index and docs/explanation/metrics.md#letters.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import floor
from typing import Final

from lowtide.metrics.domain import require_finite
from lowtide.metrics.properties import Direction
from lowtide.metrics.result import MetricError, Mode, Refusal, Undefined

Boundaries = tuple[float, float, float, float]
"""Descending: above the first is A, at or below the last is E."""

QUANTILES: Final = (0.8, 0.6, 0.4, 0.2)
FEWEST_VALUES: Final = 5
TIE_RATIO: Final = 1e-9
MLEE_LARGEST_INDEX: Final = 10_000
"""The original's upper end of A; above it everything is E (a defect, kept in mlee mode)."""


class Letter(IntEnum):
    """A rating; smaller is better."""

    A = 0
    B = 1
    C = 2
    D = 3
    E = 4


def index_of(
    value: float | None, reference: float | None, better: Direction, *, mode: Mode = Mode.CORRECT
) -> float | Undefined:
    """Return value/reference (higher better) or reference/value (lower better), or the reason.

    Raises:
        MetricError: out_of_domain for a negative or non-finite value or reference.
    """
    for name, number in (("value", value), ("reference", reference)):
        if number is not None and require_finite(name, number) < 0:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN, name, f"{name} is {number:g}, but it must be at least 0"
            )
    if mode is Mode.MLEE and (value is None or reference is None):
        return 0.0
    if value is None:
        return Undefined.VALUE_MISSING
    if reference is None or (reference == 0 and mode is not Mode.MLEE):
        return Undefined.REFERENCE_MISSING
    above, below = (value, reference) if better is Direction.HIGHER else (reference, value)
    if below == 0:
        return 0.0 if mode is Mode.MLEE else Undefined.VALUE_ZERO
    return above / below


def best_of(values: Sequence[float | None], better: Direction) -> float | None:
    """Return the best value of a group, the reference of STREP; zeros of costs do not count."""
    known = [v for v in values if v is not None and (better is Direction.HIGHER or v > 0)]
    if not known:
        return None
    return max(known) if better is Direction.HIGHER else min(known)


def letter_of(index: float, boundaries: Boundaries, *, mode: Mode = Mode.CORRECT) -> Letter:
    """Return the letter of an index.

    Raises:
        MetricError: out_of_domain for boundaries that do not descend, or an index that is not
            finite.
    """
    check_boundaries(boundaries)
    require_finite("index", index)
    if mode is Mode.MLEE:
        if index > MLEE_LARGEST_INDEX:
            return Letter.E
        return Letter(sum(index <= bound for bound in boundaries))
    if mode is Mode.STREP:
        return Letter(sum(index < bound and not _tie(index, bound) for bound in boundaries))
    return Letter(sum(index < bound or _tie(index, bound) for bound in boundaries))


def boundaries_from(indices: Sequence[float], *, fewest: int = FEWEST_VALUES) -> Boundaries | None:
    """Return the 0.8, 0.6, 0.4 and 0.2 quantiles (linear interpolation), `None` if too few.

    Raises:
        MetricError: out_of_domain for an index that is not finite.
    """
    for index in indices:
        require_finite("indices", index)
    if len(indices) < fewest:
        return None
    ordered = sorted(indices)
    first, second, third, fourth = (_quantile(ordered, p) for p in QUANTILES)
    return first, second, third, fourth


def check_boundaries(boundaries: Sequence[float]) -> Boundaries:
    """Return four descending boundaries.

    Raises:
        MetricError: out_of_domain.
    """
    values = tuple(boundaries)
    for value in values:
        require_finite("boundaries", value)
    if len(values) != 4 or list(values) != sorted(values, reverse=True):
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "boundaries",
            f"boundaries are {list(values)}, but they must be four numbers that do not rise",
        )
    first, second, third, fourth = values
    return first, second, third, fourth


def _quantile(ordered: Sequence[float], probability: float) -> float:
    position = (len(ordered) - 1) * probability
    lower = floor(position)
    upper = min(lower + 1, len(ordered) - 1)
    return ordered[lower] + (position - lower) * (ordered[upper] - ordered[lower])


def _tie(index: float, bound: float) -> bool:
    return abs(index - bound) <= TIE_RATIO * abs(bound)
