"""Rules for the duration to plan with, tried on series of runs over recorded grids.

    python benchmarks/planning/durations.py TRACES [--stride 3] [--processes 2]

TRACES is a folder of CSV files as for acceptance.py; one region is in examples/traces. Every 11 h
a job of one series is submitted, with six hours of slack beyond the length that its user has in
mind. Its true running time is drawn around that length; the product's planner, asked whenever it
says, gets the duration from the rule and a forecast of the strict case. A run that ends after its
deadline is missed; savings are settled on the actual intensity. A series has forty runs.

The rules differ in their use of the declared duration and of earlier runs. The last one is the
product's.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final, TypeAlias

import numpy as np

from lowtide.backtest.files import read_trace
from lowtide.backtest.trace import BacktestTrace, Case, Views, fused_views
from lowtide.grid.series import Signal
from lowtide.planning import (
    Forecast,
    PastRun,
    Request,
    Source,
    estimate_duration,
    learn,
    plan,
)

ORIGIN: Final = datetime(2021, 7, 1, tzinfo=UTC)
HOUR: Final = 3600.0
LENGTH: Final = 4 * HOUR
SLACK: Final = 6 * HOUR
DEFAULT: Final = HOUR
RATIO: Final = 1.2
SERIES: Final = 40
SEEN: Final = 5
AHEAD: Final = 48
"""Hours of forecast that a decision sees."""
SCATTER: Final = 0.08
"""Standard deviation of the logarithm of the running time."""

Durations: TypeAlias = tuple[float, float]
"""Usual and pessimistic running time in seconds."""
Rule: TypeAlias = Callable[[Sequence[float], float | None], Durations]


def declared_first(runs: Sequence[float], declared: float | None) -> Durations:
    """Return the declared duration, else the median of all runs, else the default."""
    usual = declared or (median(runs) if runs else DEFAULT)
    if declared is None and len(runs) >= SEEN:
        return usual, max(usual, quantiles(runs, n=10, method="inclusive")[8])
    return usual, RATIO * usual


def series_alone(runs: Sequence[float], declared: float | None) -> Durations:
    """Return the quantiles of five runs or more, else the declared duration."""
    if len(runs) < SEEN:
        return declared_first((), declared)
    return median(runs), quantiles(runs, n=10, method="inclusive")[8]


def series_and_declared_guard(runs: Sequence[float], declared: float | None) -> Durations:
    """Return the same, guarded by the longer of series and declared duration."""
    usual, high = series_alone(runs, declared)
    return usual, max(high, RATIO * (declared or 0.0))


def latest_runs(runs: Sequence[float], declared: float | None) -> Durations:
    """Return the quantiles of the last ten runs, else the declared duration."""
    return series_alone(runs[-10:], declared)


def product(runs: Sequence[float], declared: float | None) -> Durations:
    """Return the product's estimate."""
    past = [PastRun(seconds, ended=number) for number, seconds in enumerate(runs)]
    found = estimate_duration(learn(past), declared, default_seconds=DEFAULT, high_ratio=RATIO)
    return found.usual_seconds, found.high_seconds


