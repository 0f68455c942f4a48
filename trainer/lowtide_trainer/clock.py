"""Clock of the trainer: the time of day, as a moment and as text."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


def utc_now() -> datetime:
    """Return the current time in UTC."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


def utc_text(unix_seconds: float) -> str:
    """Return a moment in UTC as RFC 3339 text, in milliseconds."""
    whole, milliseconds = divmod(round(unix_seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03}Z"
