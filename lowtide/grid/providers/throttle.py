"""A limit on our own request rate, so that no service ever has to ban us.

The limit belongs to a service and not to a zone: the factory hands one throttle to all clients of
the same host. Being over the limit is an error at once, never a wait: a worker thread must not
sleep for minutes, and the cached answer is still there.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

from lowtide.grid.errors import RateLimited


class Throttle:
    """At most `calls` requests in any window of `per_seconds`."""

    def __init__(
        self, calls: int, per_seconds: float, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with the whole allowance; `monotonic` is the clock in seconds."""
        self._calls = calls
        self._per_seconds = per_seconds
        self._monotonic = monotonic
        self._taken: deque[float] = deque(maxlen=max(calls, 1))
        self._lock = threading.Lock()

    @classmethod
    def unlimited(cls) -> Self:
        """Return a throttle that lets everything pass."""
        return cls(0, 0.0)

    def take(self, name: str) -> None:
        """Count one request.

        Raises:
            RateLimited: the allowance is used up; `retry_after_seconds` says for how long.
        """
        if self._calls == 0:
            return
        with self._lock:
            now = self._monotonic()
            if len(self._taken) == self._calls:
                free_in = self._taken[0] + self._per_seconds - now
                if free_in > 0:
                    raise RateLimited(
                        f"{name} was asked {self._calls} times in {self._per_seconds:g} s, "
                        "which is the limit kept here",
                        retry_after_seconds=free_in,
                    )
            self._taken.append(now)
