"""Decision and stretches of running for a job that may change its size, read from its values.

Work that is done is counted exactly, step by step; the values of what is left are read between
the ticks of their grid. Invariant: as long as the guard's size keeps the deadline at the start, it
still does after the decision.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from lowtide.planning.deviation import MIDDLE
from lowtide.planning.elastic import Elastic
from lowtide.planning.elastic_values import (
    FRESH,
    OFF,
    ON,
    Choices,
    ElasticProblem,
    ElasticTable,
    Ints,
    choices,
    next_mode,
    take,
)
from lowtide.planning.horizon import Array, Horizon
from lowtide.planning.interruptible import PLAIN, chain, step_costs
from lowtide.planning.search import INFEASIBLE, TIE, Bools, Proposal, SearchSpace, SearchTask

LONGEST_TICK_SECONDS: Final = 1800.0
MOST_STATES: Final = 2048
"""Bound on the ticks of work; the ticks of a longer job are longer."""
_DONE: Final = 1e-6


def search_elastic(spaces: tuple[SearchSpace, ...], task: SearchTask) -> Proposal:
    """Return what a job should run with now, and the stretches that cost least as forecast.

    `spaces` has one entry for each of the job's sizes: the same horizon, and the room that there
    is for this size. Nothing runs in a step without room.
    """
    assert task.elastic is not None, "only a job with sizes is searched for one"
    return _Search(spaces, task, task.elastic).propose()


@dataclass(frozen=True, slots=True)
class _Step:
    """What was chosen in a step: a place among rest and the sizes, and the seconds it runs."""

    start: float
    place: int
    seconds: float


class _Search:
    """The search for one job; its units are ticks."""

    def __init__(self, spaces: tuple[SearchSpace, ...], task: SearchTask, elastic: Elastic) -> None:
        self.task, self.elastic = task, elastic
        self.horizon: Horizon = spaces[0].horizon
        end = min(task.end_seconds, self.horizon.end_seconds)
        edges = self.horizon.edges
        inside = edges[:-1] < end - _DONE
        self.starts = edges[:-1][inside]
        lengths = np.minimum(edges[1:][inside], end) - self.starts
        step = self.horizon.step_seconds
        finest = step / max(1, ceil(step / LONGEST_TICK_SECONDS))
        self.tick = max(finest, task.work_seconds / MOST_STATES)
        self.work = task.work_seconds / self.tick
        resume, resize = (
            seconds / self.tick for seconds in (task.resume_seconds, elastic.resize_cost_seconds)
        )
        burnt = max(resume, resize) * elastic.speeds[-1]
        count = len(self.starts)
        self.problem = ElasticProblem(
            costs=step_costs(
                self.horizon.costs[:count, None],
                self.horizon.spread[:count, None],
                floored=self.horizon.floored,
            ),
            lengths=lengths / self.tick,
            moves=chain(self.horizon.step_hours),
            powers=np.array(elastic.powers),
            speeds=np.array(elastic.speeds),
            uncertain=elastic.uncertain_speeds,
            guard=elastic.sizes.index(elastic.guard),
            states=ceil(self.work) + min(MOST_STATES, ceil(burnt)),
            resume=resume,
            resize=resize,
            closed=_closed(spaces, count),
        )

    def propose(self) -> Proposal:
        """Return the decision and the plain plan that follows it."""
        table = ElasticTable(self.problem, keep=PLAIN)
        table.solve()
        steps: list[_Step] = []
        left, mode = np.array([self.work]), np.array([self._mode()])
        expected, step = INFEASIBLE, 0
        while step < len(self.starts):
            ahead = table.expected(MIDDLE) if step == 0 else table.kept[step + 1]
            options = choices(self.problem, ahead, step, self._cost(step), left, mode)
            chosen = take(options, mode, TIE)
            place = int(chosen[0])
            if step == 0:
                expected = float(options.costs[place, 0])
            steps.append(_Step(float(self.starts[step]), place, self._seconds(options, place)))
            left = options.left[place]
            mode = next_mode(mode, chosen)
            if left[0] * self.tick <= _DONE:
                return self._proposal(steps, expected)
            step = step + 1 if place else self._end_of_rest(table, step + 1, left, mode)
        return Proposal(
            run=False, stretches=(), planned=INFEASIBLE, at_once=None, expected=INFEASIBLE
        )

    def _end_of_rest(self, table: ElasticTable, step: int, left: Array, mode: Ints) -> int:
        """Return the first step from `step` on in which a resting job runs, or the end.

        While it rests its work and its mode stay as they are, so all steps are judged together.
        """
        steps = np.arange(step, len(self.starts))
        if len(steps) == 0:
            return step
        ahead = np.moveaxis(table.kept[step + 1 :, :, :, 0], 0, -1)
        modes, work = np.repeat(mode, len(steps)), np.repeat(left, len(steps))
        options = choices(
            self.problem, ahead, steps, self.problem.costs[steps, PLAIN, 0], work, modes
        )
        runs = np.flatnonzero(take(options, modes, TIE))
        return int(steps[runs[0]]) if len(runs) else len(self.starts)

    def _mode(self) -> int:
        """Return the job's mode now; a size that it does not plan with is left by a resume."""
        if self.task.running and self.task.replicas in self.elastic.sizes:
            return ON + self.elastic.sizes.index(self.task.replicas)
        return OFF if self.task.started else FRESH

    def _cost(self, step: int) -> Array:
        return np.asarray(self.problem.costs[step, PLAIN])

    def _seconds(self, options: Choices, place: int) -> float:
        """Return how long a choice runs in its step."""
        if place == 0:
            return 0.0
        return float(options.energy[place, 0] / self.problem.powers[place - 1]) * self.tick

    def _proposal(self, steps: list[_Step], expected: float) -> Proposal:
        """Return the steps as stretches of one size each."""
        stretches: list[tuple[float, float]] = []
        sizes: list[int] = []
        for step in (one for one in steps if one.place):
            size, end = self.elastic.sizes[step.place - 1], step.start + step.seconds
            if stretches and sizes[-1] == size and step.start - stretches[-1][1] < _DONE:
                stretches[-1] = stretches[-1][0], end
            else:
                stretches.append((step.start, end))
                sizes.append(size)
        bounds = np.array(stretches)
        totals = self.horizon.total(bounds[:, 0], bounds[:, 1] - bounds[:, 0])
        return Proposal(
            run=steps[0].place > 0,
            stretches=tuple(stretches),
            planned=float(totals @ np.array([self.elastic.power(size) for size in sizes])),
            at_once=self._at_once(),
            expected=expected * self.tick,
            sizes=tuple(sizes),
        )

    def _at_once(self) -> float | None:
        """Return the cost of an uninterrupted run at the base size from the start.

        `None` where it cannot be.
        """
        length = self.task.run_now_seconds
        if length > self.horizon.end_seconds:
            return None
        base = self.elastic.sizes.index(self.elastic.base)
        closed = self.problem.closed
        if closed is not None and closed[self.starts < length, base].any():
            return None
        return float(self.horizon.total(0.0, length))


def _closed(spaces: tuple[SearchSpace, ...], steps: int) -> Bools | None:
    """Return in which steps a size has no room: (steps, sizes); `None` where all have."""
    if all(space.barred is None for space in spaces):
        return None
    none = np.zeros(steps, dtype=np.bool_)
    return np.stack([none if one.barred is None else one.barred[:steps] for one in spaces], axis=1)
