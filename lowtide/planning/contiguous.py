"""Search for jobs that run in one piece: the cheapest window, and whether to start now.

The cost of a window is piecewise linear in its start, so the earliest cheapest start is one of few
exact candidates: at once, the latest start, every slot boundary b and every b - length. The
decision weighs the forecast's error: starting is compared with the expected cost of starting at a
later candidate, when more is known (docs/explanation/planning.md#expected-value-of-waiting).
Invariant: the decision and the published start compare the same candidates, so that following a
plan costs what it says. Horizons have whole slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.planning.deviation import DEVIATIONS, FLOOR, MIDDLE, PERSISTENCE
from lowtide.planning.horizon import Array, Horizon
from lowtide.planning.search import (
    INFEASIBLE,
    TIE,
    Proposal,
    Room,
    SearchSpace,
    SearchTask,
)
from lowtide.planning.stopping import best_expected

Ints = npt.NDArray[np.intp]

CHUNK: Final = 256
"""Jobs searched at once; bounds the memory of the tables."""
MOST_PAIRS: Final = 200_000
"""Windows and slots at the floor that are looked at together; bounds the memory."""
_NEGLIGIBLE_SECONDS: Final = 1e-6
_NEGLIGIBLE_STEPS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _Limits:
    """The room there is, and for how long it is kept after each run."""

    room: Room | None
    tails: Array


def search_contiguous(space: SearchSpace, tasks: Sequence[SearchTask]) -> list[Proposal]:
    """Return for each task whether to start now, and its earliest cheapest window.

    No window touches a barred step.
    """
    proposals: list[Proposal] = []
    for first in range(0, len(tasks), CHUNK):
        proposals += _search_chunk(space, tasks[first : first + CHUNK])
    return proposals


def _search_chunk(space: SearchSpace, tasks: Sequence[SearchTask]) -> list[Proposal]:
    """Return the proposals of a few tasks, vectorised over them."""
    horizon = space.horizon
    lengths = np.array([task.run_now_seconds for task in tasks])
    ends = np.minimum([task.end_seconds for task in tasks], horizon.end_seconds)
    latests = ends - lengths
    limits = _Limits(space.room, np.array([t.tail_seconds for t in tasks]))
    at_once = _costs(horizon, limits, np.zeros((1, len(tasks))), lengths, latests)[0]
    starts = _candidates(horizon, limits, lengths, latests)
    costs = _costs(horizon, limits, starts, lengths, latests)
    costs[starts <= _NEGLIGIBLE_SECONDS] = INFEASIBLE
    by_slot = _cheapest_by_slot(horizon, starts, costs, lengths)
    waiting = best_expected(by_slot, horizon.step_hours)[MIDDLE]
    cheapest = costs.min(axis=0)
    later = np.where(costs <= cheapest + TIE * np.abs(cheapest), starts, np.inf).min(axis=0)
    go = (at_once < INFEASIBLE) & (at_once <= waiting + TIE * np.abs(at_once))
    # A wait needs a start to wait for; the published start follows the decision.
    go |= (at_once < INFEASIBLE) & (cheapest >= INFEASIBLE)
    start = np.where(go, 0.0, later)
    total = np.where(go, at_once, cheapest)
    return [
        Proposal(
            run=bool(go[i]),
            stretches=((float(start[i]), float(start[i] + lengths[i])),)
            if total[i] < INFEASIBLE
            else (),
            planned=float(total[i]),
            at_once=float(at_once[i]) if at_once[i] < INFEASIBLE else None,
            expected=float(min(at_once[i], waiting[i])),
        )
        for i in range(len(tasks))
    ]


def _candidates(horizon: Horizon, limits: _Limits, lengths: Array, latests: Array) -> Array:
    """Return the starts that are compared, as (candidates, tasks); not all of them are possible.

    The boundaries between slots, then, where lengths are no whole slots, the start inside every
    slot from which a window ends on a boundary, then the latest start, then starts and ends that
    touch a change of room.
    """
    boundaries, tasks = horizon.edges[1:-1, None], len(lengths)
    rows = [np.broadcast_to(boundaries, (len(boundaries), tasks))]
    part = _part_of_a_step(horizon, lengths)
    if part.any():
        rows.append(horizon.edges[1:, None] - part * horizon.step_seconds)
    rows.append(latests[None])
    if limits.room is not None:
        changes = limits.room.edges[:, None]
        rows += [np.broadcast_to(changes, (len(changes), tasks)), changes - lengths - limits.tails]
    return np.concatenate(rows)


def _part_of_a_step(horizon: Horizon, lengths: Array) -> Array:
    """Return by which part of a step each length exceeds whole ones."""
    steps = lengths / horizon.step_seconds
    part = steps - np.floor(steps + _NEGLIGIBLE_STEPS)
    return np.where(part > _NEGLIGIBLE_STEPS, part, 0.0)


def _costs(
    horizon: Horizon, limits: _Limits, starts: Array, lengths: Array, latests: Array
) -> Array:
    """Return what windows from `starts` (rows, tasks) cost; infeasible ones cost `INFEASIBLE`."""
    slip = _NEGLIGIBLE_SECONDS
    costs = np.asarray(horizon.total(starts, lengths))
    outside = (starts < 0) | (starts > latests + slip)
    if limits.room is not None:
        outside |= limits.room.barred_seconds(starts, lengths + limits.tails) > slip
    costs[outside] = INFEASIBLE
    return costs


def _cheapest_by_slot(horizon: Horizon, starts: Array, costs: Array, lengths: Array) -> Array:
    """Return the cost of the cheapest start in each slot, as (deviations, slots, tasks).

    The deviation moves from slot to slot; all starts inside a slot see the same one.
    """
    count, tasks = len(horizon.costs), len(lengths)
    row, task = np.nonzero(costs < INFEASIBLE)
    start, length = starts[row, task], lengths[task]
    slot = _slot_of(horizon, start)
    values = costs[row, task] + DEVIATIONS[:, None] * _slopes(horizon, slot, start, length)
    expected = horizon.costs
    low = np.flatnonzero(expected + DEVIATIONS[0] * horizon.spread < FLOOR * expected)
    if horizon.floored and len(low):
        values += _floor_excess(horizon, low, slot, start, length)
    cheapest = np.full((len(DEVIATIONS), count * tasks), INFEASIBLE)
    place = slot * tasks + task
    for deviation, costs_there in zip(cheapest, values, strict=True):
        np.minimum.at(deviation, place, costs_there)
    return cheapest.reshape(len(DEVIATIONS), count, tasks)


def _slot_of(horizon: Horizon, moments: Array) -> Ints:
    """Return the slots that contain the moments; the end belongs to the last one."""
    found = np.searchsorted(horizon.edges, moments + _NEGLIGIBLE_SECONDS, side="right") - 1
    return np.minimum(found, len(horizon.costs) - 1)


def _slopes(horizon: Horizon, slot: Ints, starts: Array, lengths: Array) -> Array:
    """Return what one deviation in the slot of its start adds to each window.

    The sum of spreads over the window, each faded by its distance from the slot of the start.
    """
    edges, spread = horizon.edges, horizon.spread
    fade = PERSISTENCE**horizon.step_hours
    weights = reversed((spread * np.diff(edges)).tolist())
    rest = np.array(list(accumulate(weights, lambda later, own: own + fade * later))[::-1])
    ends = starts + lengths
    last = _slot_of(horizon, ends)
    from_start = rest[slot] - (starts - edges[slot]) * spread[slot]
    from_end = rest[last] - (ends - edges[last]) * spread[last]
    slopes: Array = from_start - fade ** (last - slot) * from_end
    return slopes


def _floor_excess(horizon: Horizon, low: Ints, slot: Ints, starts: Array, lengths: Array) -> Array:
    """Return what the floor under each slot's cost adds to the windows, for each deviation.

    `low` are the slots whose cost may fall to the floor; windows are taken in the order of their
    slots, so that those which can reach a low slot lie side by side.
    """
    fades = PERSISTENCE ** (horizon.step_hours * np.arange(len(horizon.spread)))
    ends, edges = starts + lengths, horizon.edges
    reach = int((_slot_of(horizon, ends) - slot).max(initial=0))
    order = np.argsort(slot, kind="stable")
    first = np.searchsorted(slot[order], low - reach, side="left")
    counts = np.searchsorted(slot[order], low, side="right") - first
    excess = np.zeros((len(DEVIATIONS), len(starts)))
    for part in np.array_split(np.arange(len(low)), 1 + int(counts.sum()) // MOST_PAIRS):
        number = counts[part]
        at = np.repeat(low[part], number)
        begins = np.repeat(first[part] - np.cumsum(number) + number, number)
        window = order[begins + np.arange(len(at))]
        touched = np.minimum(ends[window], edges[at + 1]) - np.maximum(starts[window], edges[at])
        value, wide = horizon.costs[at], horizon.spread[at] * fades[at - slot[window]]
        for row, deviation in enumerate(DEVIATIONS[:MIDDLE]):
            lifted = np.maximum(FLOOR * value - (value + deviation * wide), 0.0)
            weights = lifted * np.maximum(touched, 0.0)
            excess[row] += np.bincount(window, weights=weights, minlength=len(starts))
    return excess
