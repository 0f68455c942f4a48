"""Jobs that may pause: the value of running and of waiting, with the cost of every resume.

A backward dynamic programme over (step, work left, running or not, deviation of the forecast).
A step is a slot of the carbon data; work is counted in ticks, equal parts of a slot, so that work
and resumes that are no whole slots cost what they take. Jobs that see the same steps share one
table, whatever their remaining work; groups of jobs with other steps, ends or resume costs are a
further axis. Row `PLAIN` takes the forecast as certain: it gives the plan that is published, the
other rows give the decision.

Source: planning paper, sections 2.2 and 2.4. Costs are in g/kWh times ticks.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.planning.deviation import DEVIATIONS, MIDDLE, deviated, transition
from lowtide.planning.horizon import Array
from lowtide.planning.search import INFEASIBLE, Bools

PLAIN: Final = len(DEVIATIONS)
"""Row of the forecast taken as certain."""
ON, OFF = 0, 1

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Groups of jobs to be planned together.

    `costs` has the shape (steps, 6, groups or 1): what a tick of running costs in a step at each
    deviation and, last, as forecast. A step has `ticks` ticks. `ends` (groups) is the number of
    whole steps of each group's window, `tails` (groups) the ticks of the step after them that
    still belong to it. `work` is the largest number of ticks of work. A resume costs
    `resume_costs` (groups) ticks of energy at the step where it happens and puts `resume_ticks`
    whole ticks back on the work; use one of the two. `fresh_work` and `fresh_groups` list jobs
    that never ran: their first start is free and may lie on any tick. Groups come in the order of
    falling ends, fresh jobs in the order of their groups.
    """

    costs: Array
    ends: Ints
    work: int
    step_hours: float
    resume_costs: Array
    fresh_work: Ints
    fresh_groups: Ints
    resume_ticks: int = 0
    ticks: int = 1
    tails: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Expected cost of what is left, seen from the first step, after that step.

    `on`, `off` (2 rows: decision and plain; work + 1; groups) for jobs that started before and
    run or rest in the first step; `fresh` (2; jobs) for jobs that never ran. `runs` says by step
    (entry 0 is not used) whether the plain plan runs; `first_runs` how many ticks at the end of
    the step a job that never ran runs in it, 0 where it goes on waiting.
    """

    on: Array
    off: Array
    fresh: Array
    runs: Bools
    first_runs: npt.NDArray[np.uint16]


def step_costs(expected: Array, spread: Array) -> Array:
    """Return the costs of steps for `Problem.costs`.

    `expected` and `spread` have the shape (steps, groups), in g/kWh; infinite where a step is
    barred.
    """
    barred = ~np.isfinite(expected)
    known = np.where(barred, 0.0, expected)
    costs = np.concatenate((deviated(known, spread), known[:, None, :]), axis=1)
    costs[np.broadcast_to(barred[:, None, :], costs.shape)] = INFEASIBLE
    return costs


def chain(step_hours: float) -> Array:
    """Return the transition matrix of all rows; the plain row keeps to itself."""
    matrix = np.zeros((PLAIN + 1, PLAIN + 1))
    matrix[:PLAIN, :PLAIN] = transition(step_hours)
    matrix[PLAIN, PLAIN] = 1.0
    return matrix


def solve(problem: Problem, *, record: bool = True) -> Values:
    """Return the expected costs after the first step, and the plain plan's moves if recorded."""
    groups = len(problem.ends)
    table = _Table(problem, record=record)
    for step in range(int(problem.ends[0]) - 1, 0, -1):
        table.step_back(step)
    seen = table.moves[[MIDDLE, PLAIN]] @ table.flat
    body = seen[:, : table.body].reshape(2, 2, -1, groups)
    body = body[:, :, table.zero : table.zero + table.states]
    return Values(
        on=body[:, ON],
        off=body[:, OFF],
        fresh=seen[:, table.body :],
        runs=table.runs,
        first_runs=table.first_runs(),
    )


