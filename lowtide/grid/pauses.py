"""Leaving a source alone after it failed: a minute after an outage, longer after a refusal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.errors import GridError, NotOffered, Unavailable

PAUSE_AFTER_OUTAGE: Final = timedelta(seconds=60)
PAUSE_AFTER_REFUSAL: Final = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class _Pause:
    until: datetime
    error: GridError


class FailurePauses:
    """What failed lately, by key; one per source, so the keys are few."""

    def __init__(self, refresh: timedelta) -> None:
        """Pause for no longer than `refresh`, unless the source asks for it."""
        self._refresh = refresh
        self._pauses: dict[str, _Pause] = {}

    def raise_if_paused(self, key: str, now: datetime) -> None:
        """Raise the last error again while the source is left alone.

        Raises:
            GridError: of the kind, and with the words, of the failure.
        """
        pause = self._pauses.get(key)
        if pause is not None and now < pause.until:
            raise type(pause.error)(
                str(pause.error),
                status=pause.error.status,
                retry_after_seconds=(pause.until - now).total_seconds(),
            )

    def begin(self, key: str, now: datetime, error: GridError) -> None:
        """Remember a failure; what is not offered at all needs no pause."""
        if isinstance(error, NotOffered):
            return
        longest = PAUSE_AFTER_OUTAGE if isinstance(error, Unavailable) else PAUSE_AFTER_REFUSAL
        length = min(self._refresh, longest)
        if error.retry_after_seconds is not None:
            length = max(length, timedelta(seconds=error.retry_after_seconds))
        self._pauses[key] = _Pause(now + length, error)
