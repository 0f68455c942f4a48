"""Wheelhouses: the directories that the images are built from, without a network.

The dependencies of an image are fetched once per version of `pyproject.toml` and
`constraints.txt`; the project's own wheel is built from the tree, once per content.
"""

import os
import re
import shutil
import sys
import tomllib
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


def dependencies(extras: tuple[str, ...], python: str, layout: Layout, progress: Progress) -> Path:
    """Return the directory with the wheels that `lowtide[extras]` needs under Python `python`."""
    requirements = required(extras)
    constraints = REPOSITORY / "constraints.txt"
    label = "-".join(extras) or "core"

    def build(directory: Path, _lock: int) -> None:
        progress.step(f"fetching the wheels of {label} for Python {python}")
        run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
             "--python-version", python, "--dest", directory, "--constraint", constraints,
             *requirements],
            timeout_seconds=1800,
        )  # fmt: skip

    key = cache.digest([python, constraints, *requirements])
    return cache.entry(layout.cache / "wheels" / label, key, build)


def required(extras: tuple[str, ...]) -> list[str]:
    """Return the requirements of `lowtide[extras]` in pyproject.toml, its own extras resolved."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found = set(project["dependencies"])
    waiting = [f"lowtide[{','.join(extras)}]"] if extras else []
    while waiting:
        match = re.fullmatch(r"lowtide\[(.+)\]", requirement := waiting.pop())
        if match is None:
            found.add(requirement)
            continue
        for extra in match[1].split(","):
            waiting += project["optional-dependencies"][extra.strip()]
    return sorted(found)


def assemble(directory: Path, needed: Path, wheel: Path) -> None:
    """Lay out the context of an image build in `directory`, by links: wheels may be gigabytes."""
    shutil.copytree(needed, directory / "dependencies", copy_function=os.link)
    shutil.copytree(wheel, directory / "application", copy_function=os.link)
