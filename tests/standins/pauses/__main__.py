"""Trainings that are paused, killed and robbed of a rank at random moments.

`python tests/standins/pauses KIND FIRST_SEED SEEDS`, with a kind of `trainings.LOOPS`. torch is
imported once and every attempt is forked, so hundreds of attempts take minutes. A seed that breaks
a promise is printed and the program ends with 1; of a framework alone, which promises less, what
happened is only counted.
"""

import random
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from trainings import warm_up
from trial import Tally, Trial, attempt, place


def main(kind, first, number):
    """Run trials of consecutive seeds and return what happened, or `None` without a first end."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    warm_up(kind)
    total = Tally()
    root = Path(tempfile.mkdtemp())
    try:
        whole = root / "whole"
        whole.mkdir()
        statuses, _ = attempt(kind, whole, None, 0, 1e9, random.Random(0))
        if set(statuses) != {0}:
            print((place(whole) / "output").read_text())
            return None
        expected = (place(whole) / "weights").read_text()
        for seed in range(first, first + number):
            folder = root / str(seed)
            folder.mkdir()
            tally = Trial(kind, seed, expected, folder).run()
            if tally.faults and not kind.endswith("-alone"):
                output = (place(folder) / "output").read_text()
                print(f"seed {seed}: {dict(tally.faults)}\n{output[-2000:]}", flush=True)
            total.add(tally)
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(root)
    happened = ", ".join(f"{count} {name}" for name, count in sorted(total.interruptions.items()))
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(total.faults.items()))
    print(f"{kind}: {number} trainings, {happened}: {faults or 'every promise was kept'}")
    return total


if __name__ == "__main__":
    found = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    is_broken = found is None or (found.faults and not sys.argv[1].endswith("-alone"))
    sys.exit(1 if is_broken else 0)
