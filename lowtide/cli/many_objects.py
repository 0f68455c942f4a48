"""Seldom collections of garbage while a command holds the figures of many runs.

Figures of 200,000 runs are millions of objects that live until the end of the command and hold no
cycles; looking through them again and again takes a fifth of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

NEW_OBJECTS: Final = 200_000
"""New objects between two looks at them; Python's own number is 700."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collect garbage seldom inside of the block."""
    before = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
