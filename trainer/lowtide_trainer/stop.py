"""Request to stop: SIGTERM, which the kubelet sends when a Job is suspended or a node drained.

The first signal only sets a flag that the training loop reads between two batches, so that a
checkpoint never holds half a batch. A second signal ends the process at once, without saving. A
handler is needed in any case: the first process of a container ignores signals without a handler.
It is installed before torch is imported, because that takes seconds.

Launchers such as torchrun signal the whole process group. The workers of a DataLoader would die of
that and take the checkpoint with them, so processes that are forked while a request is open leave
the group.
"""

from __future__ import annotations

import os

from lowtide.blocks import CodeBlock
from lowtide_trainer.warnings_log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import Self
else:
    # `signal` makes enumerations of these numbers, which alone takes as long as a start may.
    import _signal as signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_OPEN: set[int] = set()
"""Requests that are open in this process."""
_forks_are_watched = False


class StopRequest(CodeBlock):
    """Flag that SIGTERM or SIGINT sets; a context manager that listens while it is open.

    `requested` is false until the first signal. Python delivers signals only to the main thread:
    opened in another thread, it warns and never hears a signal. `word` says what the training does
    after a first signal.
    """

    def __init__(self, word: str = "stopping after this batch") -> None:
        self.requested = False
        self._word = word
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Install the handlers."""
        self.listen()
        return self

    def listen(self) -> None:
        """Install the handlers, also again after a framework replaced them."""
        for number in _SIGNALS:
            # Compared by ==: every access to a method makes a new bound method.
            if (current := signal.getsignal(number)) != self._handle:
                try:
                    signal.signal(number, self._handle)
                except ValueError:
                    warn(
                        __name__,
                        "signals cannot be heard outside the main thread: this training cannot be "
                        "paused; open the run in the main thread",
                    )
                    return
                self._previous.setdefault(number, current)
        _watch_forks()
        _OPEN.add(id(self))

    def end_with(self, error: BaseException | None) -> None:
        """Restore the handlers that were installed before."""
        self.close()

    def close(self) -> None:
        """Restore the handlers that were installed before."""
        for number, handler in self._previous.items():
            # `None`: a handler that was not installed from Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]
        self._previous.clear()
        _OPEN.discard(id(self))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Set the flag on the first signal; end the process on the second."""
        name = "SIGTERM" if number == signal.SIGTERM else "SIGINT"
        # os.write and not print: the handler may interrupt a print that holds the stream.
        if self.requested:
            os.write(2, f"{name} again: leaving at once, nothing more is saved\n".encode())
            os._exit(128 + number)
        self.requested = True
        os.write(2, f"{name}: {self._word}\n".encode())


def _watch_forks() -> None:
    """Let processes that are forked from now on leave the process group of this one."""
    global _forks_are_watched
    if not _forks_are_watched:
        _forks_are_watched = True
        os.register_at_fork(after_in_child=_leave_group)


def _leave_group() -> None:
    """Leave the parent's process group and its signal handler, if a request is open there."""
    if _OPEN:
        _OPEN.clear()
        # The parent ends its workers by SIGTERM; with its handler they would ignore that.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            os.setpgid(0, 0)
        except OSError:
            return
