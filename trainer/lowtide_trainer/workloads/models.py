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
    build: Callable[[int, int], nn.Module]
    """Returns the network for a number of classes and a side of the images in pixels."""
    image_size: int
    """Side of an image in pixels; of a network for text, the tokens of a sequence."""
    minimum_image_size: int
    """Smallest side that the network accepts, in pixels."""
    size_step: int = 1
    """The side must be a multiple of it."""
    reads_text: bool = False
    """It takes sequences of tokens and guesses each next one."""
    batch_size: int = 16
    learning_rate: float = 1e-3
    """Highest rate of the one-cycle schedule."""
    norm_momentum: float = 0.2
    """Weight of the newest batch in the running means of batch normalisation."""


def _inceptionv3(classes: int, _: int) -> nn.Module:
    # Importing torchvision takes a second, and only the two large networks need it.
    from torchvision.models import inception_v3

    # The auxiliary classifier pools windows that images below 299 pixels do not have. The
    # published initialisation by truncated normals is slow; torch's default learns as well.
    network: nn.Module = inception_v3(
        weights=None, num_classes=classes, aux_logits=False, init_weights=False
    )
    return network


def _of_torchvision(name: str) -> Callable[[int, int], nn.Module]:
    """Return a builder of a network that needs no further choice, as torchvision calls it."""

    def build(classes: int, _: int) -> nn.Module:
        from torchvision.models import get_model

        network: nn.Module = get_model(name, weights=None, num_classes=classes)
        return network

    return build


def _vit_b_16(classes: int, image_size: int) -> nn.Module:
    from torchvision.models import vit_b_16

    network: nn.Module = vit_b_16(weights=None, num_classes=classes, image_size=image_size)
    return network


def _transformer(classes: int, length: int) -> nn.Module:
    from lowtide_trainer.workloads.language import LanguageModel

    return LanguageModel(vocabulary=classes, length=length)


def _tiny(classes: int, _: int = 0) -> nn.Module:
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
            *(
                Workload(
                    name=name,
                    build=_of_torchvision(called),
                    image_size=image_size,
                    minimum_image_size=32,
                )
                for name, called, image_size in (
                    ("densenet121", "densenet121", 75),
                    ("densenet169", "densenet169", 75),
                    ("vgg19", "vgg19", 64),
                    ("resnet50", "resnet50", 64),
                    ("mobilenetv2", "mobilenet_v2", 64),
                    ("mobilenetv3", "mobilenet_v3_large", 64),
                    ("efficientnetb0", "efficientnet_b0", 64),
                )
            ),
            Workload(
                name="vit_b_16",
                build=_vit_b_16,
                image_size=64,
                minimum_image_size=16,
                size_step=16,
                learning_rate=3e-4,
            ),
            Workload(
                name="transformer",
                build=_transformer,
                image_size=64,
                minimum_image_size=2,
                reads_text=True,
                learning_rate=3e-3,
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
