"""Generalised least squares of a short series: level, trend and a fading warm-up in AR(1) noise.

A trend is a straight line, or one that bends towards an end value as a device that heats up does;
a level may have jumped once, or differ in every n-th step.
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


@dataclass(frozen=True, slots=True)
class Cycle:
    """Every `period`-th step differs, as by an evaluation; `offset` is the first of them."""

    period: int
    offset: int

    def covers(self, index: int) -> bool:
        """Return whether the step of this index, from 0, is one that differs."""
        return index % self.period == self.offset

    def ahead(self, count: int, remaining: float) -> float:
        """Return how many of the `remaining` steps after `count` differ; a part counts as one."""
        whole = int(remaining)
        found = sum(self.covers(count + step) for step in range(whole % self.period))
        part = (remaining - whole) * self.covers(count + whole)
        return whole // self.period + found + part


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted model; times count from 0 at the last step, and the level is shifted to the mean."""

    resemblance: float
    fading: float | None
    bending: float | None
    """Steps after which 1/e of a bending trend is left; `None` for a straight one."""
    jump: int | None
    """Steps before the level jumped; `None` where it did not."""
    cycle: "Cycle | None"
    """Which steps differ by turns; `None` where none do."""
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
        """Return the combination of the columns with these weights, shift left out."""
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
    jump: int | None = None,
    cycle: Cycle | None = None,
) -> list[Fit]:
    """Return the fits of relative steps (mean about 1), one for each correlation of neighbours.

    Where the columns are alike within the precision of numbers there is none.
    """
    values = np.array(steps, dtype=np.float64)
    count = len(values)
    shift = float(values.mean())
    values = values - shift
    columns = _columns(count, fading, bending, jump, cycle)
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
            jump=jump,
            cycle=cycle,
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


def _columns(
    count: int,
    fading: float | None,
    bending: float | None,
    jump: int | None,
    cycle: Cycle | None,
) -> Array:
    """Return what multiplies level, trend and whatever else there is in each step."""
    index = np.arange(count, dtype=np.float64)
    trend = index - count + 1 if bending is None else np.exp(-index / bending)
    parts = [np.ones(count), trend]
    if fading is not None:
        parts.append(np.exp(-index / fading))
    if jump is not None:
        parts.append((index < jump).astype(np.float64))
    if cycle is not None:
        parts.append((index % cycle.period == cycle.offset).astype(np.float64))
    return np.stack(parts, axis=1)
