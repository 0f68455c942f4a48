"""The project's own images, from its own Dockerfile, for the cluster of this machine.

An image is named by the hash of everything that it is made from: an unchanged tree builds
nothing, and a changed one can never run as an old image under the same name.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from singlenode import baseimage, binaries, cache, mounts, ocilayout, packages, wheelhouse
from singlenode.commands import run
from singlenode.errors import CommandFailedError
from singlenode.layout import REPOSITORY, Layout
from singlenode.progress import Progress

REPOSITORY_PREFIX = "lowtide.dev"

_DOCKERFILE = REPOSITORY / "tools" / "images" / "Dockerfile"
_RUNTIME = REPOSITORY / "tools" / "images" / "runtime.py"
_EPOCH_SECONDS = 1767225600  # 2026-01-01: files of equal content make equal layers

_MOST_IMAGES = 150
"""Every change of the tree adds three images of some megabytes; past this many we start anew."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one image is made: the target of the Dockerfile, and what is installed in it."""

    name: str
    target: str
    requirement: str
    pins: str
    """File of pinned wheels below `tools/images/requirements`."""
    workshop: str = "small"
    """Images of one workshop share layers, and wait for each other while they are built."""


OPERATOR = Recipe("operator", "operator", "lowtide[operator]", "operator")
EXPORTER = Recipe("exporter", "exporter", "lowtide[exporter]", "exporter")
TRAINER = Recipe("trainer", "trainer", "lowtide", "core")
"""Without torch, which pods take from the host: see `hosttorch`."""
TRAINER_WITH_TORCH = Recipe(
    "trainer-with-torch", "trainer", "lowtide[trainer]", "trainer", workshop="large"
)

RECIPES = (OPERATOR, EXPORTER, TRAINER)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was built."""

    name: str
    repository: str
    tag: str
    directory: Path
    """The OCI layout that it lies in."""

    @property
    def reference(self) -> str:
        """Name that a pod gives as its image."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class _Workshop:
    """Buildah with storage of its own, and the OCI layout that it fills; one per base image."""

    name: str
    foundation: baseimage.BaseImage
    layout: Layout

    @property
    def directory(self) -> Path:
        return self.layout.cache / "images" / f"{self.name}-{self.foundation.key}"

    @property
    def lock(self) -> Path:
        """Held while Buildah runs."""
        return self.directory / ".lock"

    def buildah(self, *arguments: str | Path) -> str:
        """Run Buildah, with all its files in this directory."""
        storage, scratch = self.directory / "storage", self.directory / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        return run(
            ["buildah", "--root", storage / "root", "--runroot", storage / "run", *arguments],
            environment={"TMPDIR": str(scratch)},
            timeout_seconds=3600,
        )

    def image(self, name: str, repository: str, tag: str) -> Image:
        return Image(name, repository, tag, self.directory / "oci")

    def push(self, local: str, image: Image) -> None:
        self.buildah("push", local, f"oci:{image.directory}:{image.reference}")


def base(layout: Layout, progress: Progress) -> Image:
    """Return the base image itself: a small Debian with Python, for pods of tests."""
    packages.install(progress)
    workshop = _Workshop("small", baseimage.provide(layout, progress), layout)
    image = workshop.image("base", baseimage.NAME, workshop.foundation.key)
    with cache.lock(workshop.lock):
        if ocilayout.find(image.directory, image.reference) is None:
            _pull_base(workshop)
            workshop.push(workshop.foundation.reference, image)
    return image


def build(recipes: Iterable[Recipe], layout: Layout, progress: Progress) -> dict[str, Image]:
    """Return the images by name, building those that the cache lacks."""
    packages.install(progress)
    foundation = baseimage.provide(layout, progress)
    wheel = wheelhouse.project_wheel(layout, progress)
    return {
        recipe.name: _build(recipe, wheel, _Workshop(recipe.workshop, foundation, layout), progress)
        for recipe in recipes
    }


def load(images: Iterable[Image], layout: Layout, programs: binaries.Binaries) -> None:
    """Give the images to the running cluster; what it has already is not sent again.

    Callers wait for each other: one leaves out what another is still sending.
    """
    with cache.lock(layout.state / "images.lock"):
        _load(images, layout, programs)


