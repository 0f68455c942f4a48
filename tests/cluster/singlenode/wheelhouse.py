"""Wheelhouses: the directories that the images are built from, without a network.

The dependencies of an image are fetched once per version of its pins; the project's own wheel is
built from the tree, once per content.
"""

import os
import shutil
import sys
from pathlib import Path

from singlenode import cache
from singlenode.commands import run
from singlenode.layout import REPOSITORY, Layout
from singlenode.progress import Progress

PACKAGES = (
    "lowtide",
    "operator/lowtide_operator",
    "exporter/lowtide_exporter",
    "trainer/lowtide_trainer",
)


def project_wheel(layout: Layout, progress: Progress) -> Path:
    """Return the directory with the wheel of the tree as it is now; its name is its key."""
    key = cache.tree_digest(
        [REPOSITORY / "pyproject.toml", *(REPOSITORY / package for package in PACKAGES)],
        base=REPOSITORY,
    )

    def build(directory: Path, _lock: int) -> None:
        progress.step("building the project's wheel")
        run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel",
             "--directory", directory],
            directory=REPOSITORY,
            timeout_seconds=300,
        )  # fmt: skip

    return cache.entry(layout.cache / "project-wheel", key, build)


def dependencies(pins: str, python: str, layout: Layout, progress: Progress) -> Path:
    """Return the directory with the wheels that `pins` lists, for Python `python`."""
    tool = REPOSITORY / "tools" / "images" / "wheels.py"
    requirements = REPOSITORY / "tools" / "images" / "requirements" / f"{pins}.txt"

    def build(directory: Path, _lock: int) -> None:
        progress.step(f"fetching the wheels of {pins} for Python {python}")
        run(
            [sys.executable, tool, requirements, directory, "--python", python],
            timeout_seconds=1800,
        )

    key = cache.digest([python, requirements])
    return cache.entry(layout.cache / "wheels" / pins, key, build)


def assemble(directory: Path, needed: Path, wheel: Path) -> None:
    """Lay out the context of an image build in `directory`, by links: wheels may be gigabytes."""
    shutil.copytree(needed, directory / "dependencies", copy_function=os.link)
    shutil.copytree(wheel, directory / "application", copy_function=os.link)
