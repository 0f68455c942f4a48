"""Values of running and of waiting for jobs that may pause, with the cost of every resume.

A backward dynamic programme over (step, work left, running or not, deviation of the forecast).
A step is a slot of the carbon data; work is counted in ticks, equal parts of a slot, so that work
and resumes that are no whole slots cost what they take. Jobs that see the same steps share one
table, whatever their remaining work; groups of jobs with other steps, ends or resume costs are a
further axis. Row `PLAIN` takes the forecast as certain: it gives the plan that is published, the
other rows give the decision.

Source: docs/explanation/planning.md#running-and-pausing. Costs
are in the unit of the objective times ticks.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from lowtide.planning.deviation import DEVIATIONS, MIDDLE, deviated, transition
from lowtide.planning.horizon import Array
from lowtide.planning.search import INFEASIBLE, Bools
from lowtide.planning.stopping import best_expected

PLAIN: Final = len(DEVIATIONS)
"""Row of the forecast taken as certain."""
ON, OFF = 0, 1

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Groups of jobs to be planned together.

    Groups come in the order of falling ends, fresh jobs (those that never ran: their first start
    is free and may lie on any tick) in the order of their groups. A resume costs energy
    (`resume_costs`) or time (`resume_ticks`), never both.
    """

    costs: Array
    """What a tick of running costs in a step at each deviation and, last, as forecast: (steps, 6,
    groups or 1)."""
    ends: Ints
    """Whole steps of each group's window (groups)."""
    work: int
    """The largest number of ticks of work."""
    step_hours: float
    """Hours that a step stands for."""
    resume_costs: Array
    """Ticks of energy that a resume costs in the step where it happens (groups)."""
    fresh_work: Ints
    """Ticks of work of each fresh job."""
    fresh_groups: Ints
    """Group of each fresh job."""
    resume_ticks: int = 0
    """Whole ticks that a resume puts back on the work."""
    ticks: int = 1
    """Ticks in a step."""
    tails: Ints | None = None
    """Ticks of the step after the whole ones that still belong to each group's window (groups)."""


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


