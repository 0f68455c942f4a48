"""Runs that are killed by kill -9 at seeded moments: what of their measurement is lost.

    PYTHONPATH=tests .venv/bin/python benchmarks/local/kills.py [RUNS]

Each run is sampled every second, as by default, and killed within two seconds after its first
line. Printed are the seconds between the last sample and the kill, and how far the joules are from
the stand-in's truth (300 W) up to that sample. On a busy machine a sample comes late.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

from standins.kills import kill_measured_run
from standins.nvml.build import build_library
from standins.nvml.control import Control

from lowtide.local.samples_file import read_samples
from lowtide.local.store import RunStore

RUNS, WATTS = 200, 300
A_SECOND = 1.05
"""One sample's distance, and what a sample itself takes."""


def main() -> int:
    """Kill the runs and print what is lost; return 1 for a run, or more than a second of one."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    lost_seconds, differences, lost_runs = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        control = Control.create(place / "state", gpus=1)
        gpu = control.gpu(0)
        gpu.high_watts = gpu.mid_watts = gpu.low_watts = WATTS
        environment = {
            "LOWTIDE_MOCK_STATE": os.fspath(place / "state"),
            "LOWTIDE_NVML_LIBRARY": os.fspath(build_library()),
            "LOWTIDE_ALLOW_MOCK": "1",
        }
        store = RunStore(place / "lowtide" / "runs")
        for seed in range(runs):
            name = f"run-{seed}"
            killed_at = kill_measured_run(seed, environment, place, name, interval=1, latest=2)
            attempts = read_samples(store.samples_path(name))
            if len(attempts) != 1 or not store.holds(name):
                lost_runs += 1
                print(f"seed {seed}: the run is lost")
                continue
            (attempt,) = attempts
            lost_seconds.append(killed_at - attempt.last_seen)
            joules = sum(attempt.samples[-1][1].values()) / 1000 if attempt.samples else 0.0
            differences.append(joules - WATTS * (attempt.last_seen - attempt.started_at))
            if lost_seconds[-1] > A_SECOND:
                print(f"seed {seed}: {lost_seconds[-1]:.2f} s are lost")
        del gpu
        control.close()
    late = sum(seconds > A_SECOND for seconds in lost_seconds)
    median, longest = statistics.median(lost_seconds), max(lost_seconds)
    print(f"{runs} runs killed, {lost_runs} lost; more than {A_SECOND} s lost in {late}")
    print(f"seconds lost: median {median:.2f}, most {longest:.2f}")
    print(f"joules up to the last sample: at most {max(map(abs, differences)):.0f} J off")
    return 1 if lost_runs or late else 0


if __name__ == "__main__":
    raise SystemExit(main())
