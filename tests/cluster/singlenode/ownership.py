"""Ownership of the machine's one cluster: its starter, and whether it is still in use.

The address, the firewall chains and the kubelet's directory exist once per machine, whatever
the state directory. A record in `/run` names the cluster; a lock beside it is held while one is
being started or stopped.
"""

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from singlenode.errors import OccupiedError
from singlenode.processes import Identity

_MACHINE = Path("/run/lowtide-test-cluster")
_LOCK = _MACHINE / "lock"
_RECORD = _MACHINE / "owner.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """The record of the machine's cluster."""

    state: str
    """Its state directory."""
    since: str
    starter: Identity
    starter_command: str
    complete: bool = False
    """Whether it came up completely."""
    bound: Identity | None = None
    """The process it lives for; None when it is to stay until `down`."""

    @property
    def is_abandoned(self) -> bool:
        """Whether it is no longer needed: its starter was killed midway, or its process is gone."""
        if not self.complete:
            return not self.starter.is_alive
        return self.bound is not None and not self.bound.is_alive

    def __str__(self) -> str:
        """Return words that let a reader find the cluster."""
        return (
            f"started {self.since} by process {self.starter.pid} ({self.starter_command}), "
            f"state in {self.state}"
        )


def current() -> Owner | None:
    """Return the record of the machine's cluster, or None."""
    try:
        content = json.loads(_RECORD.read_text())
    except (OSError, ValueError):
        return None
    content["starter"] = Identity(**content["starter"])
    content["bound"] = Identity(**content["bound"]) if content["bound"] else None
    return Owner(**content)


def claim(state: Path) -> Owner:
    """Record that the calling process starts a cluster in `state`."""
    me = Identity.of(os.getpid())
    assert me is not None
    owner = Owner(
        state=str(state),
        since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        starter=me,
        starter_command=" ".join(Path(word).name for word in sys.argv)[:80],
    )
    _write(owner)
    return owner


def complete(owner: Owner, bound: Identity | None) -> None:
    """Record that the cluster is up, and for how long it is to stay."""
    _write(replace(owner, complete=True, bound=bound))


def release() -> None:
    """Forget the machine's cluster; called with the lock held, as the last step of removal."""
    _RECORD.unlink(missing_ok=True)


def _write(owner: Owner) -> None:
    partial = _RECORD.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(owner)))
    partial.rename(_RECORD)


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Hold the right to start or stop the machine's cluster.

    Raises:
        OccupiedError: another process holds it.
    """
    descriptor = _lock()
    try:
        yield
    finally:
        if not _RECORD.exists():
            _LOCK.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                _MACHINE.rmdir()
        os.close(descriptor)


def _lock() -> int:
    """Return the descriptor of the locked file, which is the one that has the name."""
    while True:
        _MACHINE.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # the holder before us has just removed the directory
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == _LOCK.stat().st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            owner = current()
            raise OccupiedError(
                "a test cluster is being started or stopped on this machine: "
                f"{owner or 'by a process that is not known yet'}"
            ) from None
        except FileNotFoundError:
            pass  # the holder before us removed the file: take the next one
        os.close(descriptor)
