"""Wheels that an image is made from: `python wheels.py REQUIREMENTS DIRECTORY --python 3.13`.

What is fetched is pinned with its hashes in `requirements/`, so that whichever index serves a
wheel, it is the one that was tried. Wheels are chosen for the image's Python and platform, not
for those of the machine that fetches them.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
OLDEST_GLIBC, NEWEST_GLIBC = 5, 36
"""Second digits of glibc's version: wheels are built for 2.5 and later; Debian 12 has 2.36."""


def main() -> int:
    """Fetch what a requirements file lists; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("requirements", type=Path, help="file of pinned, hashed requirements")
    parser.add_argument("directory", type=Path, help="where the wheels go")
    parser.add_argument("--python", required=True, help="version of the image's Python, as 3.13")
    parser.add_argument("--platform", choices=MACHINES, help="default: this machine's")
    arguments = parser.parse_args()
    fetch(arguments.requirements, arguments.directory, arguments.python, arguments.platform)
    return 0


def fetch(requirements: Path, directory: Path, python: str, platform: str | None = None) -> None:
    """Fetch the wheels for `python` on `platform`, or on this machine, into `directory`.

    Raises:
        subprocess.CalledProcessError: pip could not; what it said is on standard error.
    """
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--only-binary=:all:", "--no-deps", "--require-hashes"),
            *("--python-version", python, "--dest", directory, "--requirement", requirements),
            *(f"--platform={tag}" for tag in tags(platform)),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def tags(platform: str | None) -> list[str]:
    """Return pip's names of a platform, the newest glibc first; none for this machine's own."""
    if platform is None:
        return []
    machine = MACHINES[platform]
    newest_first = range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)
    return [f"manylinux_2_{minor}_{machine}" for minor in newest_first]


def project_wheel(directory: Path, epoch_seconds: int) -> Path:
    """Return the wheel of this checkout, built into `directory`; the same bytes each time."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory],
        check=True,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch_seconds)},
    )
    (wheel,) = directory.glob("*.whl")
    return wheel


if __name__ == "__main__":
    sys.exit(main())
