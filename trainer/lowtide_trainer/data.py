"""Data to train on: the UCI digits that scikit-learn ships, made-up data, or the user's own files.

Nothing is downloaded; a folder is taken for what its files are. The seed splits training from
validation images, which do not depend on the number of training images, so accuracies of short and
long runs are comparable. Every image has three channels with values from -1 to 1.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate

from lowtide_trainer.errors import DataError

DIGITS: Final = "digits"
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
VALIDATION_SHARE: Final = 0.2
"""Share of a folder's images that validate, where the folder has no `val`."""
DIGITS_VALIDATION_SAMPLES: Final = 256
"""A standard error of at most 3 points, in a sixth of the time that all other digits would take."""


class Images(Protocol):
    """A set of labelled images of one size."""

    def __len__(self) -> int:
        """Return the number of images."""

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, size, size) as float32 and labels (N,) as int64, on the CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Images to train on and images to validate with.

    `fingerprint` changes with the images or their split: a checkpoint resumes only on equal data.
    """

    name: str
    classes: int
    train: Images
    validation: Images
    fingerprint: str


class DigitImages:
    """Digits of 8 by 8 grey pixels (N, 8, 8), values 0 to 1, enlarged batch by batch.

    They are kept small because 512 of them at 299 pixels would need 550 MB.
    """

    def __init__(self, pixels: Tensor, labels: Tensor, image_size: int) -> None:
        self._pixels = pixels
        self._labels = labels
        self._image_size = image_size

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the images and labels at `indices`."""
        chosen = torch.tensor(indices, dtype=torch.int64)
        grey = self._pixels[chosen].unsqueeze(1) * 2 - 1
        size = (self._image_size, self._image_size)
        large = interpolate(grey, size=size, mode="bilinear", align_corners=False)
        return large.expand(-1, 3, -1, -1).contiguous(), self._labels[chosen]


class FileImages:
    """Images in files, decoded batch by batch in several threads."""

    def __init__(self, files: Sequence[tuple[Path, int]], image_size: int, threads: int) -> None:
        self._files = tuple(files)
        self._image_size = image_size
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self._files)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the images and labels at `indices`.

        Raises:
            DataError: a file is not an image.
        """
        chosen = [self._files[index] for index in indices]
        images = torch.stack(list(self._pool.map(self._decode, (path for path, _ in chosen))))
        return images, torch.tensor([label for _, label in chosen], dtype=torch.int64)

    def _decode(self, path: Path) -> Tensor:
        """Return one image, scaled so that its shorter side fits, then cropped to the centre."""
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read as an image: {error}") from error
        size = self._image_size
        scale = size / min(image.size)
        width, height = (max(size, round(side * scale)) for side in image.size)
        left, top = (width - size) // 2, (height - size) // 2
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.float32)
        return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)


def load_data(
    source: str,
    *,
    image_size: int,
    samples: int | None,
    validation_samples: int | None,
    seed: int,
    threads: int,
    reads_text: bool = False,
) -> DataSet:
    """Return the digits, made-up data, or the images or the text at the path `source`.

    `image_size` is the side of an image, or the tokens of a sequence.

    `samples` and `validation_samples` are upper bounds; `None` takes all images (of the digits,
    256 for validation and all others for training).

    Raises:
        DataError: the path does not exist, has too few samples, or a file is not of its form.
    """
    # The modules of single forms need what is defined here.
    from lowtide_trainer.datasets import cifar, synthetic, text

    path = Path(source)
    if source == synthetic.SYNTHETIC:
        return synthetic.load_synthetic(
            size=image_size,
            samples=samples,
            validation_samples=validation_samples,
            seed=seed,
            reads_text=reads_text,
        )
    if reads_text:
        if not path.is_file():
            raise DataError(f"a network for text reads a text file or synthetic, not {source}")
        return text.load_text(
            path,
            length=image_size,
            samples=samples,
            validation_samples=validation_samples,
            seed=seed,
        )
    if source == DIGITS:
        return _load_digits(image_size, samples, validation_samples, seed)
    if (first := cifar.form_of(path)) is not None:
        return cifar.load_cifar(
            path,
            first,
            image_size=image_size,
            samples=samples,
            validation_samples=validation_samples,
            seed=seed,
        )
    return _load_folder(Path(source), image_size, samples, validation_samples, seed, threads)


def _load_digits(
    image_size: int, samples: int | None, validation_samples: int | None, seed: int
) -> DataSet:
    table = torch.from_numpy(_read_digits())
    pixels, labels = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].to(torch.int64)
    order = shuffled(len(labels), seed)
    wanted = DIGITS_VALIDATION_SAMPLES if validation_samples is None else validation_samples
    validation, train = _split(order, wanted, samples, DIGITS)

    def images(indices: list[int]) -> DigitImages:
        return DigitImages(pixels[indices], labels[indices], image_size)

    return DataSet(
        name=DIGITS,
        classes=10,
        train=images(train),
        validation=images(validation),
        fingerprint=fingerprint([f"{index}" for index in (*train, -1, *validation)]),
    )


def _read_digits() -> NDArray[np.float32]:
    """Return the digits (1797, 65): 64 pixels from 0 to 16, then the label.

    They are read from scikit-learn's file and not by its `load_digits`: importing scikit-learn
    also imports scipy and takes four CPU seconds, at every start and every resume.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("the digits come with scikit-learn, which is not installed")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        return np.loadtxt(path, delimiter=",", dtype=np.float32)
    except OSError as error:
        raise DataError(f"scikit-learn's digits cannot be read from {path}: {error}") from error


