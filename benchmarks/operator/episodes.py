"""Whether the operator keeps its promises whatever happens: 20,000 episodes in virtual time.

    python benchmarks/operator/episodes.py --episodes 20000 --processes 2

Each episode lets users act, things fail and operators die for four virtual hours, then checks the
promises in the calm (tests/standins/episodes/episode.py). Seeds that break one are printed with
their story, and the exit code is 1. In every second episode Prometheus misses scrapes too. With
`--budgets` jobs have budgets and are predicted (tests/standins/episodes/budgets.py), with
`--elastic` most of them change their size (tests/standins/episodes/elastic.py).
"""

import argparse
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from standins.episodes.budgets import BudgetEpisode
from standins.episodes.elastic import ElasticEpisode
from standins.episodes.episode import BrokenPromiseError, Episode, play

TOGETHER = 20


def some(first: int, *, kind: type[Episode]) -> list[str]:
    """Return the stories of the episodes from `first` on that broke a promise."""
    logging.disable(logging.CRITICAL)
    broken = []
    for seed in range(first, first + TOGETHER):
        try:
            play(seed, has_gaps=bool(seed % 2), kind=kind)
        except BrokenPromiseError as error:
            broken.append(str(error))
        except Exception as error:
            broken.append(f"seed {seed}: {error!r}")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    kinds = parser.add_mutually_exclusive_group()
    for name, kind in (("--budgets", BudgetEpisode), ("--elastic", ElasticEpisode)):
        kinds.add_argument(name, dest="kind", action="store_const", const=kind, default=Episode)
    options = parser.parse_args()
    began, broken = time.monotonic(), 0
    seeds = range(options.first, options.first + options.episodes, TOGETHER)
    with ProcessPoolExecutor(options.processes) as pool:
        for stories in pool.map(partial(some, kind=options.kind), seeds):
            for story in stories:
                broken += 1
                print(story, flush=True)
    seconds = time.monotonic() - began
    print(f"{options.episodes} episodes in {seconds:.0f} s, {broken} broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
