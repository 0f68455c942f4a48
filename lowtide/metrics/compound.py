"""Compound letter of several: weighted median, mean, best, worst or majority.

Correct mode computes over rationals, so that a half is a half. Mlee mode repeats the published
program: its median returns the element before the median in most cases, walks equal letters in the
order of the properties, and its mean rounds in binary floats. Source:
docs/explanation/metrics.md#compound-letter.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from math import ceil, floor
from operator import add

from lowtide.metrics.letters import Letter
from lowtide.metrics.result import MetricError, Mode, Refusal

Weighted = tuple[Letter, Decimal]
"""A letter and its weight."""


class Compound(StrEnum):
    """How letters become one; optimistic rounds to the better letter, pessimistic to the worse."""

    OPTIMISTIC_MEDIAN = "optimistic median"
    PESSIMISTIC_MEDIAN = "pessimistic median"
    OPTIMISTIC_MEAN = "optimistic mean"
    PESSIMISTIC_MEAN = "pessimistic mean"
    BEST = "best"
    WORST = "worst"
    MAJORITY = "majority"


def compound_letter(
    ratings: Sequence[Weighted],
    how: Compound = Compound.OPTIMISTIC_MEDIAN,
    *,
    mode: Mode = Mode.CORRECT,
) -> Letter | None:
    """Return the compound of the letters with a weight above zero; `None` if there is none.

    In mlee mode the order of the ratings matters: parameters, operations, file size, energy, time,
    top-1, top-5.

    Raises:
        MetricError: out_of_domain for a negative or non-finite weight.
    """
    for _, weight in ratings:
        if not (weight.is_finite() and weight >= 0):
            raise MetricError(
                Refusal.OUT_OF_DOMAIN, "weight", f"weight is {weight}, but it must be at least 0"
            )
    counted = [(letter, weight) for letter, weight in ratings if weight > 0]
    if not counted:
        return None
    letters = [letter for letter, _ in counted]
    if how is Compound.BEST:
        return min(letters)
    if how is Compound.WORST:
        return max(letters)
    if how is Compound.MAJORITY:
        return max(sorted(set(letters)), key=letters.count)
    to_whole = ceil if how.startswith("pessimistic") else floor
    if how in (Compound.OPTIMISTIC_MEAN, Compound.PESSIMISTIC_MEAN):
        mean = _mean_in_floats(counted) if mode is Mode.MLEE else _mean(counted)
        return Letter(to_whole(mean))
    median = _median_before(counted) if mode is Mode.MLEE else _median(counted)
    return Letter(to_whole(median))


def _mean(ratings: Sequence[Weighted]) -> Fraction:
    total = sum(Fraction(weight) for _, weight in ratings)
    return sum((letter * Fraction(weight) for letter, weight in ratings), Fraction(0)) / total


def _median(ratings: Sequence[Weighted]) -> Fraction:
    """Return the first letter whose cumulative weight exceeds a half, or the mean at a half."""
    ordered = sorted(ratings, key=lambda rating: rating[0])
    half = sum(Fraction(weight) for _, weight in ordered) / 2
    reached = Fraction(0)
    for position, (letter, weight) in enumerate(ordered):
        reached += Fraction(weight)
        if reached > half:
            return Fraction(letter)
        if reached == half:
            return Fraction(letter + ordered[position + 1][0], 2)
    raise AssertionError("weights above zero always pass their half")


def _shares(ratings: Sequence[Weighted]) -> list[float]:
    weights = [float(weight) for _, weight in ratings]
    total = _added_in_turn(weights)
    return [weight / total for weight in weights]


def _mean_in_floats(ratings: Sequence[Weighted]) -> float:
    shares = _shares(ratings)
    products = (letter * share for (letter, _), share in zip(ratings, shares, strict=True))
    return _added_in_turn(products) / _added_in_turn(shares)


def _added_in_turn(values: Iterable[float]) -> float:
    """Return the sum with its rounding errors, which `sum` avoids from Python 3.12 on.

    The published letters were made with them: a mean of exactly 1.5 fell on the other side.
    """
    return reduce(add, values, 0.0)


def _median_before(ratings: Sequence[Weighted]) -> float:
    """Return what the published program calls the median, with ties in the given order."""
    pairs = sorted(
        zip((letter for letter, _ in ratings), _shares(ratings), strict=True), key=lambda p: p[0]
    )
    letters = [letter for letter, _ in pairs]
    reached = list(accumulate(share for _, share in pairs))
    for position, cumulative in enumerate(reached):
        last = position + 1 == len(reached)
        if cumulative == 0.5 and not last:
            return (letters[position] + letters[position + 1]) / 2
        if cumulative > 0.5 or (not last and reached[position + 1] > 0.5):
            return letters[position]
    return letters[-1]