class _Table:
    """The values of one step, rewritten from the last step to the first.

    One flat array per deviation holds the states of all groups and, behind them, the jobs that
    never ran, so that a single product takes all expectations. Work of zero and less ticks comes
    first and costs nothing. States beyond the last one are padding that stays infeasible:
    resuming there would leave the table.
    """

    def __init__(self, problem: Problem, *, record: bool) -> None:
        groups, fresh = len(problem.ends), len(problem.fresh_work)
        ticks, kind = problem.ticks, problem.costs.dtype
        steps = int(problem.ends[0]) if record else 0
        self.problem = problem
        self.moves = chain(problem.step_hours).astype(kind)
        self.states = problem.work + problem.resume_ticks + 1
        self.zero = ticks - 1
        padded = self.zero + self.states + problem.resume_ticks
        self.body = 2 * padded * groups
        self.flat = np.full((PLAIN + 1, self.body + fresh), INFEASIBLE, dtype=kind)
        self.ahead = np.empty_like(self.flat)
        self.values = self.flat[:, : self.body].reshape(PLAIN + 1, 2, padded, groups)
        self.expected = self.ahead[:, : self.body].reshape(PLAIN + 1, 2, padded, groups)
        self.values[:, :, : self.zero + 1] = 0.0
        self.runs = np.zeros((steps, 2, self.states, groups), dtype=np.bool_)
        self.first_costs = np.full((steps, ticks, fresh), INFEASIBLE, dtype=kind)
        self.first_waits = np.zeros((steps, fresh), dtype=kind)
        every = np.arange(int(problem.ends[0]) + 1)
        # Ends fall from group to group, so the groups whose window is open are always the first.
        self.active = np.searchsorted(-problem.ends, -every, side="left").tolist()
        fresh_ends = problem.ends[problem.fresh_groups]
        self.fresh_active = np.searchsorted(-fresh_ends, -every, side="left").tolist()
        self.shared = problem.costs.shape[2] == 1
        # A first start may use the last 1 to `ticks` ticks of a step; the longest comes first.
        self.used = np.minimum(np.arange(ticks, 0, -1)[:, None], problem.fresh_work)
        self.started = (self.zero + problem.fresh_work - self.used) * groups
        self.started += problem.fresh_groups
        self.missing = np.arange(ticks - 1, 0, -1)[:, None]
        self.step_costs = problem.costs * ticks
        self._close_windows()

    def _close_windows(self) -> None:
        """Enter what may still run in the part of a step at the end of a window."""
        problem, tails = self.problem, self.problem.tails
        if tails is None:
            return
        for group in np.flatnonzero(tails):
            tail, end = int(tails[group]), int(problem.ends[group])
            cost = problem.costs[end][:, 0 if self.shared else group]
            priced = cost[:, None] * np.arange(1, tail + 1)
            room = min(tail, self.states - 1)
            self.values[:, ON, self.zero + 1 : self.zero + 1 + room, group] = priced[:, :room]
            resumed = priced[:, problem.resume_ticks :][:, :room]
            to = self.zero + 1 + resumed.shape[1]
            self.values[:, OFF, self.zero + 1 : to, group] = resumed
            ours = (problem.fresh_groups == group) & (problem.fresh_work <= tail)
            self.flat[:, self.body + np.flatnonzero(ours)] = (
                cost[:, None] * problem.fresh_work[ours]
            )

    def step_back(self, step: int) -> None:
        """Replace the values of the step after `step` by those of `step`."""
        problem, zero = self.problem, self.zero
        np.matmul(self.moves, self.flat, out=self.ahead)
        active, shift = self.active[step], problem.resume_ticks
        top = min(self.states - 1, (int(problem.ends[0]) - step + 1) * problem.ticks)
        cost, step_cost = problem.costs[step], self.step_costs[step]
        price = cost[:, None] if self.shared else cost[:, None, :active]
        step_price = step_cost[:, None] if self.shared else step_cost[:, None, :active]
        waiting = self.expected[:, OFF, zero + 1 : zero + top + 1, :active]
        running = self.expected[:, ON, : top + shift, :active] + step_price
        if zero:
            running[:, :zero] -= price * self.missing[: running.shape[1]]
        resuming = running[:, shift:]
        if shift == 0:
            resuming = running + price * problem.resume_costs[:active]
        running = running[:, :top]
        values = self.values[:, :, zero + 1 : zero + top + 1, :active]
        np.minimum(waiting, running, out=values[:, ON])
        np.minimum(waiting, resuming, out=values[:, OFF])
        if len(self.runs):
            moves = self.runs[step, :, 1 : top + 1, :active]
            np.less_equal(running[PLAIN], waiting[PLAIN], out=moves[ON])
            np.less_equal(resuming[PLAIN], waiting[PLAIN], out=moves[OFF])
        self._first_starts(step, cost)

    def _first_starts(self, step: int, cost: Array) -> None:
        """Do the same for jobs that never ran: their first start is free."""
        count = self.fresh_active[step]
        if count == 0:
            return
        price = cost if self.shared else cost[:, self.problem.fresh_groups[:count]]
        starting = self.ahead.take(self.started[:, :count], axis=1)
        starting += price[:, None] * self.used[:, :count]
        waiting = self.ahead[:, self.body : self.body + count]
        np.minimum(waiting, starting.min(axis=1), out=self.flat[:, self.body : self.body + count])
        if len(self.runs):
            self.first_costs[step, :, :count] = starting[PLAIN]
            self.first_waits[step, :count] = waiting[PLAIN]

    def first_runs(self) -> npt.NDArray[np.uint16]:
        """Return how many ticks at the end of each step a first start would use, 0 for none."""
        starts = self.first_costs.min(axis=1) <= self.first_waits
        option = np.argmin(self.first_costs, axis=1)
        used = np.take_along_axis(self.used, option, axis=0) if len(option) else option
        return np.asarray(np.where(starts, used, 0), dtype=np.uint16)
