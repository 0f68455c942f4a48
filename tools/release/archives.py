"""Archives whose bytes depend on nothing but the names and contents of their files."""

import gzip
import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path


def tree(directory: Path, name: str) -> dict[str, bytes]:
    """Return the files of `directory` that Git knows, by their path below `name`."""
    listed = subprocess.run(
        ["git", "-C", directory, "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    return {f"{name}/{path}": (directory / path).read_bytes() for path in listed.split("\0")[:-1]}


def write(file: Path, contents: Mapping[str, bytes], epoch_seconds: int) -> None:
    """Write a compressed tar of `contents`, with every file dated `epoch_seconds`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), epoch_seconds, 0o644
            archive.addfile(member, io.BytesIO(content))
    with (
        file.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=epoch_seconds) as compressed,
    ):
        compressed.write(packed.getvalue())
