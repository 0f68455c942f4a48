"""Hundreds of trainings that are paused, killed and robbed of a rank at random moments.

`python benchmarks/trainer/pauses.py [SEEDS]` plays every kind of which `make test` plays a few
seeds, and the same trainings with transformers and Lightning alone. One line for each kind says how
often each promise was broken. Making pods needs root.
"""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "tests" / "standins" / "pauses"
KINDS = (
    "plain",
    "ddp",
    "pods",
    "hugging-face",
    "hugging-face-ddp",
    "hugging-face-alone",
    "lightning",
    "lightning-alone",
)


def main(seeds: int) -> int:
    """Play all kinds and return the number of kinds that broke a promise."""
    results = [
        subprocess.run([sys.executable, str(PROGRAM), kind, "0", str(seeds)], check=False)
        for kind in KINDS
    ]
    return sum(result.returncode != 0 for result in results)


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)))
