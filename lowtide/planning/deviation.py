"""Error of a forecast as a small Markov chain.

A plan can be changed when the forecast turns out wrong, so waiting is worth more the larger the
error may be. The error of all slots moves together: z standard deviations, z in -2..2, with z = 0
at the moment of the decision. Source: docs/explanation/planning.md#deviation-of-the-forecast; the
chain is Rouwenhorst's (docs/explanation/sources.md#kopecky-and-suen-2010).
"""

from functools import lru_cache
from math import comb
from typing import Final

import numpy as np

from lowtide.planning.horizon import Array

PERSISTENCE: Final = 0.95
"""Correlation of the forecast's error from one hour to the next."""
DEVIATIONS: Final = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
MIDDLE: Final = 2
FLOOR: Final = 0.02
"""A slot never costs less than this share of its forecast, however far the error goes."""


@lru_cache(maxsize=128)
def transition(step_hours: float) -> Array:
    """Return the chain's transition matrix for a step of this length, rows summing to one."""
    stay = (1 + PERSISTENCE**step_hours) / 2
    last = len(DEVIATIONS) - 1
    matrix = np.zeros((last + 1, last + 1))
    for i in range(last + 1):
        for j in range(last + 1):
            matrix[i, j] = sum(
                comb(i, k)
                * stay**k
                * (1 - stay) ** (i - k)
                * comb(last - i, j - k)
                * (1 - stay) ** (j - k)
                * stay ** (last - i - j + k)
                for k in range(max(0, i + j - last), min(i, j) + 1)
            )
    matrix.setflags(write=False)
    return matrix


def deviated(expected: Array, spread: Array, *, floored: bool = True) -> Array:
    """Return what slots cost at each deviation: the new axis comes second to last.

    `expected` and `spread` have the shape (..., n); the result has (..., 5, n) for n slots. Costs
    that may be negative, as prices, have no floor.
    """
    offsets = DEVIATIONS[:, None] * spread[..., None, :]
    if not floored:
        return np.asarray(expected[..., None, :] + offsets)
    values: Array = np.maximum(
        expected[..., None, :] + offsets, FLOOR * np.abs(expected[..., None, :])
    )
    return values
