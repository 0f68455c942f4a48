"""The planner beside published ways to run training when power is clean, on recorded grids.

    python benchmarks/planning/rivals.py TRACES [--prices PRICES] [--most 2] [--efficiency 0.9]

TRACES and PRICES are the folders of carbon_and_cost.py. Jobs are those of acceptance.py (24 h at
one replica, one every 11 h), the forecast is strict, a resume and a change of size cost 15 minutes
of energy at the new size. Savings are in grams against running at once with one replica, in
percent, with 90 % intervals from a bootstrap of weeks. Rivals follow their publications as they are
read here, and are not their authors' code:

* price-only: the planner itself, minimising money, at a fixed size; prices known a day ahead.
* CarbonScaler: Hanafy et al. 2023, "CarbonScaler: Leveraging Cloud Workload Elasticity for
  Optimizing Carbon-Efficiency", arXiv 2302.08681: replicas are given to the slots with most work
  per gram until the work is done. It gets the planner's own forecasts, anew in every slot.
* LACS: Bostandoost et al. 2024, "LACS: Learning-Augmented Algorithms for Carbon-Aware Resource
  Scaling with Uncertain Demand", arXiv 2404.15211, which knows neither the length nor a forecast.
  Its parts are online conversions with switching costs (Lechowicz et al. 2023, "Online Conversion
  with Switching Costs", arXiv 2310.20598), for the predicted length, here the true one, and for the
  longest, here half as long again; the size is the mean of both. Its own weights and predictions
  are not reproduced. Bounds of the intensity are those of the last four weeks.
* compute-gardener: its published experiment of October 2025 (compute-gardener.com, "Making ML
  Training Carbon-Aware", part 1): four jobs of an hour a day in California, each started once the
  intensity is at most 200 g/kWh, its default, or after 24 h. Submission times are not published;
  here every six hours from 4:00 local time, because its manifest starts one job at 3:55.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.backtest import rivals, rolling
from lowtide.backtest.elastic import ElasticJobs, elastic, optimum
from lowtide.backtest.files import read_trace
from lowtide.backtest.policies import COST, PolicyReplay
from lowtide.backtest.price_files import read_prices, with_prices
from lowtide.backtest.trace import BacktestTrace, Case, Ints, Views, fused_views
from lowtide.backtest.trial import resumes
from lowtide.planning.elastic import Elastic

Array = npt.NDArray[np.float64]

LENGTH: Final = 24
SLACKS: Final = (2, 24)
RESTART: Final = 0.25
LONGEST: Final = 1.5
"""Longest job that LACS reckons with, by the true length."""
BOUNDS_HOURS: Final = 672
JOBS_A_WEEK: Final = 15
RESAMPLES: Final = 1000
GARDENER_GRAMS: Final = 200.0
GARDENER_HOURS_UTC: Final = (5, 11, 17, 23)
DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Saving:
    """Saving in percent with a 90 % interval, and jobs that missed their deadline."""

    policy: str
    percent: float
    low: float
    high: float
    missed: int = 0


def saving(policy: str, grams: Array, at_once: Array, missed: int, block: int) -> Saving:
    """Return the saving of the sums over jobs; the interval is that of resampled blocks."""
    rng = np.random.default_rng(0)
    blocks = np.array_split(np.arange(len(grams)), max(1, len(grams) // block))
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(blocks), len(blocks))
        rows = np.concatenate([blocks[place] for place in chosen])
        drawn.append(1 - grams[rows].sum() / at_once[rows].sum())
    low, high = np.quantile(drawn, (0.05, 0.95))
    total = 1 - grams.sum() / at_once.sum()
    return Saving(policy, 100 * float(total), 100 * float(low), 100 * float(high), missed)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes from 0 on, with what an hour at each does and costs."""

    speeds: Array
    powers: Array

    @classmethod
    def of(cls, sizes: Elastic) -> "Sizes":
        """Return the sizes with that of rest."""
        return cls(np.array((0.0, *sizes.speeds)), np.array((0.0, *sizes.powers)))


def carbon_scaler(sizes: Sizes, costs: Array, left: float) -> int:
    """Return the size now: replicas go to where one more does most work per gram."""
    gains = np.diff(sizes.speeds)
    per_gram = gains[None, :] / (np.maximum(costs, 1e-9)[:, None] * np.diff(sizes.powers))
    order = np.argsort(-per_gram, axis=None, kind="stable")
    done = np.cumsum(np.broadcast_to(gains, per_gram.shape).ravel()[order])
    taken = order[: int(np.searchsorted(done, left - 1e-9)) + 1]
    return int((taken < len(gains)).sum())


