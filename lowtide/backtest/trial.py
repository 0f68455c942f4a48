"""Backtest of one class of jobs on one trace: several policies, settled on the actual intensity.

Pure: reading files and spreading work over processes belong to the command line. Invariant: a
policy is judged only by the slots it ran in; savings are ratios of totals against running at once.
Source: docs/explanation/planning.md#how-policies-are-compared.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.backtest import rivals, rolling
from lowtide.backtest.trace import BacktestTrace, Case, Ints, Views, fused_views
from lowtide.grid.analysis import Array
from lowtide.planning.errors import BacktestError
from lowtide.planning.outlook import sees_the_week

Bools = npt.NDArray[np.bool_]

RUN_NOW: Final = "run-now"
BEST_WINDOW: Final = "best-window"
THRESHOLD: Final = "threshold"
LOWTIDE: Final = "lowtide"
CLAIRVOYANT: Final = "clairvoyant"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """Jobs that are alike: full-power length, longest useful wait, and whether they may pause."""

    length_hours: float
    slack_hours: float
    interruptible: bool
    restart_cost_hours: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScore:
    """Result of a policy over all jobs of a class.

    `saving_percent` is 100 times 1 - emissions / emissions of running now; `reach_percent` is its
    share of the clairvoyant saving, `None` where there is nothing to save.
    """

    saving_percent: float
    reach_percent: float | None
    restarts_per_job: float
    mean_delay_hours: float
    missed_deadlines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The scores of every policy on one trace, class and forecast case."""

    trace: str
    job_class: JobClass
    case: Case
    jobs: int
    policies: dict[str, PolicyScore]


def sees_week(job_class: JobClass) -> bool:
    """Return whether jobs of the class are planned with the course of the week."""
    window, length = job_class.length_hours + job_class.slack_hours, job_class.length_hours
    return sees_the_week(window, length, interruptible=job_class.interruptible)


def run_backtest(
    trace: BacktestTrace, job_class: JobClass, case: Case, views: Views | None = None
) -> Backtest:
    """Return how each policy does on `trace`.

    `views` may hold the fused forecasts of the case, if they are at hand for other classes that
    see the same (`sees_week`).

    Raises:
        BacktestError: the trace is too short, or the length is under one slot.
    """
    rate = trace.slots_per_hour
    length, slack = round(job_class.length_hours * rate), round(job_class.slack_hours * rate)
    if length < 1 or slack < 0:
        raise BacktestError(
            f"{trace.name}: a job of {job_class.length_hours} h with {job_class.slack_hours} h of "
            f"slack does not fit slots of {60 / rate:.0f} min"
        )
    submissions = trace.submissions((length + slack) / rate)
    if views is None:
        last = int(submissions[-1]) + length + slack
        week = sees_week(job_class)
        views = fused_views(trace, case, int(submissions[0]), last, length + slack, week=week)
    resume = job_class.restart_cost_hours * rate
    schedules = _schedules(trace, job_class, case, views, submissions, length, slack)
    emissions = {
        name: schedule_emissions(trace.actual, submissions, ran, resume)
        for name, ran in schedules.items()
    }
    at_once, least = emissions[RUN_NOW], emissions[CLAIRVOYANT]
    scores = {
        name: _score(ran, emissions[name], at_once, least, length, rate)
        for name, ran in schedules.items()
    }
    return Backtest(
        trace=trace.name, job_class=job_class, case=case, jobs=len(submissions), policies=scores
    )


def _schedules(
    trace: BacktestTrace,
    job_class: JobClass,
    case: Case,
    views: Views,
    submissions: Ints,
    length: int,
    slack: int,
) -> dict[str, Bools]:
    """Return each policy's schedules, as (jobs, slots of the window)."""
    hours = 1 / trace.slots_per_hour
    resume = job_class.restart_cost_hours * trace.slots_per_hour
    if job_class.interruptible:
        ours = rolling.interruptible(views, submissions, length, slack, hours, resume_slots=resume)
        best = rolling.optimum(trace.actual, submissions, length, slack, resume_slots=resume)
    else:
        ours = rolling.contiguous(views, submissions, length, slack, hours)
        best = rivals.cheapest_windows(trace.actual, submissions, length, slack)
    return {
        RUN_NOW: rivals.run_now(submissions, length, slack),
        BEST_WINDOW: rivals.best_window(trace, case, submissions, length, slack),
        THRESHOLD: rivals.threshold(
            trace, submissions, length, slack, interruptible=job_class.interruptible
        ),
        LOWTIDE: ours,
        CLAIRVOYANT: best,
    }


def resumes(ran: Bools) -> Bools:
    """Return the slots in which a job resumes: the first of every segment but its first."""
    before = np.zeros_like(ran)
    before[:, 1:] = ran[:, :-1]
    first = ran & ~before
    return first & (np.cumsum(first, axis=1) > 1)


def schedule_emissions(actual: Array, submissions: Ints, ran: Bools, resume_slots: float) -> float:
    """Return the emissions of all jobs in g/kWh times slots, the work of resumes included."""
    intensity = actual[submissions[:, None] + np.arange(ran.shape[1])]
    return float((intensity * (ran + resume_slots * resumes(ran))).sum())


def _score(
    ran: Bools, emissions: float, at_once: float, least: float, length: int, rate: int
) -> PolicyScore:
    """Return the score of schedules with the given emissions in total."""
    slots = np.arange(ran.shape[1])
    ends = np.max(np.where(ran, slots, -1), axis=1) + 1
    saving = 1 - emissions / at_once if at_once > 0 else 0.0
    possible = 1 - least / at_once if at_once > 0 else 0.0
    return PolicyScore(
        saving_percent=100 * saving,
        reach_percent=100 * saving / possible if possible > 0 else None,
        restarts_per_job=float(resumes(ran).sum() / len(ran)),
        mean_delay_hours=float((ends - length).mean() / rate),
        missed_deadlines=int((ran.sum(axis=1) != length).sum()),
    )
