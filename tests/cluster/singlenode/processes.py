"""Long-lived processes, each started and stopped by its own pid file.

A pid file holds the pid and the start time of its process; both must match before anything is
signalled, so a pid that the kernel has given to another process is never touched.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from singlenode.commands import run
from singlenode.errors import NotReadyError

_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for all time: unlike a pid alone, a pid with its start time is never reused."""

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
        """Whether this process still runs."""
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


def kill(identities: Iterable[Identity], *, patience_seconds: float = 20) -> None:
    """Kill the processes; return when none of them runs.

    By force at once: what is killed here is about to be deleted, and asking politely would
    cost seconds for each process.

    Raises:
        NotReadyError: one still runs after `patience_seconds` (it hangs in the kernel).
    """
    poll, waiting = select.poll(), {}
    try:
        for identity in identities:
            try:
                handle = os.pidfd_open(identity.pid)
            except ProcessLookupError:
                continue
            waiting[handle] = identity
            poll.register(handle, select.POLLIN)
            if identity.is_alive:  # looked at through the handle's pid: it cannot change now
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            else:
                _forget(handle, poll, waiting)
        deadline = time.monotonic() + patience_seconds
        while waiting and (seconds := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(seconds * 1000):
                _forget(handle, poll, waiting)
        if waiting:
            pids = ", ".join(str(identity.pid) for identity in waiting.values())
            raise NotReadyError(f"killed, but still there after {patience_seconds:.0f} s: {pids}")
    finally:
        for handle in list(waiting):
            _forget(handle, poll, waiting)


def stop(pid_file: Path) -> None:
    """Kill the process that a pid file names, if it runs, and forget it: it is not missing."""
    kill(running([pid_file]).values())
    pid_file.unlink(missing_ok=True)


def _forget(handle: int, poll: select.poll, waiting: dict[int, Identity]) -> None:
    poll.unregister(handle)
    os.close(handle)
    del waiting[handle]
