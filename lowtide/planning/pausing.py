"""Jobs that may pause: decisions and stretches of running out of the tables of values.

The step that contains the begin may be shorter than the others: running in it does that much
less work, so the values of work left are read between whole steps. A resume takes its time:
it puts work back, so time, energy and deadline agree (planning paper, section 2.2).
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil
from typing import Final

import numpy as np

from lowtide.planning.horizon import Array, Horizon
from lowtide.planning.interruptible import OFF, ON, Problem, Values, solve, step_costs
from lowtide.planning.search import (
    INFEASIBLE,
    TIE,
    Bools,
    Proposal,
    Task,
    barred_integral,
    stretch_total,
)

TABLE_ENTRIES: Final = 30_000_000
"""Bound on the entries of one table of moves; more groups are solved one part after another."""

_ROUNDING: Final = 1e-9


def search_interruptible(
    horizon: Horizon, tasks: Sequence[Task], barred: Bools | None = None
) -> list[Proposal]:
    """Return for each task whether to run now, and the stretches that cost least as forecast.

    `barred` (one per step of the horizon) marks steps in which nothing may run.
    """
    expected = horizon.grams_per_kwh.copy()
    if barred is not None:
        expected[barred] = np.inf
    costs = step_costs(expected[:, None], horizon.spread[:, None])
    proposals: dict[int, Proposal] = {}
    for members in _tables(horizon, tasks):
        proposals |= _search_table(horizon, tasks, members, costs, barred)
    return [proposals[index] for index in range(len(tasks))]


def _tables(horizon: Horizon, tasks: Sequence[Task]) -> Iterator[list[int]]:
    """Return the tasks that share a table: same resume cost, work of the same magnitude."""

    def kind(index: int) -> tuple[int, int]:
        work = max(1, ceil(tasks[index].work_seconds / horizon.step_seconds))
        return _resume_steps(horizon, tasks[index]), (work - 1).bit_length()

    order = sorted(range(len(tasks)), key=lambda i: (kind(i), -_window_steps(horizon, tasks[i])))
    for (resume, magnitude), members in groupby(order, key=kind):
        states = (1 << magnitude) + resume + 1
        most = max(1, TABLE_ENTRIES // (2 * states * len(horizon.grams_per_kwh)))
        part: list[int] = []
        ends: set[int] = set()
        for index in members:
            end = _window_steps(horizon, tasks[index])
            if end not in ends and len(ends) == most:
                yield part
                part, ends = [], set()
            ends.add(end)
            part.append(index)
        yield part


def _resume_steps(horizon: Horizon, task: Task) -> int:
    return ceil(task.resume_seconds / horizon.step_seconds - _ROUNDING)


def _window_steps(horizon: Horizon, task: Task) -> int:
    """Return how many steps of the horizon lie wholly in the task's window, the first included."""
    end = min(task.end_seconds, horizon.end_seconds)
    rest = (end - horizon.edges[1]) / horizon.step_seconds
    return 1 + max(0, int(rest + _ROUNDING))


def _search_table(
    horizon: Horizon,
    tasks: Sequence[Task],
    members: list[int],
    costs: Array,
    barred: Bools | None,
) -> dict[int, Proposal]:
    """Return the proposals of tasks that share one table, by index."""
    windows = [_window_steps(horizon, tasks[i]) for i in members]
    ends = sorted(set(windows), reverse=True)
    group = {end: place for place, end in enumerate(ends)}
    works = [tasks[i].work_seconds / horizon.step_seconds for i in members]
    fresh = sorted(
        {
            (group[window], steps)
            for i, window, work in zip(members, windows, works, strict=True)
            if not tasks[i].started
            for steps in (max(1, int(work + _ROUNDING)), max(1, ceil(work - _ROUNDING)))
        }
    )
    values = solve(
        Problem(
            costs=costs[: ends[0]],
            ends=np.array(ends),
            work=max(1, *(ceil(work - _ROUNDING) for work in works)),
            step_hours=horizon.step_hours,
            resume_costs=np.zeros(len(ends)),
            resume_steps=_resume_steps(horizon, tasks[members[0]]),
            fresh_work=np.array([steps for _, steps in fresh], dtype=np.intp),
            fresh_groups=np.array([place for place, _ in fresh], dtype=np.intp),
        )
    )
    places = {entry: place for place, entry in enumerate(fresh)}
    blocked = barred_integral(horizon, barred)
    return {
        i: _Reader(horizon, tasks[i], values, group[window], places, costs, blocked).propose()
        for i, window in zip(members, windows, strict=True)
    }


