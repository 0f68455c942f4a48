"""Long-lived processes, each started and stopped by its own pid file.

A pid file holds the pid and the start time of its process; both must match before anything is
signalled, so a pid that the kernel has given to somebody else is never touched.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from singlenode.commands import run

_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for all time: a pid alone is used again, with its start time it is not."""

    pid: int
    started_ticks: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of the process that has `pid` now, or None if none has."""
        try:
            state, *fields = (
                Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            )  # proc(5): state is field 3, the start time field 22
        except OSError:
            return None
        return None if state in "ZX" else cls(pid, int(fields[18]))

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self


def read_pid_file(path: Path) -> Identity | None:
    """Return the running process that `path` names, or None."""
    try:
        pid, started = path.read_text().split()
        identity = Identity(int(pid), int(started))
    except (OSError, ValueError):
        return None
    return identity if identity.is_alive else None


def start(
    argv: Sequence[str | Path],
    *,
    pid_file: Path,
    log_file: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a process that outlives the caller, named by `pid_file`."""
    run(
        [sys.executable, "-I", _LAUNCH, pid_file, log_file, *argv],
        environment=environment,
        outlives_caller=True,
    )


def running(pid_files: Iterable[Path]) -> dict[str, Identity]:
    """Return the running processes by the name of their pid file."""
    found = {path.stem: read_pid_file(path) for path in pid_files}
    return {name: identity for name, identity in found.items() if identity is not None}


def stop(identities: Iterable[Identity], *, patience_seconds: float) -> None:
    """End the processes: a polite request to all, then force for those that stay.

    Returns when none of them runs.
    """
    handles = {}
    for identity in identities:
        try:
            handle = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            continue
        if identity.is_alive:  # checked while holding the handle: it cannot change any more
            handles[handle] = identity
        else:
            os.close(handle)
    for signal_number, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 20.0)):
        for handle in handles:
            try:
                signal.pidfd_send_signal(handle, signal_number)
            except ProcessLookupError:
                continue
        handles = _await_end(handles, patience)
    for handle in handles:
        os.close(handle)


def _await_end(handles: dict[int, Identity], patience_seconds: float) -> dict[int, Identity]:
    """Wait for the processes to end; return those that have not."""
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    left = dict(handles)
    deadline = time.monotonic() + patience_seconds
    while left and (seconds := deadline - time.monotonic()) > 0:
        for handle, _ in poll.poll(seconds * 1000):
            poll.unregister(handle)
            os.close(handle)
            del left[handle]
    return left