def _load(images: Iterable[Image], layout: Layout, programs: binaries.Binaries) -> None:
    ctr = [str(programs.ctr), f"--address={layout.containerd_socket}", "--namespace=k8s.io"]
    names = run([*ctr, "images", "list", "--quiet"]).split()
    missing = [image for image in images if image.reference not in names]
    for directory in {image.directory for image in missing}:
        references = [image.reference for image in missing if image.directory == directory]
        _send(ctr, directory, references)


def _send(ctr: list[str], directory: Path, references: list[str]) -> None:
    """Import images of one OCI layout without the blobs that containerd holds already."""
    blobs = set(run([*ctr, "content", "list", "--quiet"]).split())
    with subprocess.Popen(
        [*ctr, "images", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as importer:
        assert importer.stdin is not None
        assert importer.stderr is not None
        with contextlib.suppress(BrokenPipeError):  # it ended early, and says why below
            ocilayout.write_archive(importer.stdin, directory, references, without=blobs)
            importer.stdin.close()
        said = importer.stderr.read().decode(errors="replace").strip()
    if importer.returncode != 0:
        raise CommandFailedError(f"containerd did not take {', '.join(references)}: {said}")


def _build(recipe: Recipe, wheel: Path, workshop: _Workshop, progress: Progress) -> Image:
    """Return one image."""
    layout, foundation = workshop.layout, workshop.foundation
    needed = wheelhouse.dependencies(recipe.pins, foundation.python_version, layout, progress)
    key = cache.digest(
        [_DOCKERFILE, _RUNTIME, foundation.key, needed.name, wheel.name, recipe.requirement]
    )
    image = workshop.image(recipe.name, f"{REPOSITORY_PREFIX}/{recipe.name}", key)
    with cache.lock(workshop.lock):
        if ocilayout.find(image.directory, image.reference) is None:
            if ocilayout.count(image.directory) > _MOST_IMAGES:
                _empty(workshop.directory)
            progress.step(f"building the image {recipe.name}")
            _pull_base(workshop)
            context = workshop.directory / "context"
            for left in (context, workshop.directory / "tmp"):  # of a build that was killed
                shutil.rmtree(left, ignore_errors=True)
            wheelhouse.assemble(context, needed, wheel)
            shutil.copy(_RUNTIME, context)
            _run_dockerfile(recipe, context, workshop, image)
            shutil.rmtree(context)
    return image


def _empty(directory: Path) -> None:
    """Remove everything built except the lock, which is held.

    It is moved away first: half of a store, after a kill, would be taken for a whole one.
    """
    mounts.unmount_below(directory)
    parts = [part for part in directory.iterdir() if part.is_dir()]
    removed = directory / "removed"
    removed.mkdir(exist_ok=True)
    for part in parts:
        if part != removed:
            part.rename(removed / f"{part.name}-{time.time_ns()}")
    shutil.rmtree(removed)


def _pull_base(workshop: _Workshop) -> None:
    """Give Buildah the base image, if it lacks it."""
    known = workshop.buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
    if workshop.foundation.reference not in known:
        workshop.buildah("pull", f"docker-archive:{workshop.foundation.archive}")


def _run_dockerfile(recipe: Recipe, context: Path, workshop: _Workshop, image: Image) -> None:
    local = f"localhost/lowtide-{recipe.name}"
    arguments = (
        f"BASE_IMAGE={workshop.foundation.reference}",
        f"REQUIREMENT={recipe.requirement}",
    )
    try:
        workshop.buildah(
            "build", "--isolation=chroot", "--layers", "--pull=never",
            *(f"--build-arg={argument}" for argument in arguments),
            f"--timestamp={_EPOCH_SECONDS}", "--target", recipe.target,
            "--file", _DOCKERFILE, "--tag", local, context,
        )  # fmt: skip
        workshop.push(local, image)
    finally:
        mounts.unmount_below(workshop.directory)  # a failed or interrupted build leaves them
