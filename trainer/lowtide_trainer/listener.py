"""Port of a training's pages, open from its start; what answers is loaded when first asked.

A training starts often and is asked seldom before its first epoch, so its start makes a socket and
a thread that waits for the first client, and nothing else. A port in use is a warning: reporting
never stops a training.
"""

from __future__ import annotations

import sys
from _socket import AF_INET, SHUT_RDWR, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from _thread import allocate_lock, start_new_thread
from select import POLLIN, poll

from lowtide_trainer.warnings_log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lowtide_trainer.metrics import PageServer
    from lowtide_trainer.reporter import Reporter

BACKLOG = 5


class PageListener:
    """An open port, until `close`.

    Raises:
        OSError: the port cannot be opened.
    """

    def __init__(self, reporter: Reporter, port: int, address: str) -> None:
        self._reporter = reporter
        self._socket = socket(AF_INET, SOCK_STREAM)
        try:
            self._socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            self._socket.bind((address, port))
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._server: PageServer | None = None
        self._is_closed = False
        self._lock = allocate_lock()
        start_new_thread(self._wait, ())

    def close(self) -> None:
        """Answer no more; a page under way is finished by its own thread."""
        with self._lock:
            self._is_closed = True
            server = self._server
        if server is None:
            # Wakes the thread that waits, which closes the socket; the port is free at once.
            self._socket.shutdown(SHUT_RDWR)
            return
        # A run that was opened and never closed ends with the interpreter, whose threads have
        # stopped by then: to wait for this one would be to wait for ever.
        if not sys.is_finalizing():
            server.shutdown()
        server.server_close()

    def _wait(self) -> None:
        """Wait for the first client, then answer it and all others."""
        waiting = poll()
        waiting.register(self._socket.fileno(), POLLIN)
        waiting.poll()
        with self._lock:
            if self._is_closed:
                self._socket.close()
                return
            from lowtide_trainer.metrics import PageServer

            server = self._server = PageServer(self._socket.detach(), self._reporter)
        server.serve_forever()


def listen(reporter: Reporter, port: int, address: str = "0.0.0.0") -> PageListener | None:
    """Return an open port for a reporter's pages, or `None`, with a warning, if it is taken.

    Port 0 takes any free port.
    """
    try:
        return PageListener(reporter, port, address)
    except OSError as error:
        warn(__name__, "metrics cannot be served on %s:%d: %s", address, port, error)
        return None
