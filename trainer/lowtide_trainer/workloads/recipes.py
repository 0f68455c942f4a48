"""Recipes of optimisation: the optimiser, and how its learning rate changes from step to step."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

Recipe = Callable[[nn.Module, float, int], tuple[Optimizer, LRScheduler]]
"""Takes the network, the highest learning rate and the number of steps."""
SGD_RATE_PER_SAMPLE: Final = 0.1 / 256
"""Learning rate of SGD for each sample of a batch: 0.1 at 256, as for residual networks."""


def _adamw(network: nn.Module, rate: float, steps: int) -> tuple[Optimizer, LRScheduler]:
    # Fused is one pass over the weights: InceptionV3 needs 20 ms a step on a CPU core, not 80.
    optimizer = AdamW(network.parameters(), lr=rate, fused=True)
    return optimizer, OneCycleLR(optimizer, max_lr=rate, total_steps=steps)


def _sgd(network: nn.Module, rate: float, steps: int) -> tuple[Optimizer, LRScheduler]:
    optimizer = SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    return optimizer, CosineAnnealingLR(optimizer, T_max=steps)


RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType({"adamw": _adamw, "sgd": _sgd})
"""AdamW with a one-cycle schedule for short runs; SGD with momentum and a cosine for long ones."""