def step_costs(expected: Array, spread: Array, *, floored: bool = True) -> Array:
    """Return the costs of steps for `Problem.costs`.

    `expected` and `spread` have the shape (steps, groups); infinite where a step is barred.
    `floored` is that of `deviated`.
    """
    barred = ~np.isfinite(expected)
    known = np.where(barred, 0.0, expected)
    costs = np.concatenate((deviated(known, spread, floored=floored), known[:, None, :]), axis=1)
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
    table = _Table(problem, record=record)
    for step in range(int(problem.ends[0]) - 1, 0, -1):
        table.step_back(step)
    fresh, first_runs = table.first_starts()
    body = table.expect(table.moves[[MIDDLE, PLAIN]])
    return Values(
        on=body[:, ON], off=body[:, OFF], fresh=fresh, runs=table.runs, first_runs=first_runs
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """Views into the buffers of a table: the states and groups that a step changes."""

    size: tuple[int, int]
    """States of work and groups that are open."""
    flat: Array
    """Values of the step after, by deviation."""
    ahead: Array
    """Their expectations, by deviation now."""
    expected: Array
    """What is left after running (6, work, groups)."""
    continued: Array
    """What running costs together with that (6, work, groups)."""
    used_ticks: Array
    """Ticks of a step that a state uses (work, 1)."""
    running: Array
    """`continued` for jobs that run and for jobs that resume (6, 2, work, groups)."""
    certain_running: Array
    """Its plain row."""
    waiting: Array
    """What not running costs either of them (6, 1, work, groups)."""
    certain_waiting: Array
    """Its plain row."""
    values: Array
    """Where the better of the two is written (6, 2, work, groups)."""


class _Table:
    """The values of one step, rewritten from the last step to the first.

    One flat array per deviation holds the states of all groups, so that a single product takes
    all expectations. Work of zero and less ticks comes first and costs nothing. States beyond the
    last one are padding that stays infeasible: resuming there would leave the table. What jobs
    that never ran could start with is only noted on the way, because nothing depends on it.
    """

    def __init__(self, problem: Problem, *, record: bool) -> None:
        groups, fresh = len(problem.ends), len(problem.fresh_work)
        ticks, kind, steps = problem.ticks, problem.costs.dtype, int(problem.ends[0])
        self.problem = problem
        self.moves = chain(problem.step_hours).astype(kind)
        self.states = problem.work + problem.resume_ticks + 1
        self.zero = ticks - 1
        padded = self.zero + self.states + problem.resume_ticks
        # Where windows end at different times the groups that are still closed lie behind the open
        # ones and are left out of every product; where they all end together, groups lie closest.
        self.by_group = problem.ends[0] != problem.ends[-1]
        self.flat = np.full((PLAIN + 1, 2 * padded * groups), INFEASIBLE, dtype=kind)
        self.ahead = np.zeros_like(self.flat)
        self.values, self.expected = (self._states(one, padded) for one in (self.flat, self.ahead))
        self.values[:, :, : self.zero + 1] = 0.0
        most = self.states - 1 + problem.resume_ticks
        # Whole ticks of resuming only shift the work, so that one row of costs serves both modes.
        rows = 1 if problem.resume_ticks else 2
        self.running = self._states(np.empty((PLAIN + 1, rows * most * groups), kind), most)
        # What is left may be less than a step.
        self.used_ticks = np.minimum(ticks, np.arange(1, most + 1))[:, None].astype(kind)
        self.shared = problem.costs.shape[2] == 1
        prices = problem.costs[:, :, None]
        if self.shared and ticks > 1:
            prices = prices * self.used_ticks
        self.prices = prices
        moves = np.zeros((steps if record else 0, 2 * self.states * groups), dtype=np.bool_)
        self.runs = self._states(moves, self.states)
        # Ends fall from group to group, so the groups whose window is open are always the first.
        every = np.arange(steps)
        active = np.searchsorted(-problem.ends, -every, side="left").tolist()
        # Near the end only little work can still be done; a few sizes of views serve all steps.
        stride = ticks * -(-self.states // (4 * ticks))
        feasible = stride * -(-(steps - every + 1) * ticks // stride)
        tops = np.minimum(self.states - 1, feasible).tolist()
        self.sizes = list(zip(tops, active, strict=True))
        # A first start may use the last 1 to `ticks` ticks of a step; the longest comes first.
        self.used = np.minimum(np.arange(ticks, 0, -1)[:, None], problem.fresh_work)
        left = self.zero + problem.fresh_work - self.used
        self.started = (
            left + problem.fresh_groups * 2 * padded
            if self.by_group
            else left * groups + problem.fresh_groups
        )
        self.starting = np.full((steps, PLAIN + 1, ticks, fresh), INFEASIBLE, dtype=kind)
        self.closed = np.full((PLAIN + 1, fresh), INFEASIBLE, dtype=kind)
        self.window: _Window | None = None
        self._close_windows()

    def _states(self, flat: npt.NDArray[Any], work: int) -> npt.NDArray[Any]:
        """Return a view of flat rows as (rows, modes, work, groups)."""
        groups = len(self.problem.ends)
        modes = flat.shape[1] // (work * groups)
        if self.by_group:
            return flat.reshape(len(flat), groups, modes, work).transpose(0, 2, 3, 1)
        return flat.reshape(len(flat), modes, work, groups)

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
            self.closed[:, ours] = cost[:, None] * problem.fresh_work[ours]

    def _open(self, top: int, active: int) -> _Window:
        """Return the views of the states with up to `top` ticks of work, of the first groups."""
        shift, first, groups = self.problem.resume_ticks, self.zero + 1, len(self.problem.ends)
        running = self.running[:, :, : top + shift, :active]
        if shift:
            by_deviation, _, by_work, by_group = running.strides
            strides = (by_deviation, shift * by_work, by_work, by_group)
            running = as_strided(running, (PLAIN + 1, 2, top, active), strides)
        columns = self.flat.shape[1] * active // groups if self.by_group else None
        waiting = self.expected[:, None, OFF, first : first + top, :active]
        return _Window(
            size=(top, active),
            flat=self.flat[:, :columns],
            ahead=self.ahead[:, :columns],
            expected=self.expected[:, ON, : top + shift, :active],
            continued=self.running[:, 0, : top + shift, :active],
            used_ticks=self.used_ticks[: top + shift],
            running=running,
            certain_running=running[PLAIN],
            waiting=waiting,
            certain_waiting=waiting[PLAIN],
            values=self.values[:, :, first : first + top, :active],
        )

    def step_back(self, step: int) -> None:
        """Replace the values of the step after `step` by those of `step`."""
        problem = self.problem
        if self.window is None or self.window.size != self.sizes[step]:
            self.window = self._open(*self.sizes[step])
        window, (top, active) = self.window, self.sizes[step]
        # The product of whole arrays has less to prepare.
        multiply = np.matmul if self.by_group else np.dot
        multiply(self.moves, window.flat, out=window.ahead)
        prices = self.prices[step, :, : len(window.used_ticks), :active]
        if problem.ticks > 1 and not self.shared:
            prices = np.multiply(prices, window.used_ticks, out=window.continued)
        np.add(prices, window.expected, out=window.continued)
        if problem.resume_ticks == 0:
            resume = problem.costs[step][:, None, :active] * problem.resume_costs[:active]
            np.add(window.continued, resume, out=window.running[:, OFF])
        np.minimum(window.waiting, window.running, out=window.values)
        if len(self.runs):
            moves = self.runs[step, :, 1 : top + 1, :active]
            np.less_equal(window.certain_running, window.certain_waiting, out=moves)
        self.ahead.take(self.started, axis=1, out=self.starting[step], mode="clip")

    def expect(self, moves: Array) -> Array:
        """Return the expectations of the values now, as (rows of moves, modes, work, groups)."""
        padded = self.values.shape[2]
        return self._states(moves @ self.flat, padded)[:, :, self.zero : self.zero + self.states]

    def first_starts(self) -> tuple[Array, npt.NDArray[np.uint16]]:
        """Return what jobs that never ran expect to pay, and when the plain plan starts them.

        Their first start is free. The costs have the shape (2, jobs), the starts (steps, jobs):
        how many ticks at the end of the step a first start uses, 0 for none.
        """
        problem, steps = self.problem, len(self.starting)
        costs = problem.costs[:steps]
        price = costs if self.shared else costs[:, :, problem.fresh_groups]
        self.starting += price[:, :, None] * self.used
        cheapest = self.starting.min(axis=2).transpose(1, 0, 2)
        place = np.arange(steps)[:, None]
        ends = problem.ends[problem.fresh_groups]
        starts = np.full((PLAIN + 1, steps + 1, len(ends)), INFEASIBLE, dtype=costs.dtype)
        starts[:, :steps] = np.where((place > 0) & (place < ends), cheapest, INFEASIBLE)
        starts[:, ends, np.arange(len(ends))] = self.closed
        expected = best_expected(starts[:PLAIN], problem.step_hours)[MIDDLE]
        # What is certain needs no expectation: the best of all later starts.
        waits = np.minimum.accumulate(starts[PLAIN, ::-1])[::-1]
        used = np.take_along_axis(self.used, np.argmin(self.starting[:, PLAIN], axis=1), axis=0)
        go = (starts[PLAIN, :-1] <= waits[1:]) & (starts[PLAIN, :-1] < INFEASIBLE)
        first_runs = np.where(go, used, 0)
        return np.stack((expected, waits[0])), np.asarray(first_runs, dtype=np.uint16)
