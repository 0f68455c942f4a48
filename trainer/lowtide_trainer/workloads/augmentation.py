"""Augmentation of training images, as the usual recipes have it: a shifted crop and a mirror image.

What is drawn follows from the seed, the epoch and the batch alone, so that a resumed training draws
the same and a checkpoint needs no word about it.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

PADDED_SHARE = 8
"""An image is shifted by at most an eighth of its side: 4 of 32 pixels, as for CIFAR."""


def crop_and_mirror(images: Tensor, *, seed: int, batch: int) -> Tensor:
    """Return the images (N, 3, H, W), shifted by chance and every second one mirrored.

    What a shift uncovers is 0, the middle of the values. `batch` counts all batches of a training.
    """
    # Both numbers make the generator's seed; 64 bits hold a seed of 32 and four billion batches.
    generator = torch.Generator().manual_seed((seed % 2**31) << 32 | batch % 2**32)
    count, _, height, width = images.shape
    margin = max(1, min(height, width) // PADDED_SHARE)
    shifts = torch.randint(0, 2 * margin + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand((count, 1), generator=generator) < 0.5
    rows = shifts[0] + torch.arange(height)
    columns = shifts[1] + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    padded = pad(images, (margin,) * 4)
    one = torch.arange(count)[:, None, None]
    # Indices around the slice of the colours put those last.
    return padded[one, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
