"""Contiguous jobs under forecast error: when to stop waiting and start.

The cost of a window depends on its start and on the forecast's deviation at that start; waiting
is worth the expectation of the better of starting later and waiting on. Source: planning paper,
section 2.4. Costs are in g/kWh times steps.
"""

import numpy as np

from lowtide.planning.deviation import DEVIATIONS, FLOOR, MIDDLE, PERSISTENCE, transition
from lowtide.planning.horizon import Array


def window_costs(expected: Array, spread: Array, length_steps: float, step_hours: float) -> Array:
    """Return the cost of the window that begins at each step, for each deviation there.

    `expected` and `spread` have the shape (steps, jobs), in g/kWh; windows are `length_steps`
    long, the last step counted in part. The result has the shape (starts, 5, jobs), with a start
    at every step whose window lies inside.
    """
    whole = int(length_steps + 1e-9)
    rest = max(0.0, length_steps - whole) if length_steps - whole > 1e-9 else 0.0
    starts = len(expected) - whole - (rest > 0) + 1
    weights = np.append(np.ones(whole), rest) if rest else np.ones(whole)
    fade = PERSISTENCE**step_hours
    floored = np.any(expected + DEVIATIONS[0] * spread < FLOOR * np.abs(expected))
    if not floored:
        return _without_floor(expected, spread, weights, fade, starts)
    total = np.zeros((starts, len(DEVIATIONS), expected.shape[1]), dtype=expected.dtype)
    for ahead, weight in enumerate(weights):
        values = expected[ahead : ahead + starts, None]
        offsets = (DEVIATIONS * fade**ahead)[None, :, None] * spread[ahead : ahead + starts, None]
        total += weight * np.maximum(values + offsets, FLOOR * np.abs(values))
    return total


def _without_floor(
    expected: Array, spread: Array, weights: Array, fade: float, starts: int
) -> Array:
    """Return the window costs where no deviation reaches the floor: two sums suffice."""
    mean = np.zeros((starts, expected.shape[1]))
    slope = np.zeros((starts, expected.shape[1]))
    for ahead, weight in enumerate(weights):
        mean += weight * expected[ahead : ahead + starts]
        slope += (weight * fade**ahead) * spread[ahead : ahead + starts]
    return mean[:, None] + DEVIATIONS[None, :, None] * slope[:, None]


def value_of_waiting(windows: Array, step_hours: float) -> Array:
    """Return the expected cost of not starting at the first step, one per job.

    `windows` has the shape (starts, 5, jobs) with at least two starts; the last must be taken.
    """
    moves = transition(step_hours)
    best = windows[-1]
    for start in range(len(windows) - 2, 0, -1):
        best = np.minimum(windows[start], moves @ best)
    waiting: Array = moves[MIDDLE] @ best
    return waiting
