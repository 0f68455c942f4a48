"""Backtest of one class of jobs on one trace: several policies, settled on the actual intensity.

Pure: reading files and spreading work over processes belong to the command line. Invariant: a
policy is judged only by the slots it ran in; savings are ratios of totals against running at once.
Source: docs/explanation/planning.md#how-policies-are-compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from lowtide.backtest.elastic import ElasticJobs, ElasticSchedules
from lowtide.backtest.elastic import elastic as elastic_schedules
from lowtide.backtest.elastic import optimum as elastic_optimum
from lowtide.backtest.policies import (
    CLAIRVOYANT,
    ELASTIC,
    ELASTIC_CLAIRVOYANT,
    RUN_NOW,
    PolicyReplay,
)
from lowtide.backtest.trace import BacktestTrace, Case, Ints, Views, fused_views
from lowtide.grid.analysis import Array
from lowtide.planning.elastic import Elastic
from lowtide.planning.errors import BacktestError
from lowtide.planning.objective import CARBON, Objective
from lowtide.planning.outlook import sees_the_week

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """Jobs that are alike: full-power length, longest useful wait, and whether they may pause."""

    length_hours: float
    slack_hours: float
    interruptible: bool
    restart_cost_hours: float = 0.25
    elastic: Elastic | None = None
    """Sizes, of jobs that may change theirs; the length is that at the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScore:
    """Result of a policy over all jobs of a class.

    Savings are 100 times 1 - total / total of running now; in money, and in an objective of money,
    `None` where running at once costs nothing or is paid for.
    """

    saving_percent: float
    """In grams."""
    money_saving_percent: float | None
    """In money, `None` too where the trace has no prices."""
    objective_saving_percent: float | None
    """In what the planner minimises."""
    reach_percent: float | None
    """Share of the clairvoyant saving in the objective, `None` where nothing can be saved."""
    restarts_per_job: float
    """Mean number of resumes."""
    mean_delay_hours: float
    """Mean delay of the end."""
    missed_deadlines: int
    """Jobs that did not get all their work done inside their window."""
    mean_replicas: float | None = None
    """Mean replicas while running, of a policy that changes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The scores of every policy on one trace, class and forecast case."""

    trace: str
    job_class: JobClass
    case: Case
    jobs: int
    """Jobs that were submitted."""
    policies: dict[str, PolicyScore]
    objective: Objective = CARBON
    currency: str | None = None
    """Currency of the prices, where there are any."""


def sees_week(job_class: JobClass, objective: Objective = CARBON) -> bool:
    """Return whether jobs of the class are planned with the course of the week."""
    window, length = job_class.length_hours + job_class.slack_hours, job_class.length_hours
    return sees_the_week(
        window, length, interruptible=job_class.interruptible, priced=objective.needs_prices
    )


def run_backtest(
    trace: BacktestTrace,
    job_class: JobClass,
    case: Case,
    views: Views | None = None,
    objective: Objective = CARBON,
) -> Backtest:
    """Return how each policy does on `trace`.

    `views` may hold the fused forecasts of the case, if they are at hand for other classes that
    see the same (`sees_week`).

    Raises:
        BacktestError: the trace is too short, the length is under one slot, or the objective needs
            prices that the trace does not have.
    """
    rate = trace.slots_per_hour
    length, slack = round(job_class.length_hours * rate), round(job_class.slack_hours * rate)
    if length < 1 or slack < 0:
        raise BacktestError(
            f"{trace.name}: a job of {job_class.length_hours} h with {job_class.slack_hours} h of "
            f"slack does not fit slots of {60 / rate:.0f} min"
        )
    if objective.needs_prices and trace.price_per_kwh is None:
        raise BacktestError(
            f"{trace.name}: objective {objective.kind} needs prices, there are none"
        )
    submissions = trace.submissions((length + slack) / rate)
    if views is None:
        last = int(submissions[-1]) + length + slack
        week = sees_week(job_class, objective)
        views = fused_views(trace, case, int(submissions[0]), last, length + slack, week=week)
    replay = PolicyReplay(
        trace=trace,
        case=case,
        objective=objective,
        submissions=submissions,
        length=length,
        slack=slack,
        interruptible=job_class.interruptible,
        resume=job_class.restart_cost_hours * rate,
        intensity=views,
        week=sees_week(job_class, objective),
    )
    schedules = replay.schedules()
    resized = {} if job_class.elastic is None else _resized(replay, job_class.elastic)
    totals = {name: _totals(replay, _settlement(replay, ran)) for name, ran in schedules.items()}
    totals |= {
        name: _totals(replay, partial(settle, submissions=submissions, energy=one.energy))
        for name, one in resized.items()
    }
    least = totals[CLAIRVOYANT]
    scores = {
        name: _score(replay, ran, totals[name], totals[RUN_NOW], least)
        for name, ran in schedules.items()
    }
    scores |= {
        name: _resized_score(replay, one, totals[name], totals) for name, one in resized.items()
    }
    return Backtest(
        trace=trace.name,
        job_class=job_class,
        case=case,
        jobs=len(submissions),
        objective=objective,
        currency=trace.currency,
        policies=scores,
    )


