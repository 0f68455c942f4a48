"""All promises about joules in one run: jobs, shared GPUs, a day of faults. Prints verdicts.

Ends with 1 where one is not kept. What it costs to keep them is in cost.py.

Run: PYTHONPATH=tests python benchmarks/exporter/promises.py [--jobs 100] [--hours 24]
"""

import argparse
import logging
import sys

from accuracy import print_jobs, run_day
from sharing import print_shares


def main() -> int:
    """Print all tables and return the exit code."""
    logging.disable(logging.WARNING)  # the faults are deliberate
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="jobs of 75 s for each row")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the day of faults")
    options = parser.parse_args()
    kept = [print_jobs(options.jobs), print_shares(), run_day(seconds=3600 * options.hours)]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
