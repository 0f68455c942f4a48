"""Sockets whose reads and writes end by one deadline, however slowly the bytes drip.

A timeout of a socket starts anew with every byte. Here every read gets only what is left of the
time for the whole exchange: handshake, headers, chunk sizes and body alike.
"""

import socket
import ssl
import time
from typing import Any


class _Timed:
    """Socket whose reads and writes end at `until`, monotonic seconds."""

    until: float

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self._hurry()
        return super().recv_into(buffer, nbytes, flags)  # type: ignore[misc, no-any-return]

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._hurry()
        super().sendall(data, flags)  # type: ignore[misc]

    def _hurry(self) -> None:
        left = seconds_left(self.until)
        own = self.gettimeout()  # type: ignore[attr-defined]
        self.settimeout(left if own is None else min(own, left))  # type: ignore[attr-defined]


class PlainSocket(_Timed, socket.socket):
    """Timed socket without TLS."""


class TlsSocket(_Timed, ssl.SSLSocket):  # type: ignore[misc]  # one parameter is named apart
    """Timed socket with TLS."""


def seconds_left(until: float) -> float:
    """Return the time until a deadline.

    Raises:
        TimeoutError: it has passed.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the whole exchange is over")
    return left