def conversion_ratio(low: float, high: float, switching: float) -> float:
    """Return the competitive ratio of online conversion between two bounds of the price.

    It is where the threshold of the last unit is the lower bound and one switch.
    """

    def excess(inverse: float) -> float:
        rise = (high * inverse - high + 2 * switching) * np.exp(inverse)
        return float(rise - (low + 2 * switching - high))

    below, above = 1e-6, 1.0
    for _ in range(80):
        middle = (below + above) / 2
        below, above = (below, middle) if excess(middle) > 0 else (middle, above)
    return 1 / above


def conversion(
    sizes: Sizes, price: float, bounds: tuple[float, float], done: float, length: float, size: int
) -> int:
    """Return the size that minimises the pseudo-cost of online conversion with switching costs."""
    low, high = bounds
    # Charged when a size rises and when it falls: half of what a restart costs each time.
    switching = RESTART * (low + high) / 4
    ratio = conversion_ratio(low, high, switching)
    shares = np.minimum(sizes.speeds / length, max(0.0, 1 - done / length))
    start = done / length
    rise = high / ratio - high + 2 * switching
    accepted = (high - switching) * shares + rise * ratio * (
        np.exp((start + shares) / ratio) - np.exp(start / ratio)
    )
    paid = price * sizes.powers / length
    switched = switching * np.abs(sizes.speeds - sizes.speeds[size]) / length
    return int(np.argmin(paid + switched - accepted))


def lacs(
    sizes: Sizes, price: float, bounds: tuple[float, float], done: float, before: tuple[int, int]
) -> tuple[int, int]:
    """Return the sizes of the two conversions, for the predicted and for the longest length."""
    lengths = LENGTH, LONGEST * LENGTH
    return (
        conversion(sizes, price, bounds, done, lengths[0], before[0]),
        conversion(sizes, price, bounds, done, lengths[1], before[1]),
    )


def follow(
    policy: str, trace: BacktestTrace, views: Views, sizes: Sizes, submission: int, slack: int
) -> tuple[float, bool]:
    """Return the grams of one job of a rival that changes sizes, and whether it missed."""
    left, size, grams, started = float(LENGTH), 0, 0.0, False
    pair = (0, 0)
    longest = LENGTH * (LONGEST if policy == "LACS" else 1.0)
    for slot in range(LENGTH + slack):
        t, ahead = submission + slot, LENGTH + slack - slot
        must = (longest - (LENGTH - left)) > sizes.speeds[-1] * (ahead - 1)
        if policy == "LACS":
            seen = trace.actual[t - BOUNDS_HOURS : t]
            bounds = float(max(seen.min(), 1.0)), float(seen.max())
            pair = lacs(sizes, float(trace.actual[t - 1]), bounds, LENGTH - left, pair)
            chosen = len(sizes.speeds) - 1 if must else int(np.floor(sum(pair) / 2 + 0.5))
        else:
            chosen = carbon_scaler(sizes, views.expected[t - views.first, :ahead], left)
            chosen = len(sizes.speeds) - 1 if must else chosen
        if chosen:
            hours = min(1.0, left / sizes.speeds[chosen])
            changed = started and chosen != size
            grams += trace.actual[t] * sizes.powers[chosen] * (hours + RESTART * changed)
            left -= sizes.speeds[chosen] * hours
            started = True
        size = chosen
        if left <= 1e-9:
            return grams, False
    return grams, True


