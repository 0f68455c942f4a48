"""Mixture of Student's t distributions: what several models that may all be true say together."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, fsum
from typing import Final

from lowtide.metrics.student import t_quantile, two_sided_probability

HALVINGS: Final = 20
"""To a millionth of the distance between the models' own quantiles."""


@dataclass(frozen=True, slots=True)
class TModel:
    """One model's t distribution and its share of the mixture."""

    share: float
    """Weight, 0 to 1; the weights of a mixture add up to 1."""
    centre: float
    scale: float
    """Zero where the model leaves no doubt."""
    degrees: int
    """Degrees of freedom."""


def mean_of(mixture: Sequence[TModel]) -> float:
    """Return the centre of gravity of the centres."""
    return fsum(model.share * model.centre for model in mixture)


def probability_below(amount: float, mixture: Sequence[TModel]) -> float:
    """Return the probability that the quantity is at most `amount`."""
    return fsum(model.share * _below(amount, model) for model in mixture)


def quantile_of(probability: float, mixture: Sequence[TModel]) -> float:
    """Return the amount that the quantity is below with this probability."""
    own = [_quantile(probability, model) for model in mixture]
    low, high = min(own), max(own)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if probability_below(middle, mixture) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _quantile(probability: float, model: TModel) -> float:
    # Rounded away from the middle, so that the quantiles of t are found in its cache.
    tail = min(0.999, ceil(1000 * (abs(probability - 0.5) + 0.5)) / 1000)
    distance = t_quantile(tail, model.degrees) * model.scale
    return model.centre + (distance if probability >= 0.5 else -distance)


def _below(amount: float, model: TModel) -> float:
    distance = amount - model.centre
    if model.scale <= 0:
        return 1.0 if distance >= 0 else 0.0
    within = two_sided_probability(abs(distance) / model.scale, model.degrees)
    return 0.5 + (within if distance >= 0 else -within) / 2