class _Reader:
    """Reads one task's decision and stretches from a table."""

    def __init__(
        self,
        horizon: Horizon,
        task: Task,
        values: Values,
        group: int,
        fresh: dict[tuple[int, int], int],
        costs: Array,
        blocked: Array | None,
    ) -> None:
        self.horizon, self.task, self.values, self.group = horizon, task, values, group
        self.fresh, self.costs, self.blocked = fresh, costs, blocked
        self.step = horizon.step_seconds
        self.work = task.work_seconds / self.step
        self.resume = _resume_steps(horizon, task) if task.started and not task.running else 0
        # What is left after running through the first step, which may be short.
        self.rest = max(0.0, self.work + self.resume - float(horizon.edges[1]) / self.step)

    def propose(self) -> Proposal:
        first = min(self.work + self.resume, float(self.horizon.edges[1]) / self.step)
        # Deviation zero: the first step costs what the forecast says in both rows.
        run_cost = float(self.costs[0, -1, 0]) * first + self._left(self.values.on, self.rest)
        wait_cost = self._waiting()
        go = run_cost < INFEASIBLE / 2 and (
            wait_cost >= INFEASIBLE / 2 or run_cost <= wait_cost + TIE * abs(run_cost)
        )
        if not go and wait_cost >= INFEASIBLE / 2:
            return Proposal(run=False, stretches=(), planned=INFEASIBLE, at_once=None)
        stretches = self._stretches(run=go)
        return Proposal(
            run=go,
            stretches=stretches,
            planned=stretch_total(self.horizon, stretches),
            at_once=self._at_once(),
        )

    def _left(self, table: Array, work: float) -> float:
        """Return the decision's expected cost of `work` steps, read between whole steps."""
        low, high = int(work + _ROUNDING), ceil(work - _ROUNDING)
        below, above = float(table[0, low, self.group]), float(table[0, high, self.group])
        return above if above >= INFEASIBLE / 2 else below + (work - low) * (above - below)

    def _waiting(self) -> float:
        """Return the decision's expected cost of not running in the first step."""
        if self.task.started:
            return self._left(self.values.off, self.work)
        low, high = max(1, int(self.work + _ROUNDING)), max(1, ceil(self.work - _ROUNDING))
        below = float(self.values.fresh[0, self.fresh[self.group, low]])
        above = float(self.values.fresh[0, self.fresh[self.group, high]])
        if above >= INFEASIBLE / 2:
            return above
        return below * self.work if self.work < 1 else below + (self.work - low) * (above - below)

    def _at_once(self) -> float | None:
        """Return the cost of an uninterrupted run from the begin, `None` where it cannot be."""
        length = self.task.run_now_seconds
        horizon = self.horizon
        if length > horizon.end_seconds:
            return None
        if self.blocked is not None and np.interp(length, horizon.edges, self.blocked) > 0:
            return None
        return float(horizon.total(0.0, length))

    def _stretches(self, *, run: bool) -> tuple[tuple[float, float], ...]:
        """Return the plain plan that follows the decision, as intervals of running."""
        steps = self._plain_steps(run=run)
        return _trimmed(self.horizon, self.task, steps)

    def _plain_steps(self, *, run: bool) -> list[int]:
        """Return the steps in which the plain plan runs."""
        values, group = self.values, self.group
        count = len(values.runs)
        chosen = [0] if run else []
        step, mode = 1, ON if run else OFF
        left = ceil((self.rest if run else self.work) - _ROUNDING)
        if not run and not self.task.started:
            place = self.fresh[group, max(1, left)]
            step = 1 + int(np.argmax(values.fresh_runs[1:, place]))
            chosen.append(step)
            step, mode, left = step + 1, ON, left - 1
        resume = _resume_steps(self.horizon, self.task)
        runs = values.runs[:, :, :, group]
        while left > 0 and step < count:
            if runs[step, mode, left]:
                chosen.append(step)
                left -= 1 if mode == ON else 1 - resume
                mode = ON
            else:
                mode = OFF
            step += 1
        return chosen


def _trimmed(horizon: Horizon, task: Task, steps: list[int]) -> tuple[tuple[float, float], ...]:
    """Return stretches over `steps`, cut where work and resumes are done."""
    bounds: list[list[float]] = []
    for step in steps:
        start, end = float(horizon.edges[step]), float(horizon.edges[step] + horizon.step_seconds)
        end = float(horizon.edges[step + 1]) if step == 0 else end
        if bounds and abs(bounds[-1][1] - start) < _ROUNDING * horizon.step_seconds + 1e-6:
            bounds[-1][1] = end
        else:
            bounds.append([start, end])
    left, kept = task.work_seconds, []
    for place, (start, end) in enumerate(bounds):
        resumes = task.started and not (task.running and start == 0.0) if place == 0 else True
        extra = task.resume_seconds if resumes else 0.0
        need = left + extra
        kept.append((start, min(end, start + need)))
        left = need - (end - start)
        if left <= 1e-6:
            break
    return tuple(kept)
