"""Reference networks: how each is built, and settings with which it learns well in a short run.

Weights are random and nothing is downloaded. The defaults are tuned for a demonstration of a few
epochs on the digits, with one CPU core.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A network and its defaults."""

    name: str
    build: Callable[[int], nn.Module]
    """Returns the network for a number of classes."""
    image_size: int
    """Side of an image in pixels."""
    minimum_image_size: int
    """Smallest side that the network accepts, in pixels."""
    batch_size: int = 16
    learning_rate: float = 1e-3
    """Highest rate of the one-cycle schedule."""
    norm_momentum: float = 0.2
    """Weight of the newest batch in the running means of batch normalisation."""


def _inceptionv3(classes: int) -> nn.Module:
    # Importing torchvision takes a second, and only the two large networks need it.
    from torchvision.models import inception_v3

    # The auxiliary classifier pools windows that images below 299 pixels do not have. The
    # published initialisation by truncated normals is slow; torch's default learns as well.
    network: nn.Module = inception_v3(
        weights=None, num_classes=classes, aux_logits=False, init_weights=False
    )
    return network


def _densenet121(classes: int) -> nn.Module:
    from torchvision.models import densenet121

    network: nn.Module = densenet121(weights=None, num_classes=classes)
    return network


def _tiny(classes: int) -> nn.Module:
    """Return a network that trains in seconds and has all that makes an exact resume hard."""
    return nn.Sequential(
        nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(64, classes),
    )


WORKLOADS: Final[Mapping[str, Workload]] = MappingProxyType(
    {
        workload.name: workload
        for workload in (
            Workload(
                name="inceptionv3",
                build=_inceptionv3,
                image_size=75,
                minimum_image_size=75,
            ),
            Workload(
                name="densenet121",
                build=_densenet121,
                image_size=75,
                minimum_image_size=32,
            ),
            Workload(
                name="tiny",
                build=_tiny,
                image_size=16,
                minimum_image_size=8,
                learning_rate=1e-2,
            ),
        )
    }
)
