"""What an image holds, counted in its layers: OCI layouts and the archives of Docker alike."""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator

import image_builders


def contents(saved: image_builders.Saved) -> tuple[int, list[str]]:
    """Return the bytes of an image unpacked, and its five largest parts, as `31 MB opt/…`."""
    sizes: Counter[str] = Counter()
    for name, size in files(saved):
        depth = 6 if "packages/" in name else 3
        sizes["/".join(name.split("/")[:depth])] += size
    largest = [f"{size / 1e6:.0f} MB {name}" for name, size in sizes.most_common(5)]
    return sum(sizes.values()), largest


def files(saved: image_builders.Saved) -> Iterator[tuple[str, int]]:
    """Yield path and bytes of every file in the layers of an image."""
    if saved.path.is_dir():
        blobs = saved.path / "blobs"
        manifest = json.loads((blobs / saved.digest.replace(":", "/")).read_text())
        for layer in manifest["layers"]:
            with tarfile.open(blobs / layer["digest"].replace(":", "/")) as packed:
                yield from _listed(packed)
        return
    with tarfile.open(saved.path) as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None  # every version of `docker save` writes it
        (image,) = json.load(listed)
        for name in image["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as packed:
                yield from _listed(packed)


def _listed(packed: tarfile.TarFile) -> Iterator[tuple[str, int]]:
    for file in packed:
        yield file.name.removeprefix("./"), file.size
