"""Replay of the planner for jobs that change their size, and the best that they could do.

The decision is that of `lowtide.planning.elastic_values`, vectorised over the jobs of a trace. A
resume and a change of size cost energy and take no time, as for the other policies.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.backtest.trace import Ints, Views
from lowtide.grid.analysis import Array
from lowtide.planning.deviation import MIDDLE, deviated, transition
from lowtide.planning.elastic import Elastic
from lowtide.planning.elastic_values import (
    FRESH,
    ON,
    ElasticProblem,
    ElasticTable,
    choices,
    next_mode,
    take,
)
from lowtide.planning.search import TIE

TICKS: Final = 4
"""Ticks of work in a slot; values between them are read linearly."""
_NEXT_TO_NOTHING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class ElasticSchedules:
    """What each job ran at in each slot of its window: (jobs, slots)."""

    replicas: Ints
    """Replicas, 0 where it rests."""
    energy: Array
    """Slots of energy at the base's power, resumes and changes of size included."""
    unfinished: int
    """Jobs that did not get all their work done inside their window."""
    restarts: int
    """Resumes and changes of size of all jobs."""

    @property
    def ran(self) -> "np.typing.NDArray[np.bool_]":
        """Return which slots each job ran in."""
        return self.replicas > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticJobs:
    """Jobs of one trace that may change their size."""

    submissions: Ints
    length: int
    """Slots of work at the base size."""
    slack: int
    """Slots of the longest useful wait."""
    elastic: Elastic
    resume: float
    """Slots of energy that a resume costs."""
    resize: float
    """Slots of energy that a change of size costs, at the new size."""

    def problem(self, costs: Array, moves: Array) -> ElasticProblem:
        """Return the problem of jobs with these costs: (slots, rows, jobs)."""
        return ElasticProblem(
            costs=costs / TICKS,
            lengths=np.full(len(costs), float(TICKS)),
            moves=moves,
            powers=np.array(self.elastic.powers),
            speeds=np.array(self.elastic.speeds),
            uncertain=self.elastic.uncertain_speeds,
            guard=self.elastic.sizes.index(self.elastic.guard),
            states=TICKS * self.length,
            resume=TICKS * self.resume,
            resize=TICKS * self.resize,
            energy_only=True,
        )


class _Following:
    """Jobs on their way through their windows, slot by slot."""

    def __init__(self, jobs: ElasticJobs) -> None:
        count, window = len(jobs.submissions), jobs.length + jobs.slack
        self.jobs = jobs
        self.left = np.full(count, float(TICKS * jobs.length))
        self.mode = np.full(count, FRESH, dtype=np.intp)
        self.restarts = 0
        self.replicas = np.zeros((count, window), dtype=np.intp)
        self.energy = np.zeros((count, window))

    def alive(self) -> Ints:
        """Return the jobs with work left."""
        return np.flatnonzero(self.left > _NEXT_TO_NOTHING)

    def follow(
        self, problem: ElasticProblem, ahead: Array, slot: int, step: int, alive: Ints, cost: Array
    ) -> None:
        """Take the choice of one slot; `ahead` holds the expectations of `alive` after it."""
        mode = self.mode[alive]
        options = choices(problem, ahead, step, cost, self.left[alive], mode)
        chosen = take(options, mode, TIE)
        place = np.arange(len(alive))
        self.energy[alive, slot] = options.energy[chosen, place] / TICKS
        self.left[alive] = options.left[chosen, place]
        sizes = np.array((0, *self.jobs.elastic.sizes))
        self.replicas[alive, slot] = sizes[chosen]
        runs = chosen > 0
        self.restarts += int((runs & (mode != FRESH) & (mode != ON + chosen - 1)).sum())
        self.mode[alive] = next_mode(mode, chosen)

    def schedules(self) -> ElasticSchedules:
        """Return what the jobs did."""
        return ElasticSchedules(self.replicas, self.energy, len(self.alive()), self.restarts)


def elastic(views: Views, jobs: ElasticJobs, hours: float) -> ElasticSchedules:
    """Return the schedules of the planner, which decides afresh in every slot."""
    following = _Following(jobs)
    for passed in range(jobs.length + jobs.slack):
        alive = following.alive()
        if len(alive) == 0:
            break
        ahead = jobs.length + jobs.slack - passed
        rows = jobs.submissions[alive] + passed - views.first
        expected, spread = views.expected[rows, :ahead].T, views.spread[rows, :ahead].T
        costs = deviated(expected, spread, floored=views.floored)
        problem = jobs.problem(costs, transition(hours))
        table = ElasticTable(problem)
        table.solve()
        now = problem.costs[0, MIDDLE]
        following.follow(problem, table.expected(MIDDLE), passed, 0, alive, now)
    return following.schedules()


def optimum(actual: Array, jobs: ElasticJobs) -> ElasticSchedules:
    """Return the schedules of jobs that know the actual costs."""
    window = jobs.length + jobs.slack
    known = actual[jobs.submissions[:, None] + np.arange(window)].T[:, None]
    problem = jobs.problem(known, np.eye(1))
    table = ElasticTable(problem, keep=0)
    table.solve()
    following = _Following(jobs)
    for slot in range(window):
        alive = following.alive()
        if len(alive) == 0:
            break
        ahead = table.kept[slot + 1][:, :, alive]
        following.follow(problem, ahead, slot, slot, alive, problem.costs[slot, 0, alive])
    return following.schedules()
