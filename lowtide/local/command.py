"""Command of a run: started, told of signals, waited for, and its exit status as a shell's.

Signals to this program are handed on to the command. One that the terminal sends (Ctrl-C) reaches
the whole foreground group by itself and is not sent twice. What a process of the command leaves
behind becomes a child of this program while the command is measured, however short it lived, so its
CPU time is counted and what is left at the end is known. This program waits for such children.
"""

import ctypes
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lowtide.unstarted import EXIT_NOT_FOUND, exit_status

EXIT_SIGNAL: Final = 128
HANDED_ON: Final = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
    }
)
_FROM_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH})
_SI_KERNEL: Final = 0x80
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37


class CommandError(Exception):
    """A command cannot be started; `exit_status` is what a shell would end with."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class RunningCommand:
    """A command that was started; signals are blocked here from the start until `release`.

    Raises:
        CommandError: it does not exist, or may not be executed.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.exit_status: int | None = None
        self._waited: frozenset[signal.Signals] = HANDED_ON | {signal.SIGCHLD}
        self._adopted_before = _adopts_orphans()
        _adopt_orphans(adopt=True)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._waited)
        try:
            self.pid = os.posix_spawnp(
                arguments[0],
                list(arguments),
                dict(environment),
                setsigmask=self._mask - self._waited,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as error:
            self.release()
            raise _failure(arguments[0], error) from None

    def wait(self, seconds: float) -> signal.Signals | None:
        """Wait for the command's end, a signal, or the end of the time; hand the signal on.

        Returns the signal that was handed on, if there was one.
        """
        info = signal.sigtimedwait(self._waited, max(0.0, seconds))
        if info is None or info.si_signo == signal.SIGCHLD:
            self._reap()
            return None
        number = signal.Signals(info.si_signo)
        if not (number in _FROM_TERMINAL and info.si_code == _SI_KERNEL):
            self.send(number)
        return number

    def send(self, number: int) -> None:
        """Send a signal to the command, if it has not ended."""
        if self.exit_status is None:
            os.kill(self.pid, number)

    def release(self) -> None:
        """Let signals and orphans reach this program as before."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        _adopt_orphans(adopt=self._adopted_before)

    def _reap(self) -> None:
        for pid, status in _ended_children():
            if pid == self.pid:
                code = os.waitstatus_to_exitcode(status)
                self.exit_status = code if code >= 0 else EXIT_SIGNAL - code


def reap_orphans() -> None:
    """Wait for what an earlier command left behind and has ended since; without a pause."""
    for _ in _ended_children():
        pass


def _ended_children() -> Iterator[tuple[int, int]]:
    """Wait for the children that have ended, and yield the id and the status of each."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _failure(program: str, error: OSError) -> CommandError:
    status = exit_status(program, error)
    if status == EXIT_NOT_FOUND:
        return CommandError(f"{program}: command not found", status)
    return CommandError(f"{program} cannot be executed: {error.strerror or error}", status)


def _adopts_orphans() -> bool:
    """Return whether this program is the parent of orphans; only Linux has this."""
    answer = ctypes.c_int(0)
    try:
        ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    except (OSError, AttributeError):
        return False
    return bool(answer.value)


def _adopt_orphans(*, adopt: bool) -> None:
    """Become the parent of orphans below this program, or leave them to the one above."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
    except (OSError, AttributeError):
        return
