"""The project's own images, from its own Dockerfiles, for the cluster of this machine.

An image is named by the hash of everything that it is made from: an unchanged tree builds
nothing, and a changed one can never run as an old image under the same name.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from singlenode import archive, baseimage, binaries, cache, mounts, packages, wheelhouse
from singlenode.commands import run
from singlenode.layout import REPOSITORY, Layout
from singlenode.progress import Progress

REPOSITORY_PREFIX = "lowtide.dev"


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
    archive: Path

    @property
    def reference(self) -> str:
        """What a pod writes as its image."""
        return f"{self.repository}:{self.tag}"


def base(layout: Layout, progress: Progress) -> Image:
    """Return the base image itself: a small Debian with Python, for pods of tests."""
    packages.install(progress)
    made = baseimage.provide(layout, progress)
    return Image("base", baseimage.NAME, made.key, made.archive)


def build(recipes: Iterable[Recipe], layout: Layout, progress: Progress) -> dict[str, Image]:
    """Return the images by name, building those that the cache lacks."""
    packages.install(progress)
    foundation = baseimage.provide(layout, progress)
    wheel = wheelhouse.project_wheel(layout, progress)
    return {recipe.name: _build(recipe, foundation, wheel, layout, progress) for recipe in recipes}


def load(images: Iterable[Image], layout: Layout, programs: binaries.Binaries) -> None:
    """Give the images to the running cluster; those that it has already are left alone."""
    present = run(
        [programs.ctr, "--address", layout.containerd_socket, "--namespace", "k8s.io",
         "images", "list", "--quiet"]
    ).split()  # fmt: skip
    for image in images:
        if image.reference not in present:
            archive.import_image(image.archive, layout, programs)


def _build(
    recipe: Recipe,
    foundation: baseimage.BaseImage,
    wheel: Path,
    layout: Layout,
    progress: Progress,
) -> Image:
    """Return one image."""
    needed = wheelhouse.dependencies(recipe.extras, foundation.python_version, layout, progress)
    key = cache.digest(
        [recipe.dockerfile, foundation.key, needed.name, wheel.name, *recipe.build_arguments]
    )
    repository = f"{REPOSITORY_PREFIX}/{recipe.name}"

    def make(directory: Path, _lock: int) -> None:
        progress.step(f"building the image {recipe.name}")
        with tempfile.TemporaryDirectory(dir=directory) as context:
            wheelhouse.assemble(Path(context), needed, wheel)
            _buildah(
                recipe,
                Path(context),
                foundation,
                layout,
                f"docker-archive:{directory / 'image.tar'}:{repository}:{key}",
            )

    entry = cache.entry(layout.cache / "images" / recipe.name, key, make)
    return Image(recipe.name, repository, key, entry / "image.tar")


def _buildah(
    recipe: Recipe,
    context: Path,
    foundation: baseimage.BaseImage,
    layout: Layout,
    destination: str,
) -> None:
    """Build `recipe` in a storage of our own and push the image to `destination`."""
    storage = layout.cache / "buildah" / foundation.key
    command: list[str | Path] = [
        "buildah",
        "--root",
        storage / "root",
        "--runroot",
        storage / "run",
    ]
    with cache.lock(build_lock(layout)):
        try:
            if foundation.reference not in run([*command, "images", "--format", _NAME_AND_TAG]):
                pull = [*command, "pull", f"docker-archive:{foundation.archive}"]
                run(pull, timeout_seconds=600)
            local = f"localhost/lowtide-{recipe.name}"
            arguments = (f"BASE_IMAGE={foundation.reference}", *recipe.build_arguments)
            run(
                [*command, "build", "--isolation=chroot", "--layers", "--pull=never",
                 *(f"--build-arg={argument}" for argument in arguments),
                 "--file", recipe.dockerfile, "--tag", local, context],
                timeout_seconds=3600,
            )  # fmt: skip
            run([*command, "push", local, destination], timeout_seconds=3600)
        finally:
            mounts.unmount_below(storage)  # a failed or interrupted build leaves them


_NAME_AND_TAG = "{{.Name}}:{{.Tag}}"


def build_lock(layout: Layout) -> Path:
    """Return the lock that is held while Buildah runs."""
    return layout.cache / "buildah" / ".lock"
