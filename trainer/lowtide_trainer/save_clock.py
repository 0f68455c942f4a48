"""Clock of the checkpoints within an epoch: when the next one is due."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

CHECKPOINT_SHARE: Final = 0.05
"""Most of the time that saving may take; a slow disk is written to less often."""


class SaveClock:
    """Time of the next checkpoint; it starts when it is made.

    `pause_seconds` is the longest time between two, unless saving is so slow that it would take
    more than its share.
    """

    def __init__(self, pause_seconds: float, monotonic: Callable[[], float]) -> None:
        self._pause_seconds = pause_seconds
        self._monotonic = monotonic
        self._due_at = monotonic() + pause_seconds

    def is_due(self) -> bool:
        """Return whether the time has come."""
        return self._monotonic() >= self._due_at

    def saved(self, duration_seconds: float) -> None:
        """Set the time of the next checkpoint after one that took so long."""
        pause = max(self._pause_seconds, duration_seconds / CHECKPOINT_SHARE)
        self._due_at = self._monotonic() + pause
