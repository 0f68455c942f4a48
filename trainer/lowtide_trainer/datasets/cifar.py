"""CIFAR-10 and CIFAR-100 in the files of their authors, which are pickles.

A pickle may run any code. These are read by an unpickler that knows arrays of numbers and plain
values only, so a file from anywhere is data or an error.
Source of the form: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lowtide_trainer.data import DataSet, bounded, fingerprint, shuffled
from lowtide_trainer.errors import DataError

SIDE: Final = 32
FORMS: Final[Mapping[str, tuple[str, str, int, str]]] = {
    "data_batch_1": ("data_batch_*", "test_batch", 10, "CIFAR-10"),
    "train": ("train", "test", 100, "CIFAR-100"),
}
"""First file of a form: pattern of the training files, the test file, classes, and the name."""
LABELS: Final = (b"labels", b"fine_labels")
FILE_MAX_BYTES: Final = 1 << 28
"""The largest real file, the training part of CIFAR-100, has 155 MB."""
_HARMLESS: Final = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _NumbersOnly(pickle.Unpickler):
    """An unpickler of arrays and plain values; it refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no CIFAR file needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


class PixelImages:
    """Images of 32 by 32 pixels (N, 3, 32, 32) in bytes, scaled batch by batch."""

    def __init__(self, pixels: Tensor, labels: Tensor, image_size: int) -> None:
        self._pixels = pixels
        self._labels = labels
        self._size = (image_size, image_size)

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the images and labels at `indices`."""
        chosen = torch.tensor(indices, dtype=torch.int64)
        images = self._pixels[chosen].float() / 127.5 - 1
        if images.shape[-2:] != self._size:
            images = interpolate(images, size=self._size, mode="bilinear", align_corners=False)
        return images, self._labels[chosen]


def form_of(folder: Path) -> str | None:
    """Return the first file of the form that a folder holds, or `None` if it is not CIFAR."""
    return next((first for first in FORMS if (folder / first).is_file()), None)


def load_cifar(
    folder: Path,
    first: str,
    *,
    image_size: int,
    samples: int | None,
    validation_samples: int | None,
    seed: int,
) -> DataSet:
    """Return the data set in the files of a folder; its test part validates.

    Raises:
        DataError: a file is missing, is not of this form, or holds other images.
    """
    pattern, test, classes, name = FORMS[first]
    files = sorted(folder.glob(pattern))
    parts = [_read(path, classes) for path in files]
    pixels = torch.cat([part[0] for part in parts])
    labels = torch.cat([part[1] for part in parts])
    test_pixels, test_labels = _read(folder / test, classes)
    train = shuffled(len(labels), seed)[:samples]
    held_out = shuffled(len(test_labels), seed)[:validation_samples]
    bounded(len(train), len(held_out), str(folder))
    return DataSet(
        name=name,
        classes=classes,
        train=PixelImages(pixels[train], labels[train], image_size),
        validation=PixelImages(test_pixels[held_out], test_labels[held_out], image_size),
        fingerprint=fingerprint([name, *map(str, (*train, -1, *held_out))]),
    )


def _read(path: Path, classes: int) -> tuple[Tensor, Tensor]:
    """Return the pixels (N, 3, 32, 32) and the labels (N,) of one file."""
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise DataError(f"{path} has more than {FILE_MAX_BYTES} bytes: no CIFAR file has")
        with path.open("rb") as file:
            content = _NumbersOnly(file, encoding="bytes").load()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except DataError:
        raise
    except Exception as error:
        # Damaged bytes raise almost anything.
        raise DataError(f"{path} is not a file of CIFAR: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a file of CIFAR: it holds no dictionary")
    pixels = content.get(b"data")
    labels = next((content[key] for key in LABELS if key in content), None)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise DataError(f"{path} is not a file of CIFAR: its data is not rows of bytes")
    if pixels.shape[1] != 3 * SIDE * SIDE or not isinstance(labels, list):
        raise DataError(
            f"{path} has rows of {pixels.shape[1]} bytes, and images of CIFAR have 3072"
        )
    if len(labels) != len(pixels) or not all(
        type(label) is int and 0 <= label < classes for label in labels
    ):
        raise DataError(f"{path} needs one label from 0 to {classes - 1} for each image")
    images = torch.from_numpy(pixels.reshape(-1, 3, SIDE, SIDE).copy())
    return images, torch.tensor(labels, dtype=torch.int64)
