"""The project's own images, from its own Dockerfiles, for the cluster of this machine.

An image is named by the hash of everything that it is made from: an unchanged tree builds
nothing, and a changed one can never run as an old image under the same name.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from singlenode import baseimage, binaries, cache, mounts, ocilayout, packages, wheelhouse
from singlenode.commands import run
from singlenode.errors import CommandFailedError
from singlenode.layout import REPOSITORY, Layout
from singlenode.progress import Progress

REPOSITORY_PREFIX = "lowtide.dev"

_MOST_IMAGES = 150
"""Every change of the tree adds three images of some megabytes; past this many we start anew."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one image is made."""

    name: str
    dockerfile: Path
    extras: tuple[str, ...]
    build_arguments: tuple[str, ...] = ()


OPERATOR = Recipe("operator", REPOSITORY / "operator" / "Dockerfile", ("operator",))
EXPORTER = Recipe("exporter", REPOSITORY / "exporter" / "Dockerfile", ("exporter",))
TRAINER = Recipe(
    # Without torch, which pods take from the host: see `hosttorch`.
    "trainer",
    REPOSITORY / "trainer" / "Dockerfile",
    (),
    ("REQUIREMENT=lowtide",),
)
TRAINER_WITH_TORCH = Recipe(
    "trainer-with-torch", REPOSITORY / "trainer" / "Dockerfile", ("trainer",)
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
        """What a pod writes as its image."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class _Buildah:
    """Buildah with storage of its own, and the OCI layout that it fills; one per base image."""

    foundation: baseimage.BaseImage
    layout: Layout

    @property
    def directory(self) -> Path:
        return self.layout.cache / "images" / self.foundation.key

    @property
    def command(self) -> list[str | Path]:
        storage = self.directory / "storage"
        return ["buildah", "--root", storage / "root", "--runroot", storage / "run"]

    def image(self, name: str, repository: str, tag: str) -> Image:
        return Image(name, repository, tag, self.directory / "oci")

    def push(self, local: str, image: Image) -> None:
        destination = f"oci:{image.directory}:{image.reference}"
        run([*self.command, "push", local, destination], timeout_seconds=3600)


def base(layout: Layout, progress: Progress) -> Image:
    """Return the base image itself: a small Debian with Python, for pods of tests."""
    packages.install(progress)
    buildah = _Buildah(baseimage.provide(layout, progress), layout)
    image = buildah.image("base", baseimage.NAME, buildah.foundation.key)
    with cache.lock(build_lock(layout)):
        if ocilayout.find(image.directory, image.reference) is None:
            _pull_base(buildah)
            buildah.push(buildah.foundation.reference, image)
    return image


def build(recipes: Iterable[Recipe], layout: Layout, progress: Progress) -> dict[str, Image]:
    """Return the images by name, building those that the cache lacks."""
    packages.install(progress)
    buildah = _Buildah(baseimage.provide(layout, progress), layout)
    wheel = wheelhouse.project_wheel(layout, progress)
    return {recipe.name: _build(recipe, wheel, buildah, progress) for recipe in recipes}


def load(images: Iterable[Image], layout: Layout, programs: binaries.Binaries) -> None:
    """Give the images to the running cluster; what it has already is not sent again."""
    ctr: list[str | Path] = [
        programs.ctr,
        "--address",
        layout.containerd_socket,
        "--namespace",
        "k8s.io",
    ]
    names = run([*ctr, "images", "list", "--quiet"]).split()
    missing = [image for image in images if image.reference not in names]
    if not missing:
        return
    blobs = set(run([*ctr, "content", "list", "--quiet"]).split())
    with subprocess.Popen(
        [*ctr, "images", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as importer:
        assert importer.stdin is not None
        assert importer.stderr is not None
        directory = missing[0].directory
        references = [image.reference for image in missing]
        try:
            ocilayout.write_archive(importer.stdin, directory, references, without=blobs)
            importer.stdin.close()
        except BrokenPipeError:
            pass  # it ended early, and says why below
        said = importer.stderr.read().decode(errors="replace").strip()
    if importer.returncode != 0:
        raise CommandFailedError(f"containerd did not take {', '.join(references)}: {said}")


def build_lock(layout: Layout) -> Path:
    """Return the lock that is held while Buildah runs."""
    return layout.cache / "images" / ".lock"


def _build(recipe: Recipe, wheel: Path, buildah: _Buildah, progress: Progress) -> Image:
    """Return one image."""
    layout, foundation = buildah.layout, buildah.foundation
    needed = wheelhouse.dependencies(recipe.extras, foundation.python_version, layout, progress)
    key = cache.digest(
        [recipe.dockerfile, foundation.key, needed.name, wheel.name, *recipe.build_arguments]
    )
    image = buildah.image(recipe.name, f"{REPOSITORY_PREFIX}/{recipe.name}", key)
    with cache.lock(build_lock(layout)):
        if ocilayout.find(image.directory, image.reference) is None:
            if ocilayout.count(image.directory) > _MOST_IMAGES:
                mounts.unmount_below(buildah.directory)
                shutil.rmtree(buildah.directory)
            progress.step(f"building the image {recipe.name}")
            _pull_base(buildah)
            with tempfile.TemporaryDirectory(dir=buildah.directory) as context:
                wheelhouse.assemble(Path(context), needed, wheel)
                _run_dockerfile(recipe, Path(context), buildah, image)
    return image


def _pull_base(buildah: _Buildah) -> None:
    """Give Buildah the base image, if it has it not."""
    known = run([*buildah.command, "images", "--format", "{{.Name}}:{{.Tag}}"]).split()
    if buildah.foundation.reference not in known:
        source = f"docker-archive:{buildah.foundation.archive}"
        run([*buildah.command, "pull", source], timeout_seconds=600)


def _run_dockerfile(recipe: Recipe, context: Path, buildah: _Buildah, image: Image) -> None:
    local = f"localhost/lowtide-{recipe.name}"
    arguments = (f"BASE_IMAGE={buildah.foundation.reference}", *recipe.build_arguments)
    try:
        run(
            [*buildah.command, "build", "--isolation=chroot", "--layers", "--pull=never",
             *(f"--build-arg={argument}" for argument in arguments),
             "--file", recipe.dockerfile, "--tag", local, context],
            timeout_seconds=3600,
        )  # fmt: skip
        buildah.push(local, image)
    finally:
        mounts.unmount_below(buildah.directory)  # a failed or interrupted build leaves them
