"""Ports of this machine that nothing takes before the test does.

A port that the kernel gave out and took back is given out again to whoever asks for any. So these
lie below the range that the kernel gives out, and a process returns each only once.
"""

import random
import socket
from typing import Final

_FIRST: Final = 12_000
_LAST: Final = 30_000
_chosen = random.SystemRandom()
_taken: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens and which this process did not return before."""
    while True:
        port = _chosen.randrange(_FIRST, _LAST)
        if port in _taken:
            continue
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        _taken.add(port)
        return port
