"""Compile the stand-in NVML library; the result is cached by content, outside the checkout.

The header comes from the `nvidia-nvml-dev` package and stays there (its licence forbids shipping
it). Run as a script to put the library into a directory that a container mounts:

    python tests/standins/nvml/build.py DIRECTORY
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

LIBRARY_NAME = "libnvidia-ml.so.1"
_HERE = Path(__file__).resolve().parent
_SOURCES = ("nvml.c", "truth.c")
_FLAGS = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden")


class StandInBuildError(RuntimeError):
    """The library could not be compiled; the message says what is missing."""


def header_directory() -> Path:
    """Return the folder of `nvml.h` inside the installed `nvidia-nvml-dev` package."""
    site = Path(sysconfig.get_path("purelib"))
    for header in sorted((site / "nvidia").glob("**/nvml.h")):
        return header.parent
    raise StandInBuildError(f"no nvml.h below {site}/nvidia: install nvidia-nvml-dev")


def cache_directory() -> Path:
    """Return the folder for compiled libraries: `LOWTIDE_CACHE`, else the user's cache."""
    root = os.environ.get("LOWTIDE_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(root or Path.home() / ".cache") / "lowtide" / "nvml-standin"


def build_library(cache: Path | None = None) -> Path:
    """Return the path of the compiled library, compiling it at most once per content.

    Raises:
        StandInBuildError: no C compiler, no header, or the compiler refused the source.
    """
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        raise StandInBuildError("no C compiler found: install gcc, or name one in CC")
    include = header_directory()
    digest = hashlib.sha256(" ".join((compiler, *_FLAGS)).encode())
    for source in (*(_HERE / name for name in (*_SOURCES, "standin.h")), include / "nvml.h"):
        digest.update(source.read_bytes())
    target = (cache or cache_directory()) / digest.hexdigest()[:16] / LIBRARY_NAME
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / LIBRARY_NAME
        command = [compiler, *_FLAGS, f"-I{include}", *(str(_HERE / name) for name in _SOURCES)]
        result = subprocess.run(
            [*command, "-lm", f"-Wl,-soname,{LIBRARY_NAME}", "-o", str(made)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if result.returncode:
            raise StandInBuildError(f"{compiler} failed:\n{result.stderr}")
        made.replace(target)  # two builders at once both get a whole file
    return target


def install_library(directory: Path) -> Path:
    """Put the compiled library into `directory` and return its path there."""
    directory.mkdir(parents=True, exist_ok=True)
    installed = directory / LIBRARY_NAME
    fresh = directory / f".{LIBRARY_NAME}.new"
    shutil.copyfile(build_library(), fresh)
    fresh.chmod(0o755)
    fresh.replace(installed)
    return installed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: build.py DIRECTORY")
    print(install_library(Path(sys.argv[1])))
