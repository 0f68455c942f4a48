"""Values of waiting and of running at each size, for jobs that may change their size.

A backward dynamic programme over (step, work left, size now, deviation of the forecast). In every
step a job rests or runs at one size; a change of size and a resume burn running time, the first
start is free. Work left is a grid of ticks on which values are read linearly, because the speed of
a size is no whole number; work that is done is counted exactly by who follows the values.

Values do not keep the deadline: what is left at the end costs as much as the dearest running. The
follower of the values keeps it, by never taking a choice after which the guard's size no longer
suffices. Source: docs/explanation/planning.md#elastic-size.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lowtide.planning.horizon import Array
from lowtide.planning.search import INFEASIBLE, Bools

FRESH, OFF, ON = 0, 1, 2
"""Modes: never started, paused, and from `ON` on running at each size in turn."""
_DEAREST: Final = 2.0
"""Work left at the end of the window costs so many times the dearest running."""
_ROUNDING: Final = 1e-9

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class ElasticProblem:
    """Groups of jobs of the same sizes on steps of the same length.

    Times and work are in ticks; work is the time that it takes at the base size. Not slotted: the
    time that remains is cached.
    """

    costs: Array
    """What a tick at the base's power costs in a step: (steps, rows, groups)."""
    lengths: Array
    """Length of each step: (steps)."""
    moves: Array
    """Transition matrix of the rows from one step to the next."""
    powers: Array
    """Power of each size relative to the base: (sizes)."""
    speeds: Array
    """Speed of each size relative to the base: (sizes)."""
    guard: int
    """Place of the guard's size."""
    states: int
    """Ticks of work that the grid reaches to."""
    resume: float
    """Ticks that a resume burns."""
    resize: float
    """Ticks that a change of size burns."""
    energy_only: bool = False
    """Whether burnt ticks cost energy and no time, as in the comparison of policies."""
    closed: Bools | None = None
    """Where a size has no room: (steps, sizes)."""
    uncertain: Array | None = None
    """Least speed of each size, which the deadline counts on: (sizes); `None`: as `speeds`."""

    @property
    def sure_speeds(self) -> Array:
        """Return the speed of each size that the deadline counts on: (sizes)."""
        return self.speeds if self.uncertain is None else self.uncertain

    @cached_property
    def remaining(self) -> Array:
        """Length of all steps after each: (steps)."""
        return np.asarray(np.cumsum(self.lengths[::-1])[::-1] - self.lengths)


@dataclass(frozen=True, slots=True)
class _Runs:
    """What running at each size in a step of one length does to each amount of work.

    Rows are the sizes kept, then the sizes after a change, then after a resume (3 sizes); without
    the last where a change costs what a resume costs.
    """

    energy: Array
    """Ticks of power (2 or 3 sizes, states + 1)."""
    low: Ints
    """Places of the values on both sides of the work that is left, in a flat (sizes, grid)."""
    high: Ints
    share: Array
    """Weight of the higher one."""


