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

INFEASIBLE: Final = 1e15
"""Cost of what cannot be done; far above any real plan, far below overflow."""
PLAIN: Final = len(DEVIATIONS)
"""Row of the forecast taken as certain."""
ON, OFF = 0, 1

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Groups of jobs to be planned together.

    `costs` has the shape (steps, 6, groups or 1): what a step of running costs at each deviation
    and, last, as forecast. `ends` (groups) is the number of steps of each group's window. `work`
    is the largest number of steps of work. A resume costs `resume_costs` (groups) steps of energy
    at the step where it happens and puts `resume_steps` whole steps back on the work; use one of
    the two. `fresh_work` and `fresh_groups` list jobs that never ran: their first start is free.
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
    states = problem.work + problem.resume_steps + 1
    moves = chain(problem.step_hours).astype(problem.costs.dtype)
    values = np.full((PLAIN + 1, 2, states, groups), INFEASIBLE, dtype=problem.costs.dtype)
    values[:, :, 0] = 0.0
    ahead = values.copy()
    fresh = np.full((PLAIN + 1, len(problem.fresh_work)), INFEASIBLE, dtype=values.dtype)
    kept = steps if record else 0
    runs = np.zeros((kept, 2, states, groups), dtype=np.bool_)
    fresh_runs = np.zeros((kept, len(problem.fresh_work)), dtype=np.bool_)
    flat, flat_ahead = values.reshape(PLAIN + 1, -1), ahead.reshape(PLAIN + 1, -1)
    fresh_ends = problem.ends[problem.fresh_groups]
    for step in range(steps - 1, 0, -1):
        np.matmul(moves, flat, out=flat_ahead)
        waiting = moves @ fresh
        _step_back(problem, step, ahead, values, runs)
        cost = problem.costs[step]
        starting = ahead[:, ON, problem.fresh_work - 1, problem.fresh_groups] + (
            cost if cost.shape[1] == 1 else cost[:, problem.fresh_groups]
        )
        starting[:, fresh_ends <= step] = INFEASIBLE
        fresh = np.minimum(waiting, starting)
        if record:
            fresh_runs[step] = starting[PLAIN] <= waiting[PLAIN]
    seen = moves[[MIDDLE, PLAIN]]
    ahead = (seen @ flat).reshape(2, 2, states, groups)
    return Values(
        on=ahead[:, ON], off=ahead[:, OFF], fresh=seen @ fresh, runs=runs, fresh_runs=fresh_runs
    )


def _step_back(problem: Problem, step: int, ahead: Array, values: Array, runs: Bools) -> None:
    """Fill `values` of `step` from the expectation `ahead` of the step after it."""
    active = int(np.searchsorted(-problem.ends, -step, side="left"))
    if active == 0:
        return
    shift = problem.resume_steps
    top = min(values.shape[2] - 1, int(problem.ends[0]) - step)
    cost = problem.costs[step][:, None, :active]
    waiting = ahead[:, OFF, 1 : top + 1, :active]
    running = ahead[:, ON, 0:top, :active] + cost
    np.minimum(waiting, running, out=values[:, ON, 1 : top + 1, :active])
    if shift == 0:
        resuming = running + cost * problem.resume_costs[:active]
    else:
        resuming = np.full_like(running, INFEASIBLE)
        reach = min(top, values.shape[2] - shift)
        resuming[:, :reach] = ahead[:, ON, shift : shift + reach, :active] + cost
    np.minimum(waiting, resuming, out=values[:, OFF, 1 : top + 1, :active])
    if len(runs):
        runs[step, ON, 1 : top + 1, :active] = running[PLAIN] <= waiting[PLAIN]
        runs[step, OFF, 1 : top + 1, :active] = resuming[PLAIN] <= waiting[PLAIN]
