"""`make images`: the images that people build themselves, with Buildah and without a registry.

The base image is the one of the test cluster; everything else is what the command does anywhere.
"""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from singlenode import baseimage, mounts, packages
from singlenode.layout import REPOSITORY, Layout
from singlenode.progress import Progress

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.own_namespace]

SHELLS = {"sh", "bash", "dash", "busybox"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two builds of the exporter's image, each by a Buildah that knows nothing of the other."""
    layout, progress = Layout.default(None), Progress()
    packages.install(progress)
    base = baseimage.provide(layout, progress)
    outputs = []
    for number in (1, 2):
        directory = tmp_path_factory.mktemp(f"build{number}")
        command = [
            *(sys.executable, REPOSITORY / "tools" / "images" / "build.py", "exporter"),
            *("--builder", "buildah", "--base-image", f"docker-archive:{base.archive}"),
            *("--storage", directory / "storage", "--output", directory / "out"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        finally:
            mounts.unmount_below(directory)
        assert done.returncode == 0, done.stderr
        outputs.append(directory / "out")
    return outputs


def said(output: Path) -> dict[str, Any]:
    """What `images.json` says of the only image."""
    (image,) = json.loads((output / "images.json").read_text())
    return image


def blob(output: Path, digest: str) -> Path:
    """A file of the OCI layout."""
    return output / "oci" / "blobs" / digest.replace(":", "/")


def test_second_build_gives_the_same_digest(built: list[Path]) -> None:
    """Nothing in an image depends on when, or with what in its cache, it was built."""
    first, second = map(said, built)

    assert first == second
    assert first["digest"].startswith("sha256:")


def test_image_says_what_it_is(built: list[Path]) -> None:
    """The labels are those of the OCI; the user is a number that is not root's."""
    image = said(built[0])
    manifest = json.loads(blob(built[0], image["digest"]).read_text())
    config = json.loads(blob(built[0], manifest["config"]["digest"]).read_text())["config"]
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in config["Labels"].items()
    }

    assert config["User"] == "65532:65532"
    assert labels["title"] == "lowtide-exporter"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.digest"] == image["baseDigest"]
    assert len(labels["revision"]) == 40


def test_image_has_neither_a_shell_nor_a_package_manager(built: list[Path]) -> None:
    """What breaks into the program finds Python and nothing else; scanners find the packages."""
    image = said(built[0])
    manifest = json.loads(blob(built[0], image["digest"]).read_text())
    names: set[str] = set()
    for layer in manifest["layers"]:
        with tarfile.open(blob(built[0], layer["digest"])) as files:
            names |= {name.removeprefix("./") for name in files.getnames()}

    programs = {Path(name).name for name in names if "/bin/" in name or name.startswith("bin/")}
    assert not programs & (SHELLS | {"apt-get", "dpkg", "pip", "pip3"})
    assert "lowtide-exporter" in programs
    assert {"var/lib/dpkg/status.d/libc6", "etc/ssl/certs/ca-certificates.crt"} <= names
    assert image["megabytes"] < 150


def test_unknown_image_is_refused(tmp_path: Path) -> None:
    """One sentence names those that there are."""
    tool = REPOSITORY / "tools" / "images" / "build.py"
    command = [sys.executable, tool, "scheduler", "--builder", "buildah", "--storage", tmp_path]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert (
        "error: there is no image scheduler: there are operator, exporter, trainer" in done.stderr
    )
