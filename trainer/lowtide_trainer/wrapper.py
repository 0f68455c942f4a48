"""Command `lowtide-trainer exec -- COMMAND`: any training as the first process of a container.

The wrapper starts the command, passes signals on, waits, and exits with the command's status. What
it adds:

* A signal reaches the training also behind a shell or a launcher. Processes that report through
  Lowtide left a note that they listen; the signal goes to exactly these. Otherwise it goes to the
  command, or through a shell that does not handle it to the shell's children.
* Launchers such as torchrun and `accelerate launch` exit with 1 whatever their ranks said. If all
  training processes left a note that their state is saved, the wrapper exits with 75.
* A program that knows nothing of Lowtide gets a report of its time and its ending.

Standard library only: it starts before everything else and stays in memory beside the training.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import (
    TrainingOutcome,
    TrainingReport,
    bounded_text,
    parse_report,
)
from lowtide.trainingjob.report_values import ERROR_MAX_BYTES
from lowtide.unstarted import EXIT_NOT_FOUND, exit_status
from lowtide_trainer.clock import utc_now
from lowtide_trainer.environment import ENV_NOTES
from lowtide_trainer.notes import ProcessStage, is_paused, read_notes
from lowtide_trainer.report import report_path, report_writer, say_where

_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_OTHERS: Final = (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
_TAKEN: Final = frozenset((*_STOPS, *_OTHERS, signal.SIGCHLD))
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "busybox", "ksh", "zsh"})
_PR_SET_CHILD_SUBREAPER: Final = 36


def execute(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run a command as described above and return the exit code."""
    notes = Path(tempfile.mkdtemp(prefix="lowtide-"))
    try:
        return _Wrapper(command, environment, notes).run()
    finally:
        shutil.rmtree(notes, ignore_errors=True)


class _Wrapper:
    """One command under way."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        notes: Path,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = command
        self._environment = {**environment, ENV_NOTES: str(notes)}
        self._notes = notes
        self._monotonic = monotonic
        self._began = monotonic()
        self._path = Path(report_path(environment))
        self._report = TrainingReport(outcome=TrainingOutcome.RUNNING, started_at=utc_now())
        self._was_told_to_stop = self._has_warned = False

    def run(self) -> int:
        """Run the command and return the exit code."""
        say_where(self._path)
        _adopt_orphans()
        self._write(self._report)
        # Blocked and taken one by one: whenever a signal comes, it is there until it is passed on.
        # The mask stays, so that a late one cannot end this process before its status is told.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
        try:
            pid = os.posix_spawnp(
                self._command[0],
                list(self._command),
                self._environment,
                setsigmask=mask,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as error:
            return self._refused(error)
        status = self._wait(pid)
        if self._was_told_to_stop:
            self._wait_for_savers(pid)
        return self._ended(status)

    def _forward(self, pid: int, number: int) -> None:
        """Pass a signal to command `pid` on to the processes that it is meant for."""
        if number == signal.SIGINT and os.isatty(0):
            return  # The terminal signalled the whole group already.
        self._was_told_to_stop |= number in _STOPS
        savers = self._savers() if number in _STOPS else []
        for found in savers or _addressees(pid, number):
            _kill(found, number)

    def _savers(self) -> list[int]:
        """Return the live processes that answer a signal by saving."""
        return [
            note.pid
            for note in read_notes(self._notes)
            if note.stage is ProcessStage.LISTENING and _is_alive(note.pid)
        ]

    def _wait(self, pid: int) -> int:
        """Reap every child until the command ends; return its status, negative for a signal."""
        while True:
            for found, status in _ended_children():
                if found == pid:
                    return os.waitstatus_to_exitcode(status)
            self._take_signal(pid)

    def _wait_for_savers(self, pid: int) -> None:
        """Wait for training processes that outlive their launcher; the kubelet bounds the time."""
        try:
            while self._savers():
                if not any(_ended_children()):
                    self._take_signal(pid)
        except ChildProcessError:
            return

    def _take_signal(self, pid: int) -> None:
        """Wait for a signal; pass it on, unless it says that a child has ended."""
        number = signal.sigwaitinfo(_TAKEN).si_signo
        if number != signal.SIGCHLD:
            self._forward(pid, number)

    def _ended(self, status: int) -> int:
        """Complete the report and return the exit code."""
        code = status if status >= 0 else 128 - status
        notes = [
            note
            for note in read_notes(self._notes)
            if note.stage is not ProcessStage.LISTENING or _is_alive(note.pid)
        ]
        if is_paused(notes):
            return EXIT_CODE_PAUSED
        if code == 0:
            outcome, error = TrainingOutcome.FINISHED, None
        elif code == EXIT_CODE_PAUSED:
            outcome, error = TrainingOutcome.PAUSED, None
        else:
            outcome, error = TrainingOutcome.FAILED, _failure(status)
        self._complete(outcome, error, knows_lowtide=any(self._notes.iterdir()))
        return code

    def _complete(
        self, outcome: TrainingOutcome, error: str | None, *, knows_lowtide: bool
    ) -> None:
        """Write how the command ended, unless its own report says so."""
        if not knows_lowtide:
            seconds = round(self._monotonic() - self._began, 3)
            report = replace(self._report, outcome=outcome, error=error, training_seconds=seconds)
            self._write(report)
            return
        try:
            found = parse_report(self._path.read_text(encoding="utf-8")).report
        except OSError:
            found = None
        # Killed without warning: its last report says that it still runs.
        if found is not None and found.outcome is TrainingOutcome.RUNNING:
            self._write(replace(found, outcome=outcome, error=error))

    def _refused(self, error: OSError) -> int:
        """Report a command that cannot be started."""
        name = self._command[0]
        status = exit_status(name, error)
        is_missing = status == EXIT_NOT_FOUND
        reason = "was not found" if is_missing else f"cannot be started: {error.strerror}"
        sentence = f"command {name!r} {reason}"
        print(f"error: {sentence}", file=sys.stderr)
        self._write(
            replace(
                self._report,
                outcome=TrainingOutcome.FAILED,
                error=bounded_text(sentence, ERROR_MAX_BYTES),
            )
        )
        return status

    def _write(self, report: TrainingReport) -> None:
        try:
            report_writer(self._path)(report)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                print(f"lowtide: the report cannot be written: {error}", file=sys.stderr)


def _failure(status: int) -> str:
    """Return one sentence about a command that did not end well."""
    if status >= 0:
        return f"the command ended with status {status}"
    name = signal.Signals(-status).name
    cause = ", as a container over its memory limit is" if -status == signal.SIGKILL else ""
    return f"the command was killed by {name}{cause}"


def _adopt_orphans() -> None:
    """Become the parent of orphaned grandchildren, as the first process of a container is."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _ended_children() -> Iterator[tuple[int, int]]:
    """Reap the children that have ended, and yield the id and the status of each.

    Raises:
        ChildProcessError: there is no child.
    """
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        yield pid, status


def _addressees(pid: int, number: int) -> list[int]:
    """Return the processes that a signal to the command is meant for.

    A shell that does not handle the signal would die of it and leave its children without one.
    """
    if _name(pid) not in _SHELLS or _catches(pid, number):
        return [pid]
    children = _children(pid)
    return [found for child in children for found in _addressees(child, number)] or [pid]


def _name(pid: int) -> str:
    return _content(pid, "comm").strip()


def _catches(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    for line in _content(pid, "status").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _children(pid: int) -> list[int]:
    return [int(child) for child in _content(pid, f"task/{pid}/children").split()]


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    state = _content(pid, "stat").rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def _content(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
