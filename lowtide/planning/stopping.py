"""Optimal stopping under forecast error: when to start instead of waiting on.

The cost of a start depends on when it is and on the forecast's deviation then; waiting is worth the
expectation of the better of starting later and waiting on. Source:
docs/explanation/planning.md#expected-value-of-waiting. Costs are in g/kWh times steps unless said
otherwise.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from lowtide.planning.deviation import DEVIATIONS, FLOOR, MIDDLE, PERSISTENCE, transition
from lowtide.planning.horizon import Array

LONGEST_MOVE: Final = 64
"""Slots over which the deviation is moved in one product."""
FEW_JOBS: Final = 4
"""Up to so many jobs it pays to sort out slots in which no start can be the best."""


def window_costs(
    expected: Array,
    spread: Array,
    length_steps: float,
    step_hours: float,
    *,
    floored: bool = True,
) -> Array:
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
    low = expected + DEVIATIONS[0] * spread < FLOOR * np.abs(expected)
    if not floored or not low.any():
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


def best_expected(starts: Array, step_hours: float) -> Array:
    """Return the expected cost of starting in the best slot, as (5, jobs): for each deviation now.

    `starts` has the shape (5, slots, jobs): what starting in a slot costs at each deviation there,
    in any unit. The first slot is the present one.
    """
    moves, position = _moves(step_hours), starts.shape[1] - 1
    best = starts[:, position]
    for slot in (*reversed(_worth_a_look(starts, step_hours)), 0):
        while position > slot:
            distance = min(position - slot, LONGEST_MOVE)
            best = moves[distance] @ best
            position -= distance
        best = np.minimum(best, starts[:, slot])
    return best


def _worth_a_look(starts: Array, step_hours: float) -> list[int]:
    """Return the slots, but the first and last, in which a start may be the best for a job.

    It cannot be where, at every deviation, starting at some later slot is expected to be as cheap.
    """
    count, jobs = starts.shape[1:]
    beaten = np.zeros(starts.shape, dtype=np.bool_)
    distance = 1
    while 0 < jobs <= FEW_JOBS and distance < count:
        ahead = starts[:, distance:].reshape(len(starts), -1)
        later = transition(distance * step_hours) @ ahead
        beaten[:, :-distance] |= starts[:, :-distance] >= later.reshape(len(starts), -1, jobs)
        distance *= 2
    worth = np.any(~beaten, axis=(0, 2))[1 : count - 1]
    slots: list[int] = (np.flatnonzero(worth) + 1).tolist()
    return slots


@lru_cache(maxsize=16)
def _moves(step_hours: float) -> list[Array]:
    """Return the transition matrices over 0 to `LONGEST_MOVE` steps."""
    moves = [np.eye(len(DEVIATIONS))]
    for _ in range(LONGEST_MOVE):
        moves.append(moves[-1] @ transition(step_hours))
    return moves
