"""Image archives: makes the one of a single static binary, and imports any into containerd."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from singlenode.binaries import Binaries
from singlenode.commands import run
from singlenode.layout import Layout


def single_binary_image(binary: Path, name: str, target: Path) -> Path:
    """Write an image that holds and runs one static binary; return the archive's path.

    The format is that of `docker save`: a layer, a configuration and a manifest
    (https://github.com/moby/docker-image-spec, "Combined Image JSON + Filesystem Changeset
    Format").
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        member = tarfile.TarInfo(binary.name)
        member.mode, member.size = 0o755, binary.stat().st_size
        with binary.open("rb") as content:
            files.addfile(member, content)
    configuration = json.dumps(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Entrypoint": [f"/{binary.name}"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"],
            },
        }
    ).encode()
    config_name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}])
    with tarfile.open(target, "w") as image:
        for file_name, content in (
            (config_name, configuration),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", manifest.encode()),
        ):
            member = tarfile.TarInfo(file_name)
            member.size = len(content)
            image.addfile(member, io.BytesIO(content))
    return target


def import_image(image: Path, layout: Layout, programs: Binaries) -> None:
    """Give an image archive to the cluster's containerd, where the kubelet finds it."""
    run(
        [
            programs.ctr, "--address", layout.containerd_socket, "--namespace", "k8s.io",
            "images", "import", image,
        ],
        timeout_seconds=300,
    )  # fmt: skip


def _architecture() -> str:
    """Return this machine's architecture by the name that images use (Go's)."""
    machine = run(["uname", "-m"]).strip()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
