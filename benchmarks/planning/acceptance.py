"""The planner on the reference traces, row by row beside a reference.

    python benchmarks/planning/acceptance.py TRACES [--processes 2]

TRACES is a folder with the files CISO, DE, ERCO, ISNE, PJM and SE (.csv) of the data set DACF:
`time,actual_g_per_kwh,day_ahead_forecast_g_per_kwh`, July to December 2021 (the columns of
`data/<R>/<R>_carbon_from_src_prod_forecasts_direct.csv` in carbonfirst/DACF on GitHub, commit
bde6227, Apache-2.0; one region is in examples/traces). `reference.csv` holds the savings of a
faithful implementation of the method without the additions recorded in docs/decisions.

The last line is the verdict. It is not met, and the program ends with 1, where a row falls short
of the reference by more than 0.1 points, a mean by more than rounding, a rival is better by more
than 0.3 points on any row, a job misses its deadline, or a row of the reference is missing.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean

from lowtide.backtest.files import read_trace
from lowtide.backtest.policies import BEST_WINDOW, CLAIRVOYANT, LOWTIDE, THRESHOLD
from lowtide.backtest.trace import LONGEST_WINDOW_HOURS, BacktestTrace, Case, fused_views
from lowtide.backtest.trial import (
    Backtest,
    JobClass,
    run_backtest,
    sees_week,
)

CLASSES = [
    JobClass(length_hours=length, slack_hours=slack, interruptible=pauses)
    for length, slack, pauses in product((4, 24), (24, 168), (True, False))
]
ROW_TOLERANCE = 0.1
MEAN_TOLERANCE = 0.05
"""The reference is rounded to 0.1."""
RIVAL_MARGIN = 0.3


def replay(trace: BacktestTrace, case: Case) -> list[Backtest]:
    """Return all classes on one trace; those with equal input share the fused forecasts."""
    submissions = trace.submissions(LONGEST_WINDOW_HOURS)
    first, last = int(submissions[0]), int(submissions[-1]) + LONGEST_WINDOW_HOURS
    views = {
        week: fused_views(trace, case, first, last, LONGEST_WINDOW_HOURS, week=week)
        for week in (False, True)
    }
    return [run_backtest(trace, one, case, views[sees_week(one)]) for one in CLASSES]


def read_reference() -> dict[tuple[str, float, float, bool, str], float]:
    """Return the reference savings by trace, length, slack, pausing and case."""
    with (Path(__file__).parent / "reference.csv").open(newline="") as file:
        return {
            (row["trace"], float(row["length_hours"]), float(row["slack_hours"]), pauses, case): (
                float(row[f"{'pausing' if pauses else 'contiguous'}_{case}"])
            )
            for row in csv.DictReader(file)
            for pauses in (True, False)
            for case in ("none", "strict", "rolling")
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: our saving, the reference, the best rival's lead, missed deadlines."""

    name: str
    ours: float
    reference: float
    lead: float
    missed: int


def print_row(result: Backtest, reference: float) -> Row:
    """Print one row and return its part in the verdict."""
    job, policies = result.job_class, result.policies
    ours = policies[LOWTIDE].saving_percent
    rivals = {name: policies[name].saving_percent for name in (BEST_WINDOW, THRESHOLD)}
    kind = "pausing" if job.interruptible else "contiguous"
    name = f"{result.trace} {job.length_hours:g}/{job.slack_hours:g}"
    print(
        f"{name:12} {kind:10} {result.case:8}"
        f"{ours:7.2f}{reference:7.1f}{ours - reference:+7.2f}"
        f"{rivals[BEST_WINDOW]:8.2f}{rivals[THRESHOLD]:8.2f}"
        f"{policies[CLAIRVOYANT].saving_percent:8.2f}{policies[LOWTIDE].restarts_per_job:7.2f}"
    )
    lead, missed = max(rivals.values()) - ours, policies[LOWTIDE].missed_deadlines
    return Row(f"{name} {kind} {result.case}", ours, reference, lead, missed)


def faults(case: Case, rows: list[Row]) -> list[str]:
    """Print the means of a case and return what is wrong with its rows, in sentences."""
    ours, target = mean(row.ours for row in rows), mean(row.reference for row in rows)
    highest, missed = max(rows, key=lambda row: row.lead), sum(row.missed for row in rows)
    print(
        f"{case}: mean {ours:.2f} against {target:.2f}, best rival's lead {highest.lead:+.2f} "
        f"({highest.name}), {missed} missed deadlines\n"
    )
    found = [
        f"{row.name} saves {row.ours:.2f} instead of {row.reference:.1f}"
        for row in rows
        if not row.ours >= row.reference - ROW_TOLERANCE
    ]
    found += [
        f"a rival leads by {row.lead:.2f} on {row.name}" for row in rows if row.lead > RIVAL_MARGIN
    ]
    if not ours >= target - MEAN_TOLERANCE:
        found.append(f"the mean of {case} is {ours:.2f} instead of {target:.2f}")
    if missed:
        found.append(f"{missed} jobs of {case} miss their deadline")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    files = sorted(arguments.traces.glob("*.csv"))
    if not files:
        sys.exit(f"no CSV files in {arguments.traces}; see the head of this program for the data")
    tasks = [(read_trace(path).trace, case) for case in Case for path in files]
    print(
        "saving in percent; r = 15 min      ours    ref   diff  window  thresh  optimum  restarts"
    )
    with ProcessPoolExecutor(arguments.processes) as workers:
        results = [one for part in workers.map(replay, *zip(*tasks, strict=True)) for one in part]
    reference = read_reference()
    found, seen = [], set()
    for case in Case:
        rows = []
        for result in (one for one in results if one.case is case):
            job = result.job_class
            key = (result.trace, job.length_hours, job.slack_hours, job.interruptible, case.value)
            seen.add(key)
            rows.append(print_row(result, reference.get(key, float("nan"))))
        found += faults(case, rows)
    missing = reference.keys() - seen
    found += [f"{len(missing)} rows of the reference were not replayed"] if missing else []
    optimum = mean(one.policies[CLAIRVOYANT].saving_percent for one in results)
    print(f"{len(results)} rows; the optimum's mean is {optimum:.2f}")
    print("verdict: " + ("NOT met: " + "; ".join(found) if found else "met"))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
