"""Replay of the planner over a trace: every slot decides afresh, for all jobs of a class at once.

This is the decision of `lowtide.planning.planner` without minimum saving, guard margins and
capacity, vectorised over the jobs that were submitted at different times of one trace. Jobs that
are equally far into their windows share one table. Source:
docs/explanation/planning.md#how-policies-are-compared.
"""

import numpy as np
import numpy.typing as npt

from lowtide.backtest.trace import Ints, Views
from lowtide.grid.analysis import Array
from lowtide.planning.interruptible import ON, PLAIN, Problem, solve, step_costs
from lowtide.planning.search import TIE
from lowtide.planning.stopping import value_of_waiting, window_costs

Bools = npt.NDArray[np.bool_]


def contiguous(views: Views, submissions: Ints, length: int, slack: int, hours: float) -> Bools:
    """Return the schedules of jobs that run in one piece, as (jobs, slots of the window)."""
    starts = np.full(len(submissions), slack)
    waiting = np.arange(len(submissions))
    for waited in range(slack):
        rows = submissions[waiting] + waited - views.first
        ahead = length + slack - waited
        windows = window_costs(
            views.expected[rows, :ahead].T,
            views.spread[rows, :ahead].T,
            length,
            hours,
            floored=views.floored,
        )
        at_once = windows[0, PLAIN // 2]
        go = at_once <= value_of_waiting(windows, hours) + TIE * np.abs(at_once)
        starts[waiting[go]] = waited
        waiting = waiting[~go]
        if len(waiting) == 0:
            break
    slots = np.arange(length + slack)
    return (slots >= starts[:, None]) & (slots < starts[:, None] + length)


def interruptible(
    views: Views,
    submissions: Ints,
    length: int,
    slack: int,
    hours: float,
    *,
    resume_slots: float,
) -> Bools:
    """Return the schedules of jobs that may pause, as (jobs, slots of the window).

    A resume costs `resume_slots` slots of energy and takes no time.
    """
    jobs = len(submissions)
    ran = np.zeros((jobs, length + slack), dtype=np.bool_)
    left = np.full(jobs, length)
    running = np.zeros(jobs, dtype=np.bool_)
    for passed in range(length + slack):
        alive = np.flatnonzero(left > 0)
        if len(alive) == 0:
            break
        ahead = length + slack - passed
        rows = submissions[alive] + passed - views.first
        work, was_on, fresh = left[alive], running[alive], left[alive] == length
        group = np.arange(len(alive))
        problem = Problem(
            costs=step_costs(
                views.expected[rows, :ahead].T,
                views.spread[rows, :ahead].T,
                floored=views.floored,
            ),
            ends=np.full(len(alive), ahead),
            work=length,
            step_hours=hours,
            resume_costs=np.full(len(alive), resume_slots),
            fresh_work=np.full(int(fresh.sum()), length),
            fresh_groups=group[fresh],
        )
        values = solve(problem, record=False)
        resume = resume_slots * (~fresh & ~was_on)
        run_cost = views.expected[rows, 0] * (1 + resume) + values.on[0, work - 1, group]
        wait_cost = values.off[0, work, group]
        wait_cost[fresh] = values.fresh[0]
        go = (run_cost <= wait_cost + TIE * np.abs(run_cost)) | (ahead - 1 < work)
        ran[alive, passed] = go
        left[alive] -= go
        running[alive] = go
    return ran


def optimum(
    actual: Array, submissions: Ints, length: int, slack: int, *, resume_slots: float
) -> Bools:
    """Return the schedules of jobs that may pause and know the actuals: the best possible."""
    jobs, window = len(submissions), length + slack
    known = actual[submissions[:, None] + np.arange(window)].T
    # One free step in front: the table holds what follows the first step, all are wanted here.
    known = np.concatenate((np.zeros((1, jobs)), known))
    group = np.arange(jobs)
    values = solve(
        Problem(
            costs=step_costs(known, np.zeros_like(known), floored=False),
            ends=np.full(jobs, window + 1),
            work=length,
            step_hours=1.0,
            resume_costs=np.full(jobs, resume_slots),
            fresh_work=np.full(jobs, length),
            fresh_groups=group,
        )
    )
    ran = np.zeros((jobs, window), dtype=np.bool_)
    left, mode = np.full(jobs, length), np.full(jobs, ON + 1)
    for slot in range(window):
        step = slot + 1
        go = values.runs[step, mode, left, group]
        go = np.where(left == length, values.first_runs[step] > 0, go) & (left > 0)
        ran[:, slot] = go
        left -= go
        mode = np.where(go, ON, ON + 1)
    return ran
