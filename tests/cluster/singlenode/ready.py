"""Everything that a cluster with the project's own images needs, made side by side.

Compiling takes processors, images take disk and network: on two cores a first build of both is
a fifth shorter than one after the other.
"""

import sys

from singlenode import binaries, images, packages
from singlenode.commands import beside
from singlenode.layout import SOURCES, Layout
from singlenode.progress import Progress


def provide(
    layout: Layout, progress: Progress
) -> tuple[binaries.Binaries, dict[str, images.Image]]:
    """Return all programs and all images, made on first use.

    Raises:
        ClusterError: one of them cannot be made.
    """
    quiet = ["--quiet"] if progress.silent else []
    packages.install(progress)  # by one of the two: the package manager serves one at a time
    with beside([sys.executable, SOURCES, *quiet, "images"]):
        programs = binaries.provide(layout, progress)
    return programs, images.build(images.RECIPES, layout, progress)
