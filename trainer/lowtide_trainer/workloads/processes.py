"""Processes of one reference training: each trains on its part of every batch.

torchrun starts them and tells each its place. The gradients are averaged by torch's
DistributedDataParallel; counts, a stop and a checkpoint are agreed through `Ranks`, whose exchange
is awaited at once here, because a reference network is no place to save a millisecond.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from lowtide_trainer.ranks import Ranks, RankSums


class Processes:
    """The processes of this training as one of them sees the others; with one there are none."""

    def __init__(self, ranks: Ranks | None = None) -> None:
        self.ranks = ranks or Ranks(alone=True)

    @property
    def count(self) -> int:
        """Return the number of processes."""
        return self.ranks.size

    def part(self, places: Sequence[int]) -> list[int]:
        """Return the places in a batch that are this process's."""
        return list(places[self.ranks.rank :: self.count])

    def agreed(self, *, stop: bool, save: bool) -> RankSums:
        """Return how many processes wish for a stop or a checkpoint; the same on all of them."""
        mine = RankSums(stop=int(stop), save=int(save))
        sums = self.ranks.exchange(mine)
        return sums if self.count == 1 else self.ranks.drain()

    def added(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def averaging(self, network: nn.Module) -> nn.Module:
        """Return the network with gradients that are averaged over all processes."""
        return network if self.count == 1 else nn.parallel.DistributedDataParallel(network)

    def share_buffers(self, network: nn.Module) -> None:
        """Give all processes the running means of the first, with which it is evaluated."""
        if self.count > 1:
            for part in network.buffers():
                distributed.broadcast(part, src=0)


@contextmanager
def open_processes(environment: Mapping[str, str]) -> Iterator[Processes]:
    """Join the processes that torchrun started, if it started this one and others."""
    if int(environment.get("WORLD_SIZE") or 1) == 1:
        yield Processes()
        return
    has_gpu = torch.cuda.is_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo")
    try:
        yield Processes(Ranks())
    finally:
        distributed.destroy_process_group()
