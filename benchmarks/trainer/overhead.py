"""What reporting costs: CPU time of a step with and without it, start, memory and one checkpoint.

    .venv/bin/pip install -r benchmarks/trainer/rivals.txt
    .venv/bin/python benchmarks/trainer/overhead.py

A loop of small steps is run in blocks, alternating in random order between no tool, Lowtide, and
the rivals, each doing its real work in the same process. CPU time of the whole process counts, so
what a tool does in a thread of its own is in it. Blocks are paired with the block without a tool
of the same round; rounds go on until the 95 % interval of the mean difference is narrower than
0.5 % of a step, or the time is over: then the interval is printed as it is.
"""

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import lowtide_trainer

STEPS = 50
BATCH = torch.randn(64, 1024)


def make_step():
    """Return a training step of about ten milliseconds, as a small model on one core has."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(),
                        nn.Linear(1024, 10))  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step(batch):
        optimizer.zero_grad()
        net(batch).square().mean().backward()
        optimizer.step()

    return step


def bare(step):
    """Train a block without any tool."""
    for batch in [BATCH] * STEPS:
        step(batch)


class Lowtide:
    """A run of one epoch, whose report is written within the block."""

    def __init__(self, stack):
        self._run = stack.enter_context(lowtide_trainer.run(model="small"))
        self._epochs = self._run.epochs()

    def __call__(self, step):
        """Train a block with the tool."""
        next(self._epochs)
        for batch in self._run.batches([BATCH] * STEPS):
            step(batch)
        self._run.epoch(accuracy=0.5, loss=0.5)


class CodeCarbon:
    """codecarbon's tracker, which measures every second in a thread and at the block's end."""

    def __init__(self, stack):
        from codecarbon import OfflineEmissionsTracker

        self._make = lambda: OfflineEmissionsTracker(
            country_iso_code="DEU", measure_power_secs=1, save_to_file=False, log_level="error"
        )
        self._tracker = self._make()
        self._tracker.start()
        stack.callback(self._tracker.stop)

    def __call__(self, step):
        """Train a block with the tool."""
        bare(step)
        self._tracker.flush()


class CarbonTracker:
    """carbontracker, which measures in a thread and at the end of each epoch."""

    def __init__(self, stack):
        from carbontracker.tracker import CarbonTracker as Tracker

        self._tracker = Tracker(
            epochs=10**6, monitor_epochs=-1, update_interval=1, verbose=0, log_dir=None
        )
        stack.callback(self._tracker.stop)

    def __call__(self, step):
        """Train a block with the tool."""
        self._tracker.epoch_start()
        bare(step)
        self._tracker.epoch_end()


def interval(values):
    """Return mean and half width of the 95 % interval of paired differences."""
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5
    return statistics.fmean(values), half


def overheads(tools, seconds):
    """Print the relative CPU time that each tool adds to a step.

    A tool is opened and closed outside the timed block: what is shown is the cost of a step.
    """
    step = make_step()
    for _ in range(3):
        bare(step)
    for name, make in tools.items():
        differences = []
        end = time.monotonic() + seconds
        mean, half = 0.0, 1.0
        while len(differences) < 20 or (2 * half >= 0.005 and time.monotonic() < end):
            blocks = {}
            for kind in random.sample(("with", "without"), 2):
                with contextlib.ExitStack() as stack:
                    block = make(stack) if kind == "with" else bare
                    began = time.process_time()
                    block(step)
                    blocks[kind] = time.process_time() - began
            differences.append(blocks["with"] / blocks["without"] - 1)
            if len(differences) > 1:
                mean, half = interval(differences)
        print(f"{name:14} {mean:+.2%} ± {half:.2%} of a step, {len(differences)} pairs of blocks")


def per_batch():
    """Print the CPU time that a batch and an epoch cost by themselves, without any training."""
    batches = [BATCH] * 20_000
    with lowtide_trainer.run(model="small", epochs=1) as run:
        for _ in run.epochs():
            began = time.process_time()
            for _ in run.batches(batches):
                pass
            middle = time.process_time()
            run.epoch(accuracy=0.5)
            ended = time.process_time()
    batch_microseconds = (middle - began) / len(batches) * 1e6
    epoch_milliseconds = (ended - middle) * 1e3
    print(
        f"lowtide        {batch_microseconds:.1f} us a batch, {epoch_milliseconds:.2f} ms an epoch"
    )


def checkpoint():
    """Print how long a pause takes with a model of 25 million parameters and its optimiser."""
    net = nn.Linear(5000, 5000)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(1, 5000)).sum().backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with (
            contextlib.suppress(SystemExit),
            lowtide_trainer.run(state=[net, optimizer], checkpoints=folder, epochs=1) as run,
        ):
            for _ in run.epochs():
                for _ in run.batches([BATCH]):
                    began = time.monotonic()
                    os.kill(os.getpid(), 15)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"checkpoint     {time.monotonic() - began:.2f} s from SIGTERM, {size / 1e6:.0f} MB")


START = """
import os, time
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
before, began = resident(), time.process_time()
import lowtide_trainer
run = lowtide_trainer.run(model="mine").__enter__()
seconds = time.process_time() - began
print(seconds, resident() - before)
"""


def start():
    """Print what importing and opening a run cost, in a bare interpreter and beside torch."""
    for name, first in (("bare Python", ""), ("beside torch", "import torch\n")):
        found = []
        for _ in range(5):
            result = subprocess.run([sys.executable, "-c", first + START], capture_output=True,
                                    text=True, check=True)  # fmt: skip
            found.append(tuple(map(float, result.stdout.split())))
        seconds, kibibytes = map(statistics.median, zip(*found, strict=True))
        print(f"start          {seconds * 1000:.1f} ms of CPU time, {kibibytes:.0f} KiB, {name}")


def main():
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="for each tool, at most")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp()
    os.environ["LOWTIDE_REPORT_PATH"] = str(Path(folder, "report"))
    os.environ["LOWTIDE_METRICS_PORT"] = "0"
    start()
    checkpoint()
    per_batch()
    tools = {"lowtide": Lowtide, "codecarbon": CodeCarbon, "carbontracker": CarbonTracker}
    overheads(tools, seconds)


if __name__ == "__main__":
    main()
