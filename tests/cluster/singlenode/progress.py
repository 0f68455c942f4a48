"""Tells on stderr what is being done and how long it may take; stdout is for data."""

import sys
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """One line per step, with the seconds since the beginning."""

    silent: bool = False
    _begun: float = field(default_factory=time.monotonic)
    _last_update: float = 0.0

    def step(self, text: str) -> None:
        """Say that a step begins."""
        if not self.silent:
            # Whatever line is open, of this process or of one beside it, makes room.
            start = "\r\x1b[K" if sys.stderr.isatty() else ""
            passed = time.monotonic() - self._begun
            print(f"{start}[{passed:5.1f} s] {text}", file=sys.stderr, flush=True)

    def update(self, text: str) -> None:
        """Say how far the step is: at most once a second in place, or once a minute in a log."""
        now = time.monotonic()
        on_terminal = sys.stderr.isatty()
        if self.silent or now - self._last_update < (1.0 if on_terminal else 60.0):
            return
        self._last_update = now
        if on_terminal:
            print(f"\r          {text}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(f"          {text}", file=sys.stderr, flush=True)
