"""Signals that are held back for a while: they come when the thread takes them, or afterwards."""

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager


@contextmanager
def signals_held(held: Collection[signal.Signals]) -> Iterator[None]:
    """Hold signals back from this thread, and from those that it starts meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
