"""Seconds of every epoch of real trainings on this machine's CPU, for coverage.py.

    .venv/bin/python benchmarks/prediction/record.py benchmarks/prediction/recorded.csv

Small networks on the digits that scikit-learn ships, each trained in this process from a cold
start of its own: the first epochs hold allocations, thread pools and lazily loaded kernels, and
other work on the machine leaves its traces in the later ones.
"""

import csv
import random
import subprocess
import sys
import time
from pathlib import Path

RUNS = 24
EPOCHS = 40

NETS = {
    "linear": "nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))",
    "convolution": (
        "nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))"
    ),
    "attention": (
        "nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(8, 2, 32, batch_first=True),"
        " nn.Flatten(), nn.Linear(64, 10))"
    ),
}
PROGRAM = """
import sys, time
import torch
from sklearn.datasets import load_digits
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(int(sys.argv[1]))
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
labels = torch.tensor(digits.target)
net = NET
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(int(sys.argv[2])):
    began = time.monotonic()
    for at in range(0, len(images), 64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images[at:at + 64]), labels[at:at + 64]).backward()
        optimizer.step()
    print(f"{time.monotonic() - began:.4f}", flush=True)
"""


def main():
    """Write one row per epoch."""
    with Path(sys.argv[1]).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["run", "net", "epoch", "seconds"])
        for run in range(RUNS):
            name = list(NETS)[run % len(NETS)]
            program = PROGRAM.replace("NET", NETS[name])
            arguments = [sys.executable, "-c", program, str(run), str(EPOCHS)]
            done = subprocess.run(arguments, check=True, capture_output=True, text=True)
            for epoch, seconds in enumerate(done.stdout.split(), start=1):
                table.writerow([run, name, epoch, seconds])
            time.sleep(random.Random(run).uniform(0, 2))


if __name__ == "__main__":
    main()
