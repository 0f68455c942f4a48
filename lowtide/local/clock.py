"""Clock of a run: one that neither a step of the wall clock nor a sleeping machine disturbs."""

import time
from datetime import UTC, datetime
from typing import Final

_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", None)


class RunClock:
    """Unix times of one run, from a clock that never goes back and goes on in a suspend.

    The wall clock is asked once; a later step of it moves nothing.
    """

    def __init__(self) -> None:
        self._began, self._wall = elapsed_seconds(), time.time()

    def monotonic(self) -> float:
        """Return seconds that only grow, a suspended machine's included."""
        return elapsed_seconds()

    def unix(self, monotonic_seconds: float) -> float:
        """Return the Unix time of a moment of `monotonic`."""
        return self._wall + monotonic_seconds - self._began

    def stepped_seconds(self) -> float:
        """Return by how much the wall clock has been set since the run began."""
        return time.time() - self.unix(elapsed_seconds())


def elapsed_seconds() -> float:
    """Return the time since the machine's start, or a monotonic time where that is not told."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


def utc_of(unix_seconds: float) -> datetime:
    """Return a Unix time as a moment in UTC."""
    return datetime.fromtimestamp(unix_seconds, UTC)


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)
