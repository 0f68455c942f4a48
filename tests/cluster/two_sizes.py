"""Training of an elastic Job, started by torchrun in each of its pods; argument: the folder to use.

However many workers the rendezvous found, they sum their gradients through gloo and share the
samples. Every batch keeps a core busy for a while, which is what the stand-in for GPUs turns into
power. A pause saves, and the next start goes on with as many workers as it has.
"""

import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import lowtide_trainer

EPOCHS, SAMPLES, BATCH = 24, 320, 8
BATCH_SECONDS = 0.25
"""240 seconds of work for one worker."""


def main():
    """Train with the workers that are there, and write down how many they were."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    torch.manual_seed(7)
    data = TensorDataset(torch.randn(SAMPLES, 6), torch.randint(0, 3, (SAMPLES,)))
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    loader = DataLoader(data, BATCH, sampler=DistributedSampler(data, size, rank, seed=3))
    model = nn.parallel.DistributedDataParallel(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    if rank == 0:
        with (folder / "sizes").open("a") as sizes:
            sizes.write(f"{size}\n")
    with lowtide_trainer.run(
        model="two-sizes",
        epochs=EPOCHS,
        state=[model, optimizer],
        checkpoints=folder / "checkpoints",
        checkpoint_seconds=1e9,
    ) as run:
        for _epoch in run.epochs():
            for inputs, targets in run.batches(loader):
                until = time.monotonic() + BATCH_SECONDS
                while time.monotonic() < until:
                    pass
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
            run.epoch(accuracy=0.5)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