class ElasticTable:
    """Values of one step, rewritten from the last step to the first.

    `values` and `ahead` have the shape (rows, modes, states + 1, groups); `ahead` holds the
    expectations of the step after the present one.
    """

    def __init__(self, problem: ElasticProblem, *, keep: int | None = None) -> None:
        """Prepare the table; `keep` is a row whose values of every step are kept."""
        rows, groups = problem.costs.shape[1:]
        self.problem = problem
        self.sizes = len(problem.speeds)
        self.last = len(problem.lengths)
        work = np.arange(problem.states + 1.0)
        dearest = problem.costs.reshape(-1, groups)
        dearest = np.where(dearest < INFEASIBLE, np.abs(dearest), 0.0).max(axis=0)
        self.penalty = _DEAREST * dearest * float(np.max(problem.powers / problem.speeds))
        shape = rows, ON + self.sizes, problem.states + 1, groups
        self.values: Array = np.broadcast_to(work[:, None] * self.penalty, shape).copy()
        self._keep = keep
        kept = self.last + 1 if keep is not None else 0
        self.kept: Array = np.zeros((kept, *shape[1:]))
        self._store(self.last)
        self._runs: dict[float, _Runs] = {}

    def _store(self, step: int) -> None:
        if self._keep is not None:
            self.kept[step] = self.values[self._keep]

    def solve(self) -> None:
        """Go back to the values of step 1, which are those after the first step."""
        for step in range(self.last - 1, 0, -1):
            self._step_back(step)
            self._store(step)

    def expected(self, row: int) -> Array:
        """Return the expectation of the present values, seen from a row a step before."""
        flat = self.values.reshape(len(self.values), -1)
        return np.asarray(self.problem.moves[row] @ flat).reshape(self.values.shape[1:])

    def _step_back(self, step: int) -> None:
        problem, runs = self.problem, self._runs_of(float(self.problem.lengths[step]))
        shape = self.values.shape
        ahead = (problem.moves @ self.values.reshape(shape[0], -1)).reshape(shape)
        running = ahead[:, ON:].reshape(shape[0], -1, shape[3])
        after = running.take(runs.low, axis=1)
        difference = running.take(runs.high, axis=1)
        difference -= after
        difference *= runs.share[:, :, None]
        after += difference
        after += problem.costs[step][:, None, None, :] * runs.energy[:, :, None]
        if problem.closed is not None and problem.closed[step].any():
            after[:, np.tile(problem.closed[step], after.shape[1] // self.sizes)] = INFEASIBLE
        kept, changed = after[:, : self.sizes], after[:, self.sizes : 2 * self.sizes]
        resumed = after[:, -self.sizes :]
        values = self.values
        np.minimum(ahead[:, FRESH], kept.min(axis=1), out=values[:, FRESH])
        np.minimum(ahead[:, OFF], resumed.min(axis=1), out=values[:, OFF])
        otherwise = np.minimum(ahead[:, OFF, None], self._least_change(step, changed))
        np.minimum(kept, otherwise, out=values[:, ON:])
        values[:, :, 0] = 0.0
        self._hold_back(step)

    def _least_change(self, step: int, changed: Array) -> Array:
        """Return what the cheapest change of size costs: (rows, sizes or 1, states + 1, groups).

        A change to the same size only burns time, so it is never the cheapest, unless running is
        paid for in this step or in a later one.
        """
        if self.sizes == 1 or not (self.problem.costs[step:] < 0).any():
            return np.asarray(changed.min(axis=1, keepdims=True))
        others = [np.delete(changed, place, axis=1).min(axis=1) for place in range(self.sizes)]
        return np.stack(others, axis=1)

    def _hold_back(self, step: int) -> None:
        """Make states costly that the guard's size no longer saves."""
        problem = self.problem
        if problem.guard == self.sizes - 1:
            return
        limit = float(problem.lengths[step:].sum()) * problem.sure_speeds[problem.guard]
        first = int(limit + 1 - _ROUNDING)
        if first <= problem.states:
            over = np.arange(first, problem.states + 1) - limit
            edge = self.values[:, :, max(0, first - 1), :][:, :, None]
            beyond = edge + over[:, None] * self.penalty
            np.maximum(self.values[:, :, first:], beyond, out=self.values[:, :, first:])

    def _runs_of(self, length: float) -> _Runs:
        if length not in self._runs:
            self._runs[length] = self._prepare(length)
        return self._runs[length]

    def _prepare(self, length: float) -> _Runs:
        problem = self.problem
        work = np.arange(problem.states + 1.0)
        losses = dict.fromkeys((problem.resize, problem.resume))
        parts = [
            steps_run(problem, problem.speeds, length, work, np.full(self.sizes, lost))
            for lost in (0.0, *losses)
        ]
        energy = np.concatenate([part[0] for part in parts])
        left = np.concatenate([part[1] for part in parts])
        left = np.minimum(left, problem.states)
        low = np.floor(left + _ROUNDING)
        high = np.minimum(low + 1, problem.states)
        place = np.tile(np.arange(self.sizes), len(parts))[:, None] * (problem.states + 1)
        return _Runs(
            energy=energy,
            low=(low + place).astype(np.intp),
            high=(high + place).astype(np.intp),
            share=np.maximum(0.0, left - low),
        )


def steps_run(
    problem: ElasticProblem, speeds: Array, length: float | Array, work: Array, lost: Array
) -> tuple[Array, Array]:
    """Return the ticks of power that a step takes at each size, and the work left after it.

    `work` has any shape (n), `length` the same or one value, `speeds` one entry per size, `lost`
    the same or the shape (sizes, n); the results have the shape (sizes, n). A run ends when its
    work is done.
    """
    speeds, powers = speeds[:, None], problem.powers[:, None]
    lost = lost[:, None] if lost.ndim == 1 else lost
    wasted = 0.0 if problem.energy_only else lost
    time = np.minimum(length, wasted + work / speeds)
    left = np.maximum(0.0, work - speeds * (length - wasted))
    energy = powers * (time + (lost if problem.energy_only else 0.0))
    return energy, left


@dataclass(frozen=True, slots=True)
class Choices:
    """Choices of each job in one step: rest, then each size (1 + sizes, jobs)."""

    costs: Array
    """What is paid in this step and is expected after it."""
    energy: Array
    """Ticks of power in this step."""
    left: Array
    """Work left after it."""
    safe: Bools
    """Whether the guard's size still keeps the deadline after it."""


def choices(
    problem: ElasticProblem, ahead: Array, step: int | Ints, cost: Array, left: Array, mode: Ints
) -> Choices:
    """Return what each choice costs that jobs have in a step, or each job in a step of its own.

    `ahead` (modes, states + 1, groups) holds the expectations after the step, `cost` what a tick
    costs in it, `left` the work and `mode` the mode of each job, one job per group.
    """
    count, length = len(problem.speeds), problem.lengths[step]
    size = np.arange(count)[:, None]
    lost = np.where(
        (mode == FRESH) | (mode == ON + size),
        0.0,
        np.where(mode == OFF, problem.resume, problem.resize),
    )
    energy, after = steps_run(problem, problem.speeds, length, left, lost)
    surely = after
    if problem.uncertain is not None:
        _, surely = steps_run(problem, problem.uncertain, length, left, lost)
    remaining = problem.remaining[step]
    group = np.arange(len(left))
    rest = _read(ahead, next_mode(mode, np.zeros_like(mode)), left, group)
    run = cost * energy + _read(ahead, ON + size, after, group)
    if problem.closed is not None:
        run[np.broadcast_to(problem.closed[step].reshape(-1, count).T, run.shape)] = INFEASIBLE
    wasted = 0.0 if problem.energy_only else 1.0
    guard = problem.sure_speeds[problem.guard]
    rested = left / guard + wasted * np.where(mode == FRESH, 0.0, problem.resume)
    # A size goes on, or gives way to the guard's.
    changed = surely / guard + wasted * problem.resize
    ran = np.minimum(surely / np.minimum(problem.sure_speeds, guard)[:, None], changed)
    needed = np.concatenate((rested[None], ran))
    done = np.concatenate((left[None], surely)) <= _ROUNDING
    return Choices(
        costs=np.concatenate((rest[None], run)),
        energy=np.concatenate((np.zeros_like(left)[None], energy)),
        left=np.concatenate((left[None], after)),
        safe=done | (needed <= remaining + 1e-6),
    )


def next_mode(mode: Ints, chosen: Ints) -> Ints:
    """Return the mode of each job after its choice, 0 to rest."""
    rested = np.where(mode == FRESH, FRESH, OFF)
    return np.asarray(np.where(chosen > 0, ON + chosen - 1, rested))


def _read(ahead: Array, mode: Any, work: Array, group: Ints) -> Array:
    """Return the values at amounts of work between the ticks."""
    most = ahead.shape[1] - 1
    work = np.minimum(work, most)
    low = np.floor(work + _ROUNDING).astype(np.intp)
    share = np.maximum(0.0, work - low)
    below, above = ahead[mode, low, group], ahead[mode, np.minimum(low + 1, most), group]
    return np.asarray(below + share * (above - below))


def take(choice: Choices, mode: Ints, tie: float) -> Ints:
    """Return the choice of each job, 0 to rest: the cheapest of those that keep the deadline.

    Of equal costs running wins over resting, and the present size over a change. Where nothing
    keeps the deadline, the choice that leaves least work is taken.
    """
    jobs = np.arange(choice.costs.shape[1])
    open_choices = choice.safe & (choice.costs < INFEASIBLE / 2)
    costs = np.where(open_choices, choice.costs, np.inf)
    least = costs.min(axis=0)
    near = costs <= least + tie * np.abs(least)
    preference = np.zeros(costs.shape)
    preference[1:] = 1.0
    running = mode >= ON
    preference[mode[running] - ON + 1, jobs[running]] = 2.0
    chosen = np.argmax(np.where(near, preference + 1, 0.0), axis=0)
    work_left = np.where(choice.costs < INFEASIBLE / 2, choice.left, np.inf)
    return np.asarray(np.where(np.isfinite(least), chosen, np.argmin(work_left, axis=0)))