def _load_folder(
    root: Path,
    image_size: int,
    samples: int | None,
    validation_samples: int | None,
    seed: int,
    threads: int,
) -> DataSet:
    if not root.is_dir():
        raise DataError(f"data folder {root} does not exist: give an existing folder, or {DIGITS}")
    from lowtide_trainer.datasets.tiny_imagenet import is_tiny_imagenet, validation_files

    own_split = (root / "train").is_dir() and (root / "val").is_dir()
    classes = _class_names(root / "train" if own_split else root)
    if own_split:
        found = _files(root / "train", classes)
        is_tiny = is_tiny_imagenet(root)
        held_out = validation_files(root, classes) if is_tiny else _files(root / "val", classes)
        train = [found[index] for index in shuffled(len(found), seed)[:samples]]
        validation = [held_out[i] for i in shuffled(len(held_out), seed)[:validation_samples]]
        bounded(len(train), len(validation), str(root))
    else:
        found = _files(root, classes)
        wanted = validation_samples or max(1, round(len(found) * VALIDATION_SHARE))
        held_back, used = _split(shuffled(len(found), seed), wanted, samples, str(root))
        train, validation = [found[i] for i in used], [found[i] for i in held_back]
    names = [f"{path.relative_to(root)}:{label}" for path, label in (*train, *validation)]
    return DataSet(
        name=root.resolve().name,
        classes=len(classes),
        train=FileImages(train, image_size, threads),
        validation=FileImages(validation, image_size, threads),
        fingerprint=fingerprint([*names, f"{len(train)}"]),
    )


def _class_names(folder: Path) -> list[str]:
    """Return the sorted names of the sub-folders: the position of a name is its label."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(classes) < 2:
        raise DataError(
            f"data folder {folder} has {len(classes)} sub-folders: it needs one of images for each "
            "class, at least two"
        )
    return classes


def _files(folder: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """Return the image files of each class with its label, sorted."""
    found = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise DataError(
            f"data folder {folder} has no images: files ending in {', '.join(sorted(SUFFIXES))}"
        )
    return found


def shuffled(count: int, seed: int) -> list[int]:
    """Return the numbers below `count` in an order that follows from the seed."""
    order: list[int] = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return order


def _split(
    order: list[int], validation_samples: int, samples: int | None, name: str
) -> tuple[list[int], list[int]]:
    """Return the indices for validation, then those for training."""
    rest = len(order) - validation_samples
    if rest < max(samples or 0, 2):
        raise DataError(
            f"{name} has {len(order)} images: {validation_samples} for validation and "
            f"{samples or 2} for training are too many"
        )
    validation, train = order[:validation_samples], order[validation_samples:]
    return validation, train[:samples]


def fingerprint(parts: Sequence[str]) -> str:
    """Return a short text that changes with any of the parts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def bounded(train: int, validation: int, name: str) -> None:
    """Refuse a data set that is too small.

    Raises:
        DataError: fewer than two samples to train on, or none to validate with.
    """
    if train < 2 or validation < 1:
        raise DataError(
            f"{name} has {train} samples in train and {validation} to validate with: it needs at "
            "least 2 and 1"
        )
