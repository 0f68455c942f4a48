"""The base image of all images on this machine: the host's own Debian, by debootstrap.

It takes the place of a public Python image, which a machine without a registry cannot pull.
"""

import platform
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from singlenode import archive, cache, mounts
from singlenode.commands import run
from singlenode.errors import UnsupportedMachineError
from singlenode.layout import Layout
from singlenode.progress import Progress

NAME = "localhost/lowtide-base"
OLDEST_PYTHON = (3, 11)

_PACKAGES = "ca-certificates,python3,python3-venv"

_NOT_NEEDED = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The base image, as an archive."""

    directory: Path

    @property
    def archive(self) -> Path:
        """The image, in the format of `docker save`."""
        return self.directory / "image.tar"

    @property
    def key(self) -> str:
        """Text that changes with its content."""
        return self.directory.name

    @property
    def reference(self) -> str:
        """Name and tag."""
        return f"{NAME}:{self.key}"

    @property
    def python_version(self) -> str:
        """Version of its `python3`, as in `3.11`."""
        return (self.directory / "python-version").read_text()


def provide(layout: Layout, progress: Progress, machine: str | None = None) -> BaseImage:
    """Return the base image, made on first use.

    `machine` is another kind than this one by the kernel's name, as `aarch64`: the kernel must know
    an emulator that runs its programs.

    Raises:
        UnsupportedMachineError: the host's distribution has no Python that is new enough.
    """
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    machine = machine or platform.machine()
    architecture = archive.architecture(machine)  # Debian and Go name it alike
    key = cache.digest([suite, _PACKAGES, *_NOT_NEEDED, machine])

    def build(directory: Path, _lock: int) -> None:
        progress.step(
            f"making the base image from Debian packages of {suite}, {architecture} (once)"
        )
        root = directory / "root"
        try:
            run(
                ["debootstrap", "--variant=minbase", f"--arch={architecture}",
                 f"--include={_PACKAGES}", suite, root, *_mirror(suite)],
                timeout_seconds=1800,
            )  # fmt: skip
        finally:
            mounts.unmount_below(root)  # an interrupted debootstrap leaves /proc and /sys
        for name in _NOT_NEEDED:
            shutil.rmtree(root / name, ignore_errors=True)
        version = (root / "usr/bin/python3").readlink().name.removeprefix("python")
        if tuple(int(part) for part in version.split(".")) < OLDEST_PYTHON:
            raise UnsupportedMachineError(
                f"images need Python {'.'.join(map(str, OLDEST_PYTHON))} or newer, {suite} has "
                f"{version}: use Debian 12, Ubuntu 24.04 or newer"
            )
        (directory / "python-version").write_text(version)
        layer = directory / "layer.tar"
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as files:
            files.add(root, arcname=".")
        archive.write_image(
            [layer],
            {"Env": [f"PATH={_PATH}"], "Cmd": ["/bin/bash"]},
            f"{NAME}:{key}",
            directory / "image.tar",
            machine=machine,
        )
        layer.unlink()
        shutil.rmtree(root)

    return BaseImage(cache.entry(layout.cache / "base-image", key, build))


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _mirror(suite: str) -> list[str]:
    """Return the address that the host's own package manager uses for `suite`, if it tells."""
    lines = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"]
    ).splitlines()  # fmt: skip
    addresses = [
        address
        for address, release, component in (line.split() for line in lines)
        if (release, component) == (suite, "main") and address.startswith("http")
    ]
    return addresses[:1]
