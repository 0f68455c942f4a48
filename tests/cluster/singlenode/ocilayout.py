"""A directory of images in the OCI layout, from which a cluster gets the parts that it lacks.

The images share layers: each lies here once, and is sent once. The format is that of the OCI
image specification, "Image Layout".
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'


def count(directory: Path) -> int:
    """Return how many images lie in the directory."""
    index = directory / "index.json"
    return len(json.loads(index.read_text())["manifests"]) if index.exists() else 0


def find(directory: Path, reference: str) -> dict[str, Any] | None:
    """Return the descriptor of the image that is called `reference`, or None."""
    index = directory / "index.json"
    if not index.exists():
        return None
    return next(
        (
            descriptor
            for descriptor in json.loads(index.read_text())["manifests"]
            if descriptor.get("annotations", {}).get(_NAME) == reference
        ),
        None,
    )


def write_archive(
    stream: IO[bytes], directory: Path, references: Iterable[str], *, without: set[str]
) -> None:
    """Write the images as one archive to `stream`, leaving out the blobs of digests `without`.

    Raises:
        KeyError: one of the images is not in the directory.
    """
    manifests = []
    for reference in references:
        descriptor = find(directory, reference)
        if descriptor is None:
            raise KeyError(reference)
        manifests.append({**descriptor, "annotations": {_CONTAINERD_NAME: reference}})
    index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, content in (("oci-layout", _LAYOUT), ("index.json", index)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        sent = set(without)
        for descriptor in manifests:
            for digest in _blobs(directory, descriptor):
                if digest not in sent:
                    sent.add(digest)
                    archive.add(
                        _path(directory, digest), arcname=f"blobs/{digest.replace(':', '/')}"
                    )


def _blobs(directory: Path, descriptor: dict[str, Any]) -> Iterator[str]:
    """Yield the digests of all that an image is made of; layers first, its manifest last.

    A receiver that was cut off then has no manifest whose parts are missing.
    """
    manifest = json.loads(_path(directory, descriptor["digest"]).read_text())
    yield from (layer["digest"] for layer in manifest["layers"])
    yield manifest["config"]["digest"]
    yield descriptor["digest"]


def _path(directory: Path, digest: str) -> Path:
    return directory / "blobs" / digest.replace(":", "/")
