"""The wish to stop: SIGTERM, as the kubelet sends it when a Job is suspended or a node drained.

The first signal only sets a flag that the training loop reads between two batches, so that a
checkpoint is always of a whole batch. A second one ends the process at once, without saving.
A handler is needed in any case: a container's first process ignores signals that it does not
handle. It is installed before torch is imported, because that takes seconds.
"""

import os
import signal
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether the process was asked to stop; a context manager that listens while it is open.

    `requested` is false until the first signal. Must be opened in the main thread, as Python
    delivers signals only there.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Listen from here on."""
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put back what handled the signals before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; leave at once on the second."""
        name = signal.Signals(number).name
        # os.write rather than print: a handler may interrupt a print that holds the stream.
        if self.requested:
            os.write(2, f"{name} again: leaving at once, nothing more is saved\n".encode())
            os._exit(128 + number)
        self.requested = True
        os.write(2, f"{name}: stopping after this batch\n".encode())
