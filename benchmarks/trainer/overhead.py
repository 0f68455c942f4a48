"""What reporting costs: CPU time of a step with and without it, start, memory and one checkpoint.

    .venv/bin/pip install -r benchmarks/trainer/rivals.txt
    PYTHONPATH=tests .venv/bin/python benchmarks/trainer/overhead.py

A loop of 250 steps of ten milliseconds, an epoch, is run in blocks, alternating in random order
between no tool and a tool, Lowtide and then the rivals, each doing its real work in the same
process: Lowtide writes its report, the rivals read a stand-in GPU. CPU time of the whole process
counts, so what a tool does in a thread of its own is in it. A step waits, as a training does for
its GPU: what the processor would compute meanwhile is in neither block and hides nothing, and on a
machine that others use the interval becomes narrow in minutes. With `--step compute` a step trains
a small network on the processor instead, which takes hundreds of times as long. Blocks are paired
with the block without a tool beside them, in rounds, until the 95 % interval of the mean is
narrower than `--width` of a step and half the mean, or the time is over: it is printed as it is.
"""

import argparse
import contextlib
import ctypes
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from standins.nvml.build import build_library
from standins.nvml.control import Control
from torch import nn

import lowtide_trainer

STEPS = 250
STEP_SECONDS = 0.01
BATCH = torch.randn(64, 1024)


def wait(batch):
    """Take a step as a training on a GPU does, for which its processor waits."""
    time.sleep(STEP_SECONDS)


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


def cpu_of_block(block, step):
    """Return the CPU seconds of a block, all threads, and what passed."""
    began, used = time.monotonic(), time.process_time()
    block(step)
    return time.process_time() - used, time.monotonic() - began


def overheads(tools, seconds, step, width):
    """Print the CPU time that each tool adds, as a share of the step.

    A tool is opened and closed outside the timed block: what is shown is the cost of a step.
    """
    for _ in range(3):
        bare(step)
    for name, make in tools.items():
        differences, cpu_of_steps = [], []
        end = time.monotonic() + seconds
        mean, half = 0.0, 1.0
        while len(differences) < 12 or (
            not (2 * half < width and half < max(mean, 0) / 2) and time.monotonic() < end
        ):
            blocks = {}
            for kind in random.sample(("with", "without"), 2):
                with contextlib.ExitStack() as stack:
                    block = make(stack) if kind == "with" else bare
                    blocks[kind], _ = cpu_of_block(block, step)
            step_seconds = STEP_SECONDS if step is wait else blocks["without"] / STEPS
            differences.append((blocks["with"] - blocks["without"]) / STEPS / step_seconds)
            cpu_of_steps.append(blocks["without"] / STEPS)
            if len(differences) > 1:
                mean, half = interval(differences)
        print(
            f"{name:14} {mean:+.3%} ± {half:.3%} of a step, {len(differences)} pairs of blocks, "
            f"{statistics.fmean(cpu_of_steps) * 1e3:.2f} ms CPU time in a step without it",
            flush=True,
        )


def per_batch():
    """Print the CPU time of a batch and an epoch by themselves: no training, with warm caches."""
    batches = [(BATCH, BATCH)] * 20_000
    of_batches, of_epochs = [], []
    with lowtide_trainer.run(model="small", epochs=20) as run:
        for _ in run.epochs():
            began = time.process_time()
            for _ in run.batches(batches):
                pass
            middle = time.process_time()
            run.epoch(accuracy=0.5)
            of_batches.append((middle - began) / len(batches) * 1e6)
            of_epochs.append((time.process_time() - middle) * 1e3)
    print(
        f"lowtide        {min(of_batches):.2f} us a batch, {min(of_epochs):.2f} ms an epoch, least "
        "of 20 epochs",
        flush=True,
    )


def checkpoint():
    """Print how long a pause takes with a model of 25 million parameters and its optimiser.

    The same number of bytes is written and flushed plainly before and after: how fast this disk
    is, and how much of it and of the processor others use at the time.
    """
    net = nn.Linear(5000, 5000)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(1, 5000)).sum().backward()
    optimizer.step()
    plain, pauses = [plain_write(300_000_000)], []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            began = used = 0.0
            with (
                contextlib.suppress(SystemExit),
                lowtide_trainer.run(state=[net, optimizer], checkpoints=folder, epochs=1) as run,
            ):
                for _ in run.epochs():
                    for _ in run.batches([BATCH]):
                        began, used = time.monotonic(), time.process_time()
                        os.kill(os.getpid(), 15)
            pauses.append((time.monotonic() - began, time.process_time() - used))
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
        plain.append(plain_write(300_000_000))
    seconds, cpu = zip(*pauses, strict=True)
    print(
        f"checkpoint     {statistics.median(seconds):.2f} s from SIGTERM (longest "
        f"{max(seconds):.2f}), {statistics.median(cpu):.2f} s of CPU time, {size / 1e6:.0f} MB; "
        f"a plain write of as much {statistics.median(plain):.2f} s (longest {max(plain):.2f})",
        flush=True,
    )


