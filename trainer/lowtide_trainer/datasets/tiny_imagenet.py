"""Tiny ImageNet in the folders in which it is downloaded.

Training images lie in `train/CLASS/images`, validation images all together in `val/images` with
their classes in `val/val_annotations.txt`: file, class and a box, separated by tabs.
"""

from pathlib import Path
from typing import Final

from lowtide_trainer.errors import DataError

ANNOTATIONS: Final = Path("val", "val_annotations.txt")


def is_tiny_imagenet(root: Path) -> bool:
    """Return whether a folder has its form."""
    return (root / ANNOTATIONS).is_file() and (root / "train").is_dir()


def validation_files(root: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Return the validation images with their labels, sorted.

    Raises:
        DataError: a line of the annotations is not of this form, or names no class of `train`.
    """
    labels = {name: label for label, name in enumerate(classes)}
    found = []
    lines = (root / ANNOTATIONS).read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        parts = line.split("\t")
        if len(parts) < 2 or parts[1] not in labels or Path(parts[0]).name != parts[0]:
            raise DataError(
                f"{root / ANNOTATIONS} line {number} is {line[:60]!r}: expected a file and a class "
                "of train, separated by a tab"
            )
        found.append((root / "val" / "images" / parts[0], labels[parts[1]]))
    return sorted(found)
