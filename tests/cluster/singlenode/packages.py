"""Debian packages: a few are installed, those that bring a service are only unpacked.

Debian starts and enables the services of `containerd`, `prometheus` and
`prometheus-alertmanager` when it installs them, and its `containerd` and `runc` would push out
Docker's own. The cluster needs their programs alone, so these packages are unpacked into the
cache: no service, no user account, nothing removed. The others have no service.
"""

import os
import shutil
import tempfile
from pathlib import Path

from singlenode.commands import run
from singlenode.errors import CommandFailedError, UnsupportedMachineError
from singlenode.progress import Progress

UNPACKED = (
    "containerd",
    "containernetworking-plugins",
    "prometheus",
    "prometheus-alertmanager",
    "runc",
)

INSTALLED = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "openssl": "openssl",
}
"""Program to package: what must be on the path."""

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def program(name: str) -> Path | None:
    """Return where the program is, in the user's path or the system's, or None."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    return Path(found) if found else None


def install(progress: Progress) -> None:
    """Install the packages of the missing programs; no service is among them.

    Raises:
        UnsupportedMachineError: one cannot be installed.
    """
    missing = sorted({package for name, package in INSTALLED.items() if not program(name)})
    if not missing:
        return
    progress.step(f"installing Debian packages: {' '.join(missing)}")
    _apt(
        ["install", "--yes", "--no-install-recommends", "--no-remove", *missing],
        purpose=f"{', '.join(missing)} cannot be installed",
    )


def unpack(directory: Path, progress: Progress) -> Path:
    """Return the tree that the service packages are unpacked in, made below `directory`."""
    tree = directory / "root"
    if tree.is_dir():
        return tree
    progress.step(f"unpacking Debian packages: {' '.join(UNPACKED)}")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as workplace:
        _apt(
            ["download", "-o", "APT::Sandbox::User=root", *UNPACKED],
            purpose=f"{', '.join(UNPACKED)} cannot be downloaded",
            directory=Path(workplace),
        )
        partial = Path(workplace) / "root"
        for archive in sorted(Path(workplace).glob("*.deb")):
            run(["dpkg-deb", "--extract", archive, partial], timeout_seconds=120)
        partial.rename(tree)
    return tree


def _apt(arguments: list[str], *, purpose: str, directory: Path | None = None) -> None:
    """Run apt-get, reading the package lists anew if the first try fails."""
    if program("apt-get") is None:
        raise UnsupportedMachineError(
            f"{purpose}: this machine has no apt-get; the test cluster needs Debian or Ubuntu, "
            "or KUBECONFIG naming another cluster"
        )
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments]
    try:
        run(
            command,
            timeout_seconds=900,
            environment=_APT_ENVIRONMENT,
            directory=directory,
            outlives_caller=True,
        )
    except CommandFailedError:
        try:
            run(["apt-get", "-q", "update"], timeout_seconds=300, outlives_caller=True)
            run(
                command,
                timeout_seconds=900,
                environment=_APT_ENVIRONMENT,
                directory=directory,
                outlives_caller=True,
            )
        except CommandFailedError as error:
            raise UnsupportedMachineError(f"{purpose}: {error}") from error