def plain_write(size):
    """Return the seconds that writing and flushing this many bytes takes."""
    block = os.urandom(1_000_000)
    with tempfile.TemporaryFile() as file:
        began = time.monotonic()
        for _ in range(size // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return time.monotonic() - began


MEMORY = """
import os, time
def resident(name="VmRSS"):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1])
resident()
"""
IMPORT = f"""{MEMORY}
before, began = resident(), time.process_time()
import lowtide_trainer
print(time.process_time() - began, resident() - before, resident("VmHWM") - before)
"""
START = f"""{MEMORY}
before, began = resident(), time.process_time()
import lowtide_trainer
with lowtide_trainer.run(model="mine", epochs=1) as run:
    seconds = time.process_time() - began
    print(seconds, resident() - before, resident("VmHWM") - before)
"""
EPOCH = f"""{MEMORY}
before, began = resident(), time.process_time()
import lowtide_trainer
with lowtide_trainer.run(model="mine", epochs=1) as run:
    for _ in run.epochs():
        for _ in run.batches([[1, 2]]):
            pass
        run.epoch(accuracy=0.5)
    seconds = time.process_time() - began
    print(seconds, resident() - before, resident("VmHWM") - before)
"""
TRACED = """
import tracemalloc
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
import lowtide_trainer
with lowtide_trainer.run(model="mine", epochs=1) as run:
    now, peak = tracemalloc.get_traced_memory()
    print(0, (now - before) / 1024, (peak - before) / 1024)
"""
INTERPRETERS = 20


def start():
    """Print what importing, and importing and opening a run, cost; median and most of many starts.

    Each is a fresh interpreter, with a report file and a port as in a pod; memory is what is
    resident beyond what the interpreter had, now and at most. What the first epoch loads of the
    standard library has mostly been loaded by whatever a training imports.
    """
    compiling = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        compiling["LOWTIDE_METRICS_PORT"] = str(free.getsockname()[1])
    modules = "dataclasses, datetime, enum, json, logging, pathlib, re, signal, threading, typing"
    for name, program in (
        ("import alone, bare Python", IMPORT),
        ("import and start, bare Python", START),
        ("the same as Python counts its objects (tracemalloc)", TRACED),
        ("import, start and first epoch, bare Python", EPOCH),
        (
            "import, start and first epoch, beside the standard library",
            f"import {modules}\n{EPOCH}",
        ),
        ("import and start, beside torch", f"import torch\n{START}"),
        ("import, start and first epoch, beside torch", f"import torch\n{EPOCH}"),
    ):
        found = []
        for _ in range(INTERPRETERS):
            result = subprocess.run([sys.executable, "-c", program], capture_output=True,
                                    env=compiling, text=True, check=True)  # fmt: skip
            found.append(tuple(map(float, result.stdout.split())))
        seconds, kibibytes, peaks = zip(*found, strict=True)
        print(
            f"start          {statistics.median(seconds) * 1000:.1f} ms of CPU time (most "
            f"{max(seconds) * 1000:.1f}), {statistics.median(kibibytes):.0f} KiB (peak "
            f"{statistics.median(peaks):.0f}, most {max(peaks):.0f}), {name}",
            flush=True,
        )


@contextlib.contextmanager
def stand_in(folder):
    """Give this process a stand-in GPU, and nvidia-smi, which codecarbon looks for."""
    library, control = build_library(), Control.create(folder / "nvml.state", gpus=1)
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)  # found again by its name
    (folder / "nvidia-smi").write_text("#!/bin/sh\n")
    (folder / "nvidia-smi").chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    os.environ["LOWTIDE_MOCK_STATE"] = str(control.path)
    yield
    control.close()


def main():
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="for each tool, at most")
    parser.add_argument("--step", choices=("wait", "compute"), default="wait")
    parser.add_argument("--only", choices=("start", "checkpoint"), help="this measurement alone")
    parser.add_argument("--width", type=float, default=0.005, help="of the interval, of a step")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp()
    os.environ["LOWTIDE_REPORT_PATH"] = str(Path(folder, "report"))
    os.environ["LOWTIDE_METRICS_PORT"] = "0"
    if options.only:
        {"start": start, "checkpoint": checkpoint}[options.only]()
        return
    start()
    checkpoint()
    per_batch()
    tools = {"lowtide": Lowtide, "codecarbon": CodeCarbon, "carbontracker": CarbonTracker}
    step = wait if options.step == "wait" else make_step()
    with stand_in(Path(folder)):
        overheads(tools, options.seconds, step, options.width)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
