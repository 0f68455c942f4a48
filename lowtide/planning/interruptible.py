"""Jobs that may pause: the value of running and of waiting, with the cost of every resume.

A backward dynamic programme over (step, work left, running or not, deviation of the forecast).
Jobs that see the same steps share one table, whatever their remaining work; groups of jobs with
other steps, ends or resume costs are a further axis. Row `PLAIN` takes the forecast as certain:
it gives the plan that is published, the other rows give the decision.

Source: planning paper, sections 2.2 and 2.4. Costs are in g/kWh times steps.
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

    `costs` has the shape (steps, 6, groups or 1): what a step of running costs at each deviation
    and, last, as forecast. `ends` (groups) is the number of steps of each group's window. `work`
    is the largest number of steps of work. A resume costs `resume_costs` (groups) steps of energy
    at the step where it happens and puts `resume_steps` whole steps back on the work; use one of
    the two. `fresh_work` and `fresh_groups` list jobs that never ran: their first start is free.
    Groups come in the order of falling ends, fresh jobs in the order of their groups.
    """

    costs: Array
    ends: Ints
    work: int
    step_hours: float
    resume_costs: Array
    resume_steps: int = 0
    fresh_work: Ints
    fresh_groups: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Expected cost of what is left, seen from the first step, after that step.

    `on`, `off` (2 rows: decision and plain; work + 1; groups) for jobs that started before and
    run or rest in the first step; `fresh` (2; jobs) for jobs that never ran. `runs` and
    `fresh_runs`, indexed by step (entry 0 is not used), say what the plain plan does.
    """

    on: Array
    off: Array
    fresh: Array
    runs: Bools
    fresh_runs: Bools


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
    steps, groups = len(problem.costs), len(problem.ends)
    table = _Table(problem, recorded=steps if record else 0)
    for step in range(steps - 1, 0, -1):
        table.step_back(step)
    seen = table.moves[[MIDDLE, PLAIN]] @ table.flat
    body = seen[:, : table.body].reshape(2, 2, -1, groups)[:, :, : table.states]
    return Values(
        on=body[:, ON],
        off=body[:, OFF],
        fresh=seen[:, table.body :],
        runs=table.runs,
        fresh_runs=table.fresh_runs,
    )


class _Table:
    """The values of one step, rewritten from the last step to the first.

    One flat array per deviation holds the states of all groups and, behind them, the jobs that
    never ran, so that a single product takes all expectations. States beyond the last one are
    padding that stays infeasible: resuming there would leave the table.
    """

    def __init__(self, problem: Problem, recorded: int) -> None:
        groups, fresh = len(problem.ends), len(problem.fresh_work)
        kind = problem.costs.dtype
        self.problem = problem
        self.moves = chain(problem.step_hours).astype(kind)
        self.states = problem.work + problem.resume_steps + 1
        padded = self.states + problem.resume_steps
        self.body = 2 * padded * groups
        self.flat = np.full((PLAIN + 1, self.body + fresh), INFEASIBLE, dtype=kind)
        self.ahead = np.empty_like(self.flat)
        self.values = self.flat[:, : self.body].reshape(PLAIN + 1, 2, padded, groups)
        self.expected = self.ahead[:, : self.body].reshape(PLAIN + 1, 2, padded, groups)
        self.values[:, :, 0] = 0.0
        self.runs = np.zeros((recorded, 2, self.states, groups), dtype=np.bool_)
        self.fresh_runs = np.zeros((recorded, fresh), dtype=np.bool_)
        every = np.arange(len(problem.costs))
        # Ends fall from group to group, so the groups whose window is open are always the first.
        self.active = np.searchsorted(-problem.ends, -every, side="left").tolist()
        fresh_ends = problem.ends[problem.fresh_groups]
        self.fresh_active = np.searchsorted(-fresh_ends, -every, side="left").tolist()
        # The place of "running, one step of work less" of each job that never ran.
        self.started = (problem.fresh_work - 1) * groups + problem.fresh_groups
        self.shared = problem.costs.shape[2] == 1
        self.longest = int(problem.ends[0])

    def step_back(self, step: int) -> None:
        """Replace the values of the step after `step` by those of `step`."""
        problem, expected, values = self.problem, self.expected, self.values
        np.matmul(self.moves, self.flat, out=self.ahead)
        active, shift = self.active[step], problem.resume_steps
        top = min(self.states - 1, self.longest - step)
        cost = problem.costs[step]
        price = cost[:, None] if self.shared else cost[:, None, :active]
        waiting = expected[:, OFF, 1 : top + 1, :active]
        running = expected[:, ON, : top + shift, :active] + price
        resuming = running[:, shift:]
        if shift == 0:
            resuming = running + price * problem.resume_costs[:active]
        running = running[:, :top]
        np.minimum(waiting, running, out=values[:, ON, 1 : top + 1, :active])
        np.minimum(waiting, resuming, out=values[:, OFF, 1 : top + 1, :active])
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
        starting = self.ahead.take(self.started[:count], axis=1)
        starting += cost if self.shared else cost[:, self.problem.fresh_groups[:count]]
        waiting = self.ahead[:, self.body : self.body + count]
        np.minimum(waiting, starting, out=self.flat[:, self.body : self.body + count])
        if len(self.runs):
            np.less_equal(starting[PLAIN], waiting[PLAIN], out=self.fresh_runs[step, :count])
