"""What 100,000 hostile specs cost the operator: a sentence, 50 ms of CPU and 1 MiB each at most.

    python benchmarks/operator/hostile.py --specs 100000

Each spec is made from its number (tests/standins/episodes/hostile.py): values of other types, other
millennia, huge and negative numbers, deep and wide templates, and all of these mixed. It is kept,
parsed, decided and turned into a Job as the operator does it. The exit code is 1 if one costs more.
"""

import argparse
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from standins.episodes.hostile import handle, hostile_body

MOST_SECONDS = 0.05
MOST_BYTES = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    slowest, largest, broken = (0.0, -1), (0, -1), 0
    for number in range(options.first, options.first + options.specs):
        body = hostile_body(number)
        # Tracing allocations costs more than the work, so every tenth is traced and not timed.
        traced = number % 10 == 0
        if traced:
            tracemalloc.start()
        began = time.process_time()
        try:
            handle(body)
        except Exception as error:
            broken += 1
            print(f"spec {number}: {error!r}")
        seconds = time.process_time() - began
        if traced:
            largest = max(largest, (tracemalloc.get_traced_memory()[1], number))
            tracemalloc.stop()
        else:
            slowest = max(slowest, (seconds, number))
    print(f"{options.specs} specs, {broken} failed")
    print(f"slowest: {1000 * slowest[0]:.1f} ms (spec {slowest[1]})")
    print(f"largest: {largest[0] / 1024:.0f} KiB (spec {largest[1]})")
    return int(bool(broken) or slowest[0] > MOST_SECONDS or largest[0] > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
