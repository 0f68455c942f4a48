"""Seconds of every epoch of real trainings on this machine's CPU, for coverage.py.

    .venv/bin/python benchmarks/prediction/record.py benchmarks/prediction/recorded.csv

Small networks on the digits that scikit-learn ships, each trained in a process of its own that has
never computed: the first epochs hold allocations and kernels that are loaded when they are first
used, and other work on the machine leaves its traces in the later ones. Two times are kept for each
epoch. `cpu_seconds` is what the energy of a training on processors goes by, which Lowtide divides
by CPU time; `seconds` is what passed, and what the energy of a device that a training holds alone
goes by. Where many programs share the cores, the second tells of them more than of the training.
"""

import csv
import multiprocessing
import sys
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

RUNS = 24
EPOCHS = 40
NETS = {
    "linear": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10)
    ),
    "convolution": lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
    ),
    "attention": lambda: nn.Sequential(
        nn.Flatten(1, 2), nn.TransformerEncoderLayer(8, 2, 32, batch_first=True),
        nn.Flatten(), nn.Linear(64, 10),
    ),
}  # fmt: skip
PASSES = {"linear": 4, "convolution": 2, "attention": 1}
"""How often an epoch passes through the images, so that all take about as long."""


def train(name, seed, digits, channel):
    """Send the seconds and CPU seconds of each epoch of a training."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    net = NETS[name]()
    optimizer = torch.optim.Adam(net.parameters())
    times = []
    for _ in range(EPOCHS):
        began, used = time.monotonic(), time.process_time()
        for at in list(range(0, len(images), 64)) * PASSES[name]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[at : at + 64]), labels[at : at + 64]).backward()
            optimizer.step()
        times.append((time.monotonic() - began, time.process_time() - used))
    channel.send(times)


def main():
    """Write one row per epoch."""
    digits, processes = load_digits(), multiprocessing.get_context("fork")
    with Path(sys.argv[1]).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["run", "net", "epoch", "seconds", "cpu_seconds"])
        for run in range(RUNS):
            name = list(NETS)[run % len(NETS)]
            here, there = processes.Pipe(duplex=False)
            process = processes.Process(target=train, args=(name, run, digits, there))
            process.start()
            for epoch, times in enumerate(here.recv(), start=1):
                table.writerow([run, name, epoch, *(f"{one:.4f}" for one in times)])
            process.join()
            file.flush()


if __name__ == "__main__":
    main()
