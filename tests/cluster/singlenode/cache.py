"""Things that take long to make, made once: keyed by content, built under a lock, atomically.

An entry is a directory whose name ends in a hash of everything that it was made from. It is
built beside its final name and renamed when complete, so a killed build leaves no half entry;
two builders of the same entry wait for each other.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_UNUSED_SECONDS = 14 * 86400


def digest(parts: Iterable[bytes | str | Path]) -> str:
    """Return 16 hexadecimal digits that change with any part; a path stands for its content."""
    hasher = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        if isinstance(content, str):
            content = content.encode()
        hasher.update(hashlib.sha256(content).digest())
    return hasher.hexdigest()[:16]


def tree_digest(roots: Iterable[Path], *, base: Path) -> str:
    """Return the digest of all files below `roots`: names relative to `base`, and contents.

    Bytecode and hidden files are left out.
    """
    files = sorted(
        file
        for root in roots
        for file in ([root] if root.is_file() else root.rglob("*"))
        if file.is_file()
        and "__pycache__" not in file.parts
        and not any(part.startswith(".") for part in file.relative_to(base).parts)
    )
    return digest(part for file in files for part in (str(file.relative_to(base)), file))


@contextlib.contextmanager
def lock(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on `path`, waiting for it; yields the descriptor that holds it.

    A child that inherits the descriptor holds the lock as well, so a build that outlives its
    killed starter still keeps others out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock on `path` if it is free; yields whether it is held."""
    if not path.exists():
        yield False
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(descriptor)


def entry(parent: Path, key: str, build: Callable[[Path, int], None]) -> Path:
    """Return the directory `parent/key`, made by `build(directory, lock)` if it is not there.

    Making one removes those of `parent` that have not been used for two weeks.
    """
    final = parent / key
    if final.is_dir():
        os.utime(final)
        return final
    with lock(parent / ".lock") as descriptor:
        if final.is_dir():
            return final
        partial = parent / f".partial-{key}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        build(partial, descriptor)
        partial.rename(final)
        for other in parent.iterdir():
            if other.is_dir() and time.time() - other.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    return final
