"""The planner by carbon and cost together, on recorded grids with their day-ahead prices.

    python benchmarks/planning/carbon_and_cost.py TRACES PRICES [--price-per-tonne 100] [--every 11]

TRACES is the folder of acceptance.py; PRICES holds a file of the same name for each grid that has
prices: `time,usd_per_mwh` (or another currency), every hour of the trace. One data set is
`data/electricity_prices/standardized` in HewlettPackard/green-dcc on GitHub (commit 3f6ea95), cut
to the hours of the traces; look up the terms of the markets before passing it on.

Prices are known at noon (UTC) for the next day, the intensity forecast is strict or rolling, jobs
are those of acceptance.py. `--every 1` submits one every hour: eleven times the jobs, so that a
lead which a few of them make by chance shrinks. The last line is the verdict. It is not met, and
the program ends with 1, where the mean reach is below 88 % (rolling) or 80 % (strict), a rival is
better by more than 0.3 points of the objective on any row, or a job misses its deadline.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean

from lowtide.backtest.files import read_trace
from lowtide.backtest.policies import (
    BEST_WINDOW,
    CARBON_ONLY,
    CLAIRVOYANT,
    LOWTIDE,
    PRICE_ONLY,
    THRESHOLD,
)
from lowtide.backtest.price_files import read_prices, with_prices
from lowtide.backtest.trace import (
    HOURS_BETWEEN_SUBMISSIONS,
    LONGEST_WINDOW_HOURS,
    BacktestTrace,
    Case,
    fused_views,
)
from lowtide.backtest.trial import Backtest, JobClass, run_backtest, sees_week
from lowtide.planning import Objective, ObjectiveKind

CLASSES = [
    JobClass(length_hours=length, slack_hours=slack, interruptible=pauses)
    for length, slack, pauses in product((4, 24), (24, 168), (True, False))
]
RIVALS = (BEST_WINDOW, THRESHOLD, PRICE_ONLY, CARBON_ONLY)
LEAST_REACH = {Case.STRICT: 80.0, Case.ROLLING: 88.0}
RIVAL_MARGIN = 0.3


def replay(objective: Objective, trace: BacktestTrace, case: Case) -> list[Backtest]:
    """Return all classes on one trace."""
    submissions = trace.submissions(LONGEST_WINDOW_HOURS)
    first, last = int(submissions[0]), int(submissions[-1]) + LONGEST_WINDOW_HOURS
    views = {
        week: fused_views(trace, case, first, last, LONGEST_WINDOW_HOURS, week=week)
        for week in (False, True)
    }
    return [
        run_backtest(trace, one, case, views[sees_week(one, objective)], objective)
        for one in CLASSES
    ]


def print_row(result: Backtest) -> str:
    """Print one row and return its name."""
    job, scores = result.job_class, result.policies
    kind = "pausing" if job.interruptible else "contiguous"
    name = f"{result.trace} {job.length_hours:g}/{job.slack_hours:g} {kind} {result.case}"
    ours = scores[LOWTIDE]
    savings = "".join(
        f"{scores[policy].objective_saving_percent:9.2f}"
        for policy in (*RIVALS, LOWTIDE, CLAIRVOYANT)
    )
    print(
        f"{name:34}{savings}{ours.reach_percent or 0.0:8.1f}"
        f"{ours.saving_percent:8.1f}{ours.money_saving_percent or 0.0:8.1f}"
    )
    return name


def faults(case: Case, results: list[Backtest]) -> list[str]:
    """Print the rows of a case and return what is wrong with them, in sentences."""
    found = []
    for result in results:
        name, scores = print_row(result), result.policies
        best = max(RIVALS, key=lambda rival: scores[rival].objective_saving_percent)
        lead = scores[best].objective_saving_percent - scores[LOWTIDE].objective_saving_percent
        if lead > RIVAL_MARGIN:
            found.append(f"{best} leads by {lead:.2f} on {name}")
        if scores[LOWTIDE].missed_deadlines:
            found.append(f"{scores[LOWTIDE].missed_deadlines} jobs miss their deadline on {name}")
    reach = mean(result.policies[LOWTIDE].reach_percent or 0.0 for result in results)
    print(f"{case}: mean reach {reach:.2f} %\n")
    if reach < LEAST_REACH[case]:
        found.append(f"the mean reach of {case} is {reach:.1f} %")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path)
    parser.add_argument("prices", type=Path)
    parser.add_argument("--price-per-tonne", type=float, default=100.0)
    parser.add_argument(
        "--every",
        type=int,
        default=HOURS_BETWEEN_SUBMISSIONS,
        metavar="HOURS",
        help="hours from one submission to the next (default: %(default)s)",
    )
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    if arguments.every < 1:
        parser.error(f"--every is {arguments.every}: jobs are whole hours apart, one or more")
    objective = Objective(ObjectiveKind.BOTH, arguments.price_per_tonne)
    traces = [
        replace(
            with_prices(read_trace(path).trace, read_prices(arguments.prices / path.name)),
            hours_between_submissions=arguments.every,
        )
        for path in sorted(arguments.traces.glob("*.csv"))
        if (arguments.prices / path.name).exists()
    ]
    if not traces:
        sys.exit("no grid has both a trace and prices; see the head of this program for the data")
    cases = list(LEAST_REACH)
    tasks = [(trace, case) for case in cases for trace in traces]
    print(
        f"{'saving of the objective in percent':34}{'window':>9}{'thresh':>9}{'price':>9}"
        f"{'carbon':>9}{'ours':>9}{'optimum':>9}{'reach':>8}{'grams':>8}{'money':>8}"
    )
    with ProcessPoolExecutor(arguments.processes) as workers:
        parts = list(workers.map(partial(replay, objective), *zip(*tasks, strict=True)))
    found = []
    for case in cases:
        found += faults(case, [one for part in parts for one in part if one.case is case])
    print("verdict: " + ("NOT met: " + "; ".join(found) if found else "met"))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
