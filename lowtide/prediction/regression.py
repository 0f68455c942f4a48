"""Generalised least squares of a short series: level, trend and a fading warm-up in AR(1) noise.

A trend is a straight line, or one that bends towards an end value as a device that heats up does.
The steps are whitened with the given correlation of neighbours, so that ordinary least squares
apply. Likelihoods are marginal: level, trend and the size of a warm-up are integrated out under
flat priors, the variance under 1/variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma, log, pi
from typing import Any, Final

import numpy as np

EXACT: Final = 1e-12
"""Variance of relative steps below which they count as equal."""
SINGULAR: Final = 1e-12
"""Determinant of scaled normal equations below which the columns are alike."""

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted model; times count from 0 at the last step, and the level is shifted to the mean."""

    resemblance: float
    fading: float | None
    bending: float | None
    """Steps after which 1/e of a bending trend is left; `None` for a straight one."""
    count: int
    """Steps that were fitted."""
    shift: float
    """Mean of the steps, which is added to the level."""
    last: float
    """The last step less the shift."""
    coefficients: Array
    inverse: Array
    """Inverse of the normal equations."""
    variance: float
    """Of the innovations."""
    degrees: int
    log_likelihood: float

    def at(self, ahead: Sequence[float]) -> float:
        """Return the combination of level, trend and warm-up with these weights, shift left out."""
        return float(self.coefficients @ np.array(ahead))

    def leverage(self, ahead: Sequence[float]) -> float:
        """Return the variance of that combination, in units of the innovations' variance."""
        weights = np.array(ahead)
        return float(weights @ self.inverse @ weights)


def fits_of(
    steps: Sequence[float],
    resemblances: Sequence[float],
    *,
    fading: float | None = None,
    bending: float | None = None,
) -> list[Fit]:
    """Return the fits of relative steps (mean about 1), one for each correlation of neighbours.

    Where the columns are alike within the precision of numbers there is none.
    """
    values = np.array(steps, dtype=np.float64)
    count = len(values)
    shift = float(values.mean())
    values = values - shift
    columns = _columns(count, fading, bending)
    phi = np.array(resemblances)[:, None, None]
    first = np.sqrt(1 - phi**2)
    table = np.concatenate((columns, values[:, None]), axis=1)[None]
    white = np.concatenate((first * table[:, :1], table[:, 1:] - phi * table[:, :-1]), axis=1)
    rows, found = white[:, :, :-1], white[:, :, -1:]
    normal = rows.transpose(0, 2, 1) @ rows
    determinants = np.linalg.det(normal)
    sizes = np.prod(np.diagonal(normal, axis1=1, axis2=2), axis=1)
    kept = np.flatnonzero(determinants > SINGULAR * sizes)
    degrees = count - columns.shape[1]
    inverses = np.linalg.inv(normal[kept])
    solutions = inverses @ (rows[kept].transpose(0, 2, 1) @ found[kept])
    residuals = ((found[kept] - rows[kept] @ solutions) ** 2).sum(axis=(1, 2))
    residuals = np.maximum(residuals, EXACT * degrees)
    half = degrees / 2
    likelihoods = (
        np.log(first[kept, 0, 0]) - np.log(determinants[kept]) / 2 - half * np.log(residuals)
    )
    constant = lgamma(half) - half * log(pi)
    return [
        Fit(
            resemblance=float(resemblances[int(index)]),
            fading=fading,
            bending=bending,
            count=count,
            shift=shift,
            last=float(values[-1]),
            coefficients=solutions[place, :, 0],
            inverse=inverses[place],
            variance=float(residuals[place]) / degrees,
            degrees=degrees,
            log_likelihood=float(likelihoods[place]) + constant,
        )
        for place, index in enumerate(kept)
    ]


def _columns(count: int, fading: float | None, bending: float | None) -> Array:
    """Return what multiplies level, trend and warm-up in each step."""
    index = np.arange(count, dtype=np.float64)
    trend = index - count + 1 if bending is None else np.exp(-index / bending)
    parts = [np.ones(count), trend]
    if fading is not None:
        parts.append(np.exp(-index / fading))
    return np.stack(parts, axis=1)
