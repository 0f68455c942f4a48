"""Image archives: writes them from tar files, and imports any into containerd."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from singlenode.binaries import Binaries
from singlenode.commands import run
from singlenode.layout import Layout

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Kinds of machines as the kernel names them, by the names that images use (Go's)."""


def single_binary_image(binary: Path, name: str, target: Path) -> Path:
    """Write an image that holds and runs one static binary; return the archive's path."""
    layer = target.with_suffix(".layer")
    with tarfile.open(layer, "w") as files:
        files.add(binary, arcname=binary.name)
    write_image([layer], {"Entrypoint": [f"/{binary.name}"]}, name, target)
    layer.unlink()
    return target


def write_image(
    layers: Sequence[Path],
    configuration: Mapping[str, object],
    name: str,
    target: Path,
    *,
    machine: str | None = None,
) -> None:
    """Write an image archive of tar files, the lowest first, for this machine or another kind.

    The format is that of `docker save`: the layers, a configuration and a manifest
    (https://github.com/moby/docker-image-spec, "Combined Image JSON + Filesystem Changeset
    Format").
    """
    digests = []
    for layer in layers:
        with layer.open("rb") as stream:
            digests.append(f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}")
    image = json.dumps(
        {
            "architecture": architecture(machine or platform.machine()),
            "os": "linux",
            "config": configuration,
            # Buildah builds on no image whose history is shorter than its layers.
            "history": [{"created_by": "lowtide test cluster"} for _ in layers],
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    ).encode()
    image_name = f"{hashlib.sha256(image).hexdigest()}.json"
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": image_name, "RepoTags": [name], "Layers": names}]).encode()
    with tarfile.open(target, "w") as files:
        for member_name, content in ((image_name, image), ("manifest.json", manifest)):
            member = tarfile.TarInfo(member_name)
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))
        for layer_name, layer in zip(names, layers, strict=True):
            files.add(layer, arcname=layer_name)


def import_image(image: Path, layout: Layout, programs: Binaries) -> None:
    """Give an image archive to the cluster's containerd, where the kubelet finds it."""
    run(
        [
            programs.ctr, "--address", layout.containerd_socket, "--namespace", "k8s.io",
            "images", "import", image,
        ],
        timeout_seconds=300,
    )  # fmt: skip


def architecture(machine: str) -> str:
    """Return a kind of machine, as the kernel names it, by the name that images use (Go's)."""
    return ARCHITECTURES.get(machine, machine)
