"""Peer on a loopback socket that sends pieces, one after the other, with a pause after each."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator

DRIP_SECONDS = 0.05


@contextlib.contextmanager
def sending(pieces: Iterable[bytes], pause: float = 0.0) -> Iterator[str]:
    """Serve each connection these pieces; yields the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    sent = list(pieces)

    def talk(connected: socket.socket) -> None:
        with contextlib.suppress(OSError), connected:
            connected.recv(65536)
            for piece in sent:
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
    """Serve a beginning at once, and then 400 bytes in twenty seconds."""
    return sending([beginning, *[b"a"] * 400], DRIP_SECONDS)
