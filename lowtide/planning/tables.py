"""Tables of values of a whole planning pass, and the jobs that share them.

Zones, rooms left by the calendar, and window ends are groups within one table as long as the
steps fall on the same times; only resume costs and magnitudes of work need tables of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import ceil
from typing import Final, TypeAlias

import numpy as np

from lowtide.planning.horizon import Array, Horizon
from lowtide.planning.interruptible import PLAIN, Problem, Values, solve, step_costs
from lowtide.planning.search import INFEASIBLE, SearchSpace, SearchTask

TABLE_ENTRIES: Final = 4_000_000
"""Bound on the entries of one table of moves; more groups are solved one part after another."""

_ROUNDING: Final = 1e-9

Jobs: TypeAlias = Sequence[tuple[SearchSpace, SearchTask]]
Group: TypeAlias = tuple[int, int, int]
"""Whole steps and ticks in the tail of a window, and the space by its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Solved values and where each job finds its own.

    `members` are places in the list of jobs, `group_of` maps them to groups, `ends` are the whole
    steps of each group's window, `fresh_place` maps a group and ticks of work to a fresh job.
    """

    members: list[int]
    values: Values
    group_of: dict[int, int]
    ends: list[int]
    fresh_place: dict[tuple[int, int], int]


def resume_ticks(horizon: Horizon, task: SearchTask) -> int:
    """Return the whole ticks that a resume puts back on the work.

    A resume that is longer than the slack is as impossible however long it is: the next power of
    two above the slack stands for it, so that no job makes a table grow beyond its own window.
    """
    slack = min(task.end_seconds, horizon.end_seconds) - task.work_seconds
    most = 1 << max(0, int(slack / horizon.tick_seconds + _ROUNDING)).bit_length()
    return min(most, ceil(task.resume_seconds / horizon.tick_seconds - _ROUNDING))


def solve_tables(jobs: Jobs) -> Iterator[Table]:
    """Yield solved tables that together hold every job once."""
    spaces = {id(space): place for place, (space, _) in enumerate(jobs)}
    groups = {i: _group(space, task, spaces[id(space)]) for i, (space, task) in enumerate(jobs)}

    def order(index: int) -> tuple[tuple[datetime, float, float, int, int], tuple[int, ...]]:
        return _kind(*jobs[index]), tuple(-part for part in groups[index])

    members = sorted(range(len(jobs)), key=order)
    for _, alike in groupby(members, key=lambda index: order(index)[0]):
        for part in _parts(jobs, groups, list(alike)):
            yield _solve_part(jobs, groups, part)


def _kind(space: SearchSpace, task: SearchTask) -> tuple[datetime, float, float, int, int]:
    """Return the properties that two jobs must share to share a table."""
    horizon = space.horizon
    magnitude = (ceil(max(1.0, task.work_seconds / horizon.tick_seconds)) - 1).bit_length()
    return (
        horizon.begin,
        horizon.step_seconds,
        horizon.step_hours,
        resume_ticks(horizon, task),
        (magnitude + 1) // 2,
    )


def _group(space: SearchSpace, task: SearchTask, place: int) -> Group:
    """Return the task's window in whole steps and ticks of the step after, and its space."""
    horizon = space.horizon
    rest = min(task.end_seconds, horizon.end_seconds) - float(horizon.edges[1])
    ticks = max(0, int(rest / horizon.tick_seconds + _ROUNDING))
    steps, tail = divmod(ticks, horizon.ticks_per_step)
    return 1 + steps, tail, place


def _parts(jobs: Jobs, groups: dict[int, Group], members: list[int]) -> Iterator[list[int]]:
    """Yield the members in parts whose tables stay small; members of a group stay together."""
    longest = groups[members[0]][0]
    states = max(ceil(jobs[i][1].work_seconds / jobs[i][0].horizon.tick_seconds) for i in members)
    most = max(1, TABLE_ENTRIES // (2 * (states + 2) * longest))
    part: list[int] = []
    count = 0
    for _, alike in groupby(members, key=groups.__getitem__):
        if count == most:
            yield part
            part, count = [], 0
        part += alike
        count += 1
    yield part


def _solve_part(jobs: Jobs, groups: dict[int, Group], members: list[int]) -> Table:
    """Return the solved table of some jobs, given in the order of their groups."""
    distinct = list(dict.fromkeys(groups[index] for index in members))
    place = {group: number for number, group in enumerate(distinct)}
    group_of = {index: place[groups[index]] for index in members}
    horizon, first = jobs[members[0]][0].horizon, jobs[members[0]][1]
    works = {index: jobs[index][1].work_seconds / horizon.tick_seconds for index in members}
    fresh = sorted(
        {
            (group_of[index], ticks)
            for index, work in works.items()
            if not jobs[index][1].started
            for ticks in (max(1, int(work + _ROUNDING)), max(1, ceil(work - _ROUNDING)))
        }
    )
    resume = resume_ticks(horizon, first)
    values = solve(
        Problem(
            costs=_costs([jobs[group[2]][0] for group in distinct], distinct[0][0] + 1),
            ends=np.array([group[0] for group in distinct]),
            tails=np.array([group[1] for group in distinct]),
            work=max(1, *(ceil(work - _ROUNDING) for work in works.values())),
            step_hours=horizon.step_hours,
            ticks=horizon.ticks_per_step,
            resume_costs=np.zeros(len(distinct)),
            resume_ticks=resume,
            fresh_work=np.array([ticks for _, ticks in fresh], dtype=np.intp),
            fresh_groups=np.array([group for group, _ in fresh], dtype=np.intp),
        )
    )
    return Table(
        members=members,
        values=values,
        group_of=group_of,
        ends=[group[0] for group in distinct],
        fresh_place={entry: number for number, entry in enumerate(fresh)},
    )


def _costs(spaces: Sequence[SearchSpace], steps: int) -> Array:
    """Return the costs of each space's steps; one column where all groups share a space."""
    one = {id(space): space for space in spaces}
    columns = {key: _space_costs(space, steps) for key, space in one.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return np.concatenate([columns[id(space)] for space in spaces], axis=2)


def _space_costs(space: SearchSpace, steps: int) -> Array:
    """Return one space's costs, infeasible past its end."""
    horizon = space.horizon
    expected = horizon.costs[:steps].copy()
    if space.barred is not None:
        expected[space.barred[:steps]] = np.inf
    costs = np.full((steps, PLAIN + 1, 1), INFEASIBLE)
    costs[: len(expected)] = step_costs(
        expected[:, None], horizon.spread[: len(expected), None], floored=horizon.floored
    )
    return costs