RULES: Final[dict[str, Rule]] = {
    "declared first": declared_first,
    "series alone": series_alone,
    "series, declared guard": series_and_declared_guard,
    "last ten runs": latest_runs,
    "product": product,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A series: the length its user has in mind and declares, by the number of the run."""

    name: str
    length: Callable[[int], float]
    declared: Callable[[int], float | None]


def steady(_: int) -> float:
    """Return the same length for every run."""
    return LENGTH


def grown(run: int) -> float:
    """Return a length that doubles in the middle of the series."""
    return LENGTH if run < SERIES // 2 else 2 * LENGTH


def after_a_trial(run: int) -> float:
    """Return a length of two minutes for the first run, a trial."""
    return LENGTH if run else 120.0


SCENARIOS: Final = (
    Scenario("declared right", steady, steady),
    Scenario("declared half", steady, lambda _: LENGTH / 2),
    Scenario("declared double", steady, lambda _: 2 * LENGTH),
    Scenario("nothing declared", steady, lambda _: None),
    Scenario("a trial first, nothing declared", after_a_trial, lambda _: None),
    Scenario("doubles, and says so", grown, grown),
    Scenario("doubles, declared as before", grown, steady),
)


@dataclass(slots=True)
class Account:
    """Totals of a rule in a scenario."""

    jobs: int = 0
    missed: int = 0
    emitted: float = 0.0
    at_once: float = 0.0

    def add(self, other: "Account") -> None:
        """Add the totals of another trace."""
        self.jobs += other.jobs
        self.missed += other.missed
        self.emitted += other.emitted
        self.at_once += other.at_once


def forecast_at(views: Views, hour: int) -> Forecast:
    """Return the forecast of the strict case at an hour of the trace."""
    row = hour - views.first
    return Forecast(
        zone="trace",
        signal=Signal.AVERAGE,
        start=ORIGIN + timedelta(hours=hour),
        slot_seconds=3600,
        grams_per_kwh=tuple(views.expected[row].tolist()),
        spread_grams_per_kwh=tuple(views.spread[row].tolist()),
        sources=(Source.PROVIDER,) * views.expected.shape[1],
    )


def start_of(
    forecasts: Callable[[int], Forecast], hour: int, deadline: datetime, known: Durations
) -> datetime:
    """Return when the product starts a job that was submitted at an hour of the trace."""
    now = ORIGIN + timedelta(hours=hour)
    waited, earliest = False, now
    while True:
        request = Request(
            key="job",
            earliest=earliest,
            deadline=deadline,
            remaining_seconds=known[0],
            remaining_high_seconds=max(known),
            waited=waited,
        )
        answer = plan(now, request, forecasts(int((now - ORIGIN).total_seconds() // 3600)))
        if answer.run:
            return now
        now, waited = answer.look_again_at, True


def replay(trace: BacktestTrace, stride: int) -> dict[tuple[str, str], Account]:
    """Return the totals of every scenario and rule on one trace."""
    submissions = trace.submissions(AHEAD)[::stride].tolist()
    last = submissions[-1] + AHEAD
    views = fused_views(trace, Case.STRICT, submissions[0], last, AHEAD)
    known: dict[int, Forecast] = {}

    def forecasts(hour: int) -> Forecast:
        if hour not in known:
            known[hour] = forecast_at(views, hour)
        return known[hour]

    integral = np.concatenate(([0.0], np.cumsum(trace.actual)))
    hours = np.arange(len(integral))
    totals: dict[tuple[str, str], Account] = defaultdict(Account)
    for scenario in SCENARIOS:
        chance = random.Random(scenario.name)
        runs: list[float] = []
        for number, hour in enumerate(submissions):
            run = number % SERIES
            runs = runs if run else []
            length = scenario.length(run)
            took = length * float(np.exp(chance.gauss(0.0, SCATTER)))
            deadline = ORIGIN + timedelta(hours=hour, seconds=length + SLACK)
            for name, rule in RULES.items():
                estimate = rule(runs, scenario.declared(run))
                start = start_of(forecasts, hour, deadline, estimate)
                begin = (start - ORIGIN).total_seconds() / HOUR
                spans = np.array([[begin, begin + took / HOUR], [hour, hour + took / HOUR]])
                grams = np.diff(np.interp(spans, hours, integral), axis=1)[:, 0]
                late = start + timedelta(seconds=took) > deadline
                totals[scenario.name, name].add(
                    Account(1, int(late), float(grams[0]), float(grams[1]))
                )
            runs.append(took)
    return dict(totals)


def lines(totals: dict[tuple[str, str], Account]) -> Iterator[str]:
    """Yield the table, one line per scenario and rule."""
    yield f"{'scenario':34}{'rule':26}{'saving':>8}{'missed':>8}"
    for (scenario, rule), account in totals.items():
        saving = 100 * (1 - account.emitted / account.at_once)
        missed = 100 * account.missed / account.jobs
        yield f"{scenario:34}{rule:26}{saving:7.2f}%{missed:7.2f}%"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--stride", type=int, default=3)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    traces = [read_trace(path).trace for path in sorted(arguments.traces.glob("*.csv"))]
    totals: dict[tuple[str, str], Account] = defaultdict(Account)
    with ProcessPoolExecutor(arguments.processes) as workers:
        for part in workers.map(partial(replay, stride=arguments.stride), traces):
            for key, account in part.items():
                totals[key].add(account)
    jobs = next(iter(totals.values())).jobs
    print(f"{len(traces)} traces, {jobs} jobs in each line; saving against running at once")
    print("\n".join(lines(totals)))


if __name__ == "__main__":
    main()
