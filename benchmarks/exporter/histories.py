"""Random histories of a node, beyond the two thousand of the test suite.

`histories.py` lives through `--count` histories from seed `--from` and prints each seed at which a
promise of the exporter is broken; `histories.py --seed N` shows one of them in full.
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from standins.histories.history import History


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="number of histories")
    parser.add_argument("--from", dest="first", type=int, default=10_000, help="first seed")
    parser.add_argument("--seed", type=int, help="one seed, shown in full")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    os.fsync = lambda _: None  # no history crashes the machine, so nothing need reach the disk
    seeds = [options.seed] if options.seed is not None else None
    broken = 0
    with tempfile.TemporaryDirectory() as directory:
        for seed in seeds or range(options.first, options.first + options.count):
            history = History(seed, Path(directory))
            told = history.run()
            if seeds:
                _show(history, told)
            broken += bool(history.faults)
            for fault in history.faults:
                print(f"seed {seed}: {fault}", flush=True)
    print(f"{broken} broken histories")
    return 1 if broken else 0


def _show(history: History, told: list) -> None:
    for spell in history.node.spells:
        print(spell)
    for item in told:
        print(
            f"{item.pod}: true {item.true_joules:.1f} J, told {item.joules} J, coverage "
            f"{item.coverage:.4f}, {sorted(item.qualities)}, ends uncertain by "
            f"{item.uncertain_joules:.0f} J"
        )


if __name__ == "__main__":
    sys.exit(main())
