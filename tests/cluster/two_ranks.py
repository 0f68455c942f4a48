"""One rank of a training in two pods, run in each of them, and on this machine to compare with.

The ranks sum their gradients through gloo and train by the run's own lines. Arguments: the folder
to write to, and the address of the first rank. In its first start rank 0 waits in the middle of a
batch until it is told to stop, after a checkpoint that took long; in its second start rank 1 waits
there to be killed; the third one trains to the end. So each start is interrupted at a known batch
however fast the machine is. An undisturbed training waits nowhere.
"""

import hashlib
import os
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import lowtide_trainer

EPOCHS, SAMPLES, BATCH, RANKS = 3, 160, 8, 2
SAVING_SECONDS = 12.0
"""How long the first checkpoint takes."""
PAUSED, KILLED = 1, 2
"""The starts that are interrupted."""
WAITS = {PAUSED: (0, 4), KILLED: (1, 2)}
"""The rank that waits in a start, and in which of its batches: after the first checkpoint, which
is written after the second batch."""
GIVES_UP_SECONDS = 600.0


class SlowState:
    """An object of the training whose state takes long to write, the first time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def state_dict(self):
        """Return nothing, late."""
        time.sleep(self.seconds)
        self.seconds = 0.0
        return {}

    def load_state_dict(self, state):
        """Take nothing."""


def train(folder, rank, start):
    """Train, and wait where this start is to be interrupted."""
    torch.manual_seed(7)
    data = TensorDataset(torch.randn(SAMPLES, 6), torch.randint(0, 3, (SAMPLES,)))
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    loader = DataLoader(data, BATCH, sampler=DistributedSampler(data, RANKS, rank, seed=3))
    model = nn.parallel.DistributedDataParallel(net)
    slow = SlowState(SAVING_SECONDS if start == PAUSED else 0.0)
    with lowtide_trainer.run(
        model="two-pods",
        epochs=EPOCHS,
        state=[model, optimizer, slow],
        checkpoints=folder / f"checkpoints-{rank}",
        checkpoint_seconds=0.0 if start == PAUSED else 1e9,
    ) as run:
        for _epoch in run.epochs():
            for number, (inputs, targets) in enumerate(run.batches(loader)):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
                wait(run, folder, rank, start, number)
            run.epoch(accuracy=0.5)
    if rank == 0:
        weights = b"".join(part.numpy().tobytes() for part in net.state_dict().values())
        (folder / "weights").write_text(hashlib.sha256(weights).hexdigest())


def wait(run, folder, rank, start, number):
    """Wait inside a batch: for the word to stop, or to be killed."""
    if WAITS.get(start) != (rank, number):
        return
    (folder / f"waits-{start}").touch()
    until = time.monotonic() + GIVES_UP_SECONDS
    while time.monotonic() < until and not (start == PAUSED and run.stop_requested):
        time.sleep(0.05)


def main():
    """Train as the rank that the pod's index names, and write down how this process leaves."""
    folder, address = Path(sys.argv[1]), sys.argv[2]
    rank = int(os.environ["JOB_COMPLETION_INDEX"])
    start = 1 + len([*folder.glob(f"started-{rank}-*")])
    (folder / f"started-{rank}-{start}").touch()
    if "--undisturbed" in sys.argv:
        start = 0
    torch.set_num_threads(1)
    status = 1
    try:
        torch.distributed.init_process_group(
            "gloo",
            init_method=f"tcp://{address}",
            rank=rank,
            world_size=RANKS,
            timeout=timedelta(seconds=GIVES_UP_SECONDS),
        )
        train(folder, rank, start)
        status = 0
    except SystemExit as leaving:
        status = leaving.code
        raise
    finally:
        (folder / f"left-{rank}-{start}").write_text(str(status))
    with suppress(RuntimeError):  # The other rank may have left already.
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
