"""Decisions and stretches of running for jobs that may pause, read from the tables of values.

The step that contains the start may be shorter than the others: running in it does that much less
work, so the values of work left are read between whole ticks. A resume takes its time: it puts work
back, so time, energy and deadline agree (docs/explanation/planning.md#what-a-resume-costs).
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

import numpy as np

from lowtide.planning.horizon import Array, Horizon
from lowtide.planning.interruptible import OFF, ON
from lowtide.planning.search import (
    INFEASIBLE,
    TIE,
    Proposal,
    SearchSpace,
    SearchTask,
    stretch_total,
)
from lowtide.planning.tables import Table, resume_ticks, solve_tables

_ROUNDING: Final = 1e-9
_OUT_OF_REACH: Final = INFEASIBLE / 2


def search_interruptible(jobs: Sequence[tuple[SearchSpace, SearchTask]]) -> list[Proposal]:
    """Return for each job whether to run now, and the stretches that cost least as forecast.

    Nothing runs in a barred step.
    """
    proposals: dict[int, Proposal] = {}
    for table in solve_tables(jobs):
        for index in table.members:
            proposals[index] = _Reader(*jobs[index], table, index).propose()
    return [proposals[index] for index in range(len(jobs))]


class _Reader:
    """Reads one task's decision and stretches from a table. Work is in ticks."""

    def __init__(self, space: SearchSpace, task: SearchTask, table: Table, index: int) -> None:
        self.space, self.task, self.table = space, task, table
        self.horizon, self.values = space.horizon, table.values
        self.group = table.group_of[index]
        self.last = table.ends[self.group]
        self.tick = self.horizon.tick_seconds
        self.work = task.work_seconds / self.tick
        self.resume = resume_ticks(self.horizon, task) if task.resumes_at_begin else 0
        # The first step may be short; `rest` is what is left after running through it.
        self.first = float(self.horizon.edges[1]) / self.tick
        self.rest = max(0.0, self.work + self.resume - self.first)

    def propose(self) -> Proposal:
        """Return the decision and the plain plan that follows it."""
        run_cost, wait_cost = self._running(), self._waiting()
        go = run_cost < _OUT_OF_REACH and (
            wait_cost >= _OUT_OF_REACH or run_cost <= wait_cost + TIE * abs(run_cost)
        )
        if not go and wait_cost >= _OUT_OF_REACH:
            return Proposal(
                run=False, stretches=(), planned=INFEASIBLE, at_once=None, expected=INFEASIBLE
            )
        stretches = self._stretches(run=go)
        return Proposal(
            run=go,
            stretches=stretches,
            planned=stretch_total(self.horizon, stretches),
            at_once=self._at_once(),
            expected=min(run_cost, wait_cost) * self.tick,
        )

    def _running(self) -> float:
        """Return the decision's expected cost of running in the first step."""
        barred = self.space.barred
        if barred is not None and barred[0]:
            return INFEASIBLE
        # The forecast's deviation is zero at the start.
        now = float(self.horizon.costs[0]) * min(self.work + self.resume, self.first)
        return now + self._left(self.values.on, self.rest)

    def _left(self, table: Array, work: float) -> float:
        """Return the decision's expected cost of `work` ticks, read between whole ones."""
        low, high = int(work + _ROUNDING), ceil(work - _ROUNDING)
        below, above = float(table[0, low, self.group]), float(table[0, high, self.group])
        return above if above >= _OUT_OF_REACH else below + (work - low) * (above - below)

    def _waiting(self) -> float:
        """Return the decision's expected cost of not running now."""
        if self.task.started:
            return self._left(self.values.off, self.work)
        return min(self._waiting_for_steps(), self._late_start()[0])

    def _late_start(self) -> tuple[float, float]:
        """Return the cost of starting later within the first step, and how many ticks it runs.

        Only whole ticks at the end of the step are considered, as in the steps after it.
        """
        barred = self.space.barred
        if barred is not None and barred[0]:
            return INFEASIBLE, 0.0
        price = float(self.horizon.costs[0])
        options = [
            (price * used + self._left(self.values.on, self.work - used), used)
            for used in range(min(ceil(self.first - _ROUNDING), ceil(self.work)) - 1, 0, -1)
        ]
        return min(options, default=(INFEASIBLE, 0.0), key=lambda option: option[0])

    def _waiting_for_steps(self) -> float:
        """Return the expected cost of a job that never ran if it lets the first step pass."""
        low, high = max(1, int(self.work + _ROUNDING)), max(1, ceil(self.work - _ROUNDING))
        below = float(self.values.fresh[0, self.table.fresh_place[self.group, low]])
        above = float(self.values.fresh[0, self.table.fresh_place[self.group, high]])
        if above >= _OUT_OF_REACH:
            return above
        return below * self.work if self.work < 1 else below + (self.work - low) * (above - below)

    def _at_once(self) -> float | None:
        """Return the cost of an uninterrupted run from the start, `None` where it cannot be."""
        length = self.task.run_now_seconds
        horizon = self.horizon
        if length > horizon.end_seconds:
            return None
        room = self.space.room
        if room is not None and room.barred_seconds(np.zeros(1), length)[0] > 1e-6:
            return None
        return float(horizon.total(0.0, length))

    def _stretches(self, *, run: bool) -> tuple[tuple[float, float], ...]:
        """Return the plain plan that follows the decision, as intervals of running."""
        edges, values, last = self.horizon.edges.tolist(), self.values, self.last
        step, mode = 1, ON if run else OFF
        left = ceil((self.rest if run else self.work) - _ROUNDING)
        chosen = [(0.0, edges[1])] if run else []
        if not run and not self.task.started:
            step, first = self._first_stretch(max(1, left))
            chosen.append(first)
            step, mode, left = step + 1, ON, left - round((first[1] - first[0]) / self.tick)
        ticks, resume = self.horizon.ticks_per_step, resume_ticks(self.horizon, self.task)
        runs = values.runs[:, :, :, self.group]
        while left > 0 and step <= last:
            extra = 0 if mode == ON else resume
            if step == last or runs[step, mode, left]:
                used = min(ticks, left + extra)
                chosen.append((edges[step], edges[step] + used * self.tick))
                left, mode = left + extra - used, ON
            else:
                mode = OFF
            step += 1
        return _trimmed(self.horizon, self.task, chosen)

    def _first_stretch(self, work: int) -> tuple[int, tuple[float, float]]:
        """Return the step in which a job that never ran starts, and what it runs of it."""
        edges, place = self.horizon.edges, self.table.fresh_place[self.group, work]
        late, used = self._late_start()
        if late < self._waiting_for_steps() * (1 - TIE):
            return 0, (float(edges[1]) - used * self.tick, float(edges[1]))
        started = np.flatnonzero(self.values.first_runs[: self.last, place])
        if len(started) == 0:
            # The tail of the window is the last chance.
            start = float(edges[self.last])
            return self.last, (start, start + work * self.tick)
        step = int(started[0])
        end = float(edges[step]) + self.horizon.step_seconds
        start = end - int(self.values.first_runs[step, place]) * self.tick
        return step, (start, min(end, start + work * self.tick))


def _trimmed(
    horizon: Horizon, task: SearchTask, chosen: list[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """Return the stretches that `chosen` intervals join to, cut where work and resumes are done."""
    joined: list[tuple[float, float]] = []
    for start, end in chosen:
        if joined and start - joined[-1][1] < 1e-6 * horizon.tick_seconds:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    left, kept = task.work_seconds, []
    for place, (start, end) in enumerate(joined):
        resumes = task.started and not (task.running and start == 0.0) if place == 0 else True
        need = left + (task.resume_seconds if resumes else 0.0)
        kept.append((start, min(end, start + need)))
        left = need - (end - start)
        if left <= 1e-6:
            break
    return tuple(kept)
