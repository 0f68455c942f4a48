"""Jobs that run in one piece: where the cheapest window lies, and whether to start now.

The cost of a window is piecewise linear in its start, so the earliest cheapest start is one of
few exact candidates: the begin, the latest start, every slot boundary b and every b - length. The
decision weighs the forecast's error: starting is compared with the expected cost of starting at
a later boundary, when more is known (planning paper, section 2.4). Horizons have whole slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.planning.deviation import DEVIATIONS, FLOOR, MIDDLE, PERSISTENCE, transition
from lowtide.planning.horizon import Array, Horizon
from lowtide.planning.search import (
    INFEASIBLE,
    TIE,
    Proposal,
    Room,
    Scene,
    Task,
)

CHUNK: Final = 256
"""Jobs searched at once; bounds the memory of the tables."""
_NEGLIGIBLE_SECONDS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class _Limits:
    """The room there is, and for how long it is kept after each run."""

    room: Room | None
    tails: Array


def search_contiguous(scene: Scene, tasks: Sequence[Task]) -> list[Proposal]:
    """Return for each task whether to start now, and its earliest cheapest window.

    No window touches a barred step.
    """
    proposals: list[Proposal] = []
    for first in range(0, len(tasks), CHUNK):
        proposals += _search_chunk(scene, tasks[first : first + CHUNK])
    return proposals


def _search_chunk(scene: Scene, tasks: Sequence[Task]) -> list[Proposal]:
    """Return the proposals of a few tasks, vectorised over them."""
    horizon = scene.horizon
    lengths = np.array([task.run_now_seconds for task in tasks])
    ends = np.minimum([task.end_seconds for task in tasks], horizon.end_seconds)
    latests = ends - lengths
    limits = _Limits(scene.room, np.array([t.tail_seconds for t in tasks]))
    at_once = _costs(horizon, limits, np.zeros((1, len(tasks))), lengths, latests)[0]
    waiting = _waiting_costs(horizon, limits, lengths, latests)
    later, later_totals = _cheapest_later(horizon, limits, lengths, latests)
    go = (at_once < INFEASIBLE) & (at_once <= waiting + TIE * np.abs(at_once))
    # A wait needs a start to wait for; the published start follows the decision.
    go |= (at_once < INFEASIBLE) & (later_totals >= INFEASIBLE)
    start = np.where(go, 0.0, later)
    total = np.where(go, at_once, later_totals)
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


def _cheapest_later(
    horizon: Horizon, limits: _Limits, lengths: Array, latests: Array
) -> tuple[Array, Array]:
    """Return each task's earliest cheapest start after the begin, and its cost.

    The candidates are exact: every slot boundary, every boundary less the length, the latest
    start, and starts and ends that touch a change of room.
    """
    edges = horizon.edges[1:, None]
    columns = [np.broadcast_to(edges, (len(edges), len(lengths))), edges - lengths, latests[None]]
    if limits.room is not None:
        changes = limits.room.edges[:, None]
        columns += [np.broadcast_to(changes, (len(changes), len(lengths)))]
        columns += [changes - lengths - limits.tails]
    starts = np.concatenate(columns)
    starts = np.sort(starts, axis=0)
    costs = _costs(horizon, limits, starts, lengths, latests)
    costs[starts <= 0] = INFEASIBLE
    best = costs.min(axis=0)
    row = np.argmax(costs <= best + TIE * np.abs(best), axis=0)
    column = np.arange(len(lengths))
    return starts[row, column], costs[row, column]


def _waiting_costs(horizon: Horizon, limits: _Limits, lengths: Array, latests: Array) -> Array:
    """Return the expected cost of not starting at the begin, one per task."""
    edges, count = horizon.edges, len(horizon.grams_per_kwh)
    starts = np.minimum(edges[1:, None], np.maximum(latests, 0.0))
    costs = _costs(horizon, limits, starts, lengths, latests)
    # A boundary counts while the one before it lies ahead of the latest start.
    costs[(edges[:-1, None] >= latests) | (starts <= 0)] = INFEASIBLE
    windows = costs[:, None] + DEVIATIONS[:, None] * _slopes(horizon, lengths)[:, None]
    values = horizon.grams_per_kwh
    if np.any(values + DEVIATIONS[0] * horizon.spread < FLOOR * values):
        windows = np.where(
            costs[:, None] < INFEASIBLE,
            windows + _floor_excess(horizon, lengths),
            windows,
        )
    moves = transition(horizon.step_hours)
    best = np.full((len(DEVIATIONS), len(lengths)), INFEASIBLE)
    for row in range(count - 1, -1, -1):
        best = np.minimum(windows[row], moves @ best)
    waiting: Array = moves[MIDDLE] @ best
    return waiting


def _steps(horizon: Horizon, lengths: Array) -> tuple[Array, Array]:
    """Return whole steps and the remaining fraction of a step of each length."""
    steps = lengths / horizon.step_seconds
    whole = np.floor(steps + 1e-9)
    return whole, np.maximum(steps - whole, 0.0)


def _slopes(horizon: Horizon, lengths: Array) -> Array:
    """Return what one deviation at its start adds to the window from each edge but the first.

    The sum of spreads over the window, each faded by its distance from the start.
    """
    count = len(horizon.spread)
    fade = PERSISTENCE**horizon.step_hours
    rest = np.zeros(count + 1)
    for step in range(count - 1, -1, -1):
        rest[step] = horizon.spread[step] + fade * rest[step + 1]
    whole, part = _steps(horizon, lengths)
    first = np.arange(1, count + 1)[:, None]
    last = np.minimum(first + whole.astype(np.intp), count)
    spread = np.append(horizon.spread, 0.0)
    tail = rest[last] - part * spread[last]
    return np.asarray((rest[first] - fade**whole * tail) * horizon.step_seconds)


def _floor_excess(horizon: Horizon, lengths: Array) -> Array:
    """Return what the floor under each slot's cost adds to the windows, for each deviation."""
    count = len(horizon.spread)
    fade = PERSISTENCE**horizon.step_hours
    steps = lengths / horizon.step_seconds
    reach = int(np.ceil(steps.max() - 1e-9))
    values = np.concatenate((horizon.grams_per_kwh, np.zeros(reach + 1)))
    spread = np.concatenate((horizon.spread, np.zeros(reach + 1)))
    excess = np.zeros((count, len(DEVIATIONS), len(lengths)))
    first = np.arange(1, count + 1)
    for ahead in range(reach):
        value = values[first + ahead, None]
        offset = DEVIATIONS * fade**ahead * spread[first + ahead, None]
        lifted = np.maximum(FLOOR * value - (value + offset), 0.0)
        weight = np.clip(steps - ahead, 0.0, 1.0) * horizon.step_seconds
        excess += lifted[..., None] * weight
    return excess
