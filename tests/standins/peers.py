"""Peer on a loopback socket that sends pieces, one after the other, with a pause after each."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterable, Iterator

DRIP_SECONDS = 0.05


class Endless:
    """A beginning and then the same byte for ever; each iteration begins anew."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain([self._beginning], itertools.repeat(b"a"))


@contextlib.contextmanager
def sending(pieces: Iterable[bytes], pause: float = 0.0) -> Iterator[str]:
    """Serve each connection these pieces, which may be endless; yields the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connected: socket.socket) -> None:
        with contextlib.suppress(OSError), connected:
            connected.recv(65536)
            for piece in pieces:
                connected.sendall(piece)
                time.sleep(pause)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = listener.accept()
                threading.Thread(target=talk, args=(connected,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def dripping(beginning: bytes) -> contextlib.AbstractContextManager[str]:
    """Serve a beginning at once, and then a byte at a time until the client leaves."""
    return sending(Endless(beginning), DRIP_SECONDS)
