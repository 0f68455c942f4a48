"""Data that is made up: for measuring what a network costs where no data set is at hand.

Images are noise around a colour of their class, sequences follow a fixed chain of tokens with
errors, so a network learns something and its accuracy means nothing beyond that.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from lowtide_trainer.data import DataSet, bounded, fingerprint

SYNTHETIC: Final = "synthetic"
CLASSES: Final = 10
VOCABULARY: Final = 64
TRAIN_SAMPLES: Final = 1_024
VALIDATION_SAMPLES: Final = 256
ERROR_SHARE: Final = 0.1


class MadeUpImages:
    """Images that follow from the seed and their number, made when they are asked for."""

    def __init__(self, count: int, image_size: int, seed: int) -> None:
        self._count = count
        self._size = image_size
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the images and labels at `indices`."""
        images, labels = [], []
        for index in indices:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + index)
            label = index % CLASSES
            colour = torch.tensor([label % 3 - 1, label // 3 % 3 - 1, label // 9 - 0.5])
            noise = torch.randn(3, self._size, self._size, generator=generator)
            images.append((colour[:, None, None] * 0.5 + noise * 0.5).clamp(-1, 1))
            labels.append(label)
        return torch.stack(images), torch.tensor(labels, dtype=torch.int64)


class MadeUpSequences:
    """Sequences in which token t is followed by 5t + 1, but for one error in ten."""

    def __init__(self, count: int, length: int, seed: int) -> None:
        self._count = count
        self._length = length
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return tokens (N, T) and the token after each, (N, T)."""
        rows = []
        for index in indices:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + index)
            errors = torch.rand(self._length + 1, generator=generator) < ERROR_SHARE
            drawn = torch.randint(VOCABULARY, (self._length + 1,), generator=generator).tolist()
            token, row = drawn[0], []
            for wrong, other in zip(errors.tolist(), drawn, strict=True):
                row.append(token)
                token = other if wrong else (5 * token + 1) % VOCABULARY
            rows.append(row)
        tokens = torch.tensor(rows, dtype=torch.int64)
        return tokens[:, :-1], tokens[:, 1:]


def load_synthetic(
    *,
    size: int,
    samples: int | None,
    validation_samples: int | None,
    seed: int,
    reads_text: bool,
) -> DataSet:
    """Return made-up images, or sequences for a network that reads text.

    Raises:
        DataError: too few samples are asked for.
    """
    kind = MadeUpSequences if reads_text else MadeUpImages
    count = TRAIN_SAMPLES if samples is None else samples
    held_out = VALIDATION_SAMPLES if validation_samples is None else validation_samples
    bounded(count, held_out, SYNTHETIC)
    return DataSet(
        name=SYNTHETIC,
        classes=VOCABULARY if reads_text else CLASSES,
        train=kind(count, size, 2 * seed),
        validation=kind(held_out, size, 2 * seed + 1),
        fingerprint=fingerprint([SYNTHETIC, kind.__name__, str(seed), str(count), str(held_out)]),
    )
