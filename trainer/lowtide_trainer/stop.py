"""Request to stop: SIGTERM, which the kubelet sends when a Job is suspended or a node drained.

The first signal only sets a flag that the training loop reads between two batches, so that a
checkpoint never holds half a batch. A second signal ends the process at once, without saving. A
handler is needed in any case: the first process of a container ignores signals without a handler.
It is installed before torch is imported, because that takes seconds.
"""

import os
import signal
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Flag that SIGTERM or SIGINT sets; a context manager that listens while it is open.

    `requested` is false until the first signal. It must be opened in the main thread, because
    Python delivers signals only there.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Install the handlers."""
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the handlers that were installed before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Set the flag on the first signal; end the process on the second."""
        name = signal.Signals(number).name
        # os.write and not print: the handler may interrupt a print that holds the stream.
        if self.requested:
            os.write(2, f"{name} again: leaving at once, nothing more is saved\n".encode())
            os._exit(128 + number)
        self.requested = True
        os.write(2, f"{name}: stopping after this batch\n".encode())