def compare(sizes: Elastic, trace: BacktestTrace, slack: int) -> list[Saving]:
    """Return the saving of every policy for the jobs of one slack on one trace."""
    window = LENGTH + slack
    submissions = trace.submissions(float(window))
    first, last = int(submissions[0]), int(submissions[-1]) + window
    views = fused_views(trace, Case.STRICT, first, last, window)
    values = trace.actual[submissions[:, None] + np.arange(window)]
    at_once = values[:, :LENGTH].sum(axis=1)
    replay = PolicyReplay(
        trace=trace, case=Case.STRICT, objective=COST, submissions=submissions, length=LENGTH,
        slack=slack, interruptible=True, resume=RESTART, intensity=views, week=False,
    )  # fmt: skip
    fixed = {
        "fixed size": rolling.interruptible(
            views, submissions, LENGTH, slack, 1.0, resume_slots=RESTART
        )
    }
    if trace.price_per_kwh is not None:
        fixed = {"price-only": replay.planned(COST)} | fixed
    found = [
        saving(name, (values * (ran + RESTART * resumes(ran))).sum(axis=1), at_once,
               int((ran.sum(axis=1) != LENGTH).sum()), JOBS_A_WEEK)
        for name, ran in fixed.items()
    ]  # fmt: skip
    every = Sizes.of(sizes)
    for name in ("CarbonScaler", "LACS"):
        jobs = [follow(name, trace, views, every, int(s), slack) for s in submissions]
        grams = np.array([grams for grams, _ in jobs])
        found.append(saving(name, grams, at_once, sum(m for _, m in jobs), JOBS_A_WEEK))
    elastic_jobs = ElasticJobs(
        submissions=submissions, length=LENGTH, slack=slack, elastic=sizes, resume=RESTART,
        resize=RESTART,
    )  # fmt: skip
    for name, schedules in (
        ("elastic", elastic(views, elastic_jobs, 1.0)),
        ("best possible", optimum(trace.actual, elastic_jobs)),
    ):
        grams = (values * schedules.energy).sum(axis=1)
        found.append(saving(name, grams, at_once, schedules.unfinished, JOBS_A_WEEK))
    return found


def gardener(trace: BacktestTrace) -> list[Saving]:
    """Return the savings of four jobs of an hour a day, with a day of slack."""
    hours = np.arange(720, len(trace.actual) - 2 * DAY)
    submissions: Ints = hours[np.isin((hours + trace.first_slot_of_day) % DAY, GARDENER_HOURS_UTC)]
    views = fused_views(trace, Case.STRICT, int(submissions[0]), int(submissions[-1]) + DAY + 1, 25)
    values = trace.actual[submissions[:, None] + np.arange(DAY + 1)]
    clean = trace.actual[submissions[:, None] + np.arange(DAY + 1) - 1] <= GARDENER_GRAMS
    clean[:, DAY] = True
    schedules = {
        "compute-gardener": rivals.one_piece(np.argmax(clean, axis=1), 1, DAY + 1),
        "one piece": rolling.contiguous(views, submissions, 1, DAY, 1.0),
        "best possible": rivals.cheapest_windows(trace.actual, submissions, 1, DAY),
    }
    return [
        saving(name, (values * ran).sum(axis=1), values[:, 0], 0, 4 * 7)
        for name, ran in schedules.items()
    ]


def print_savings(name: str, found: list[Saving]) -> None:
    """Print a row of savings with their intervals."""
    cells = [
        f"{one.percent:6.1f} [{one.low:5.1f}, {one.high:5.1f}]"
        + (f" {one.missed} late" if one.missed else "")
        for one in found
    ]
    print(f"{name:12}" + "".join(f"{cell:>24}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--most", type=int, default=2)
    parser.add_argument("--efficiency", type=float, default=0.9)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    traces = [read_trace(path).trace for path in sorted(arguments.traces.glob("*.csv"))]
    if not traces:
        sys.exit(f"no CSV files in {arguments.traces}; see the head of this program for the data")
    if arguments.prices is not None:
        known = {path.stem: path for path in arguments.prices.glob("*.csv")}
        traces = [
            with_prices(one, read_prices(known[one.name])) if one.name in known else one
            for one in traces
        ]
    sizes = Elastic.per_doubling(
        1, arguments.most, arguments.efficiency, resize_cost_seconds=3600 * RESTART
    )
    tasks = list(product(traces, SLACKS))
    print(f"saving of grams in percent, 1 to {arguments.most} replicas, {arguments.efficiency:g}")
    with ProcessPoolExecutor(arguments.processes) as workers:
        results = workers.map(partial(compare, sizes), *zip(*tasks, strict=True))
        heads: list[str] = []
        for (trace, slack), found in zip(tasks, results, strict=True):
            if [one.policy for one in found] != heads:
                heads = [one.policy for one in found]
                print(f"{'':12}" + "".join(f"{head:>24}" for head in heads))
            print_savings(f"{trace.name} 24/{slack}", found)
    for trace in traces:
        if trace.name == "CISO":
            found = gardener(trace)
            print("\nfour jobs of an hour a day, up to 24 h of delay")
            print(f"{'':12}" + "".join(f"{one.policy:>24}" for one in found))
            print_savings(trace.name, found)


if __name__ == "__main__":
    main()