def _resized(replay: PolicyReplay, elastic: Elastic) -> dict[str, ElasticSchedules]:
    """Return the schedules of the jobs that change their size."""
    jobs = ElasticJobs(
        submissions=replay.submissions,
        length=replay.length,
        slack=replay.slack,
        elastic=elastic,
        resume=replay.resume,
        resize=elastic.resize_cost_seconds / 3600 * replay.trace.slots_per_hour,
    )
    views = replay.views(replay.objective)
    return {
        ELASTIC: elastic_schedules(views, jobs, 1 / replay.trace.slots_per_hour),
        ELASTIC_CLAIRVOYANT: elastic_optimum(replay.actual(replay.objective), jobs),
    }


def _resized_score(
    replay: PolicyReplay, schedules: ElasticSchedules, own: "_Totals", totals: dict[str, "_Totals"]
) -> PolicyScore:
    """Return the score of jobs that change their size; their reach is that of their own kind."""
    ran, running = schedules.ran, schedules.replicas[schedules.ran]
    score = _score(replay, ran, own, totals[RUN_NOW], totals[ELASTIC_CLAIRVOYANT])
    return replace(
        score,
        restarts_per_job=schedules.restarts / len(ran),
        missed_deadlines=schedules.unfinished,
        mean_replicas=float(running.mean()) if running.size else None,
    )


@dataclass(frozen=True, slots=True)
class _Totals:
    """Sums over all jobs of a policy, each per kilowatt of power and slot."""

    grams: float
    money: float | None
    objective: float


def _settlement(replay: PolicyReplay, ran: Bools) -> Callable[[Array], float]:
    """Return what schedules at a fixed size cost, as a function of the actual values."""
    return partial(
        schedule_emissions, submissions=replay.submissions, ran=ran, resume_slots=replay.resume
    )


def _totals(replay: PolicyReplay, total: Callable[[Array], float]) -> _Totals:
    prices = replay.trace.price_per_kwh
    return _Totals(
        grams=total(replay.trace.actual),
        money=None if prices is None else total(prices),
        objective=total(replay.actual(replay.objective)),
    )


def resumes(ran: Bools) -> Bools:
    """Return the slots in which a job resumes: the first of every segment but its first."""
    before = np.zeros_like(ran)
    before[:, 1:] = ran[:, :-1]
    first = ran & ~before
    return first & (np.cumsum(first, axis=1) > 1)


def schedule_emissions(actual: Array, submissions: Ints, ran: Bools, resume_slots: float) -> float:
    """Return the emissions of all jobs in g/kWh times slots, the work of resumes included."""
    return settle(actual, submissions, ran + resume_slots * resumes(ran))


def settle(actual: Array, submissions: Ints, energy: Array) -> float:
    """Return what slots of energy cost on the actual values: (jobs, slots of the window)."""
    return float((actual[submissions[:, None] + np.arange(energy.shape[1])] * energy).sum())


def _score(
    replay: PolicyReplay, ran: Bools, totals: _Totals, at_once: _Totals, least: _Totals
) -> PolicyScore:
    """Return the score of schedules with the given totals."""
    slots = np.arange(ran.shape[1])
    ends = np.max(np.where(ran, slots, -1), axis=1) + 1
    saving = _saving_percent(totals.objective, at_once.objective)
    possible = max(0.0, _saving_percent(least.objective, at_once.objective) or 0.0)
    return PolicyScore(
        saving_percent=_saving_percent(totals.grams, at_once.grams) or 0.0,
        money_saving_percent=_saving_percent(totals.money, at_once.money),
        objective_saving_percent=saving,
        reach_percent=100 * saving / possible if saving is not None and possible else None,
        restarts_per_job=float(resumes(ran).sum() / len(ran)),
        mean_delay_hours=float((ends - replay.length).mean() / replay.trace.slots_per_hour),
        missed_deadlines=int((ran.sum(axis=1) != replay.length).sum()),
    )


def _saving_percent(total: float | None, at_once: float | None) -> float | None:
    """Return the saving against running at once; `None` where that costs nothing or less."""
    if total is None or at_once is None or at_once <= 0:
        return None
    return 100 * (1 - total / at_once)
