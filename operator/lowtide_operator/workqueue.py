"""Queue of TrainingJobs to look at: each waits at most once and never runs twice at a time.

Handlers only add keys; retrying and waking up happen here. A key that fails is
tried again after an exponential backoff with full jitter, counted per key and forgotten at the
first success. Later looks share one heap and one timer. A key that is added while it is being
worked on runs again right after, so no change is ever missed. Time and randomness are arguments.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from lowtide_operator.objects.key import Key


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between tries: at most `first_seconds` * 2**n, never more than `maximum_seconds`."""

    first_seconds: float = 1.0
    maximum_seconds: float = 300.0

    def wait_seconds(self, failures: int, random: Callable[[], float]) -> float:
        """Return the wait after the `failures`-th failure in a row: full jitter below the bound.

        Full jitter spreads jobs that failed together (AWS architecture blog, "Exponential backoff
        and jitter"). The lowest half per cent is cut off, so that a retry is never a busy loop.
        """
        doublings = min(failures - 1, 32)
        bound = min(self.maximum_seconds, self.first_seconds * 2.0**doublings)
        return bound * max(0.005, random())


class WorkQueue:
    """Keys to look at, now or later.

    `clock` is monotonic seconds, `random` uniform in [0, 1). All methods belong to one event loop.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        backoff: Backoff | None = None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._backoff = backoff or Backoff()
        self._ready: deque[Key] = deque()
        self._waiting: dict[Key, float] = {}
        self._active: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._later: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._stopped = False
        self._something_ready = asyncio.Event()
        self._heap_changed = asyncio.Event()

    def add(self, key: Key) -> None:
        """Look at `key` as soon as a worker is free."""
        if key in self._waiting:
            return
        self._waiting[key] = self._clock()
        self._later.pop(key, None)
        if key not in self._active:
            self._ready.append(key)
            self._something_ready.set()

    def add_later(self, key: Key, delay_seconds: float) -> None:
        """Look at `key` after a delay; of several the earliest counts."""
        if key in self._waiting:
            return
        due = self._clock() + max(0.0, delay_seconds)
        if key in self._later and self._later[key] <= due:
            return
        self._later[key] = due
        heapq.heappush(self._heap, (due, key))
        self._heap_changed.set()

    def forget(self, key: Key) -> None:
        """Drop the looks planned for a key when its object is gone."""
        self._later.pop(key, None)
        self._failures.pop(key, None)

    def stop(self) -> None:
        """Hand out no more keys; those being worked on may be finished."""
        self._stopped = True
        self._something_ready.set()

    async def take(self) -> Key | None:
        """Return the key that waits longest and mark it as being worked on; `None` once stopped."""
        while not self._ready and not self._stopped:
            self._something_ready.clear()
            await self._something_ready.wait()
        if self._stopped:
            return None
        key = self._ready.popleft()
        del self._waiting[key]
        self._active.add(key)
        return key

    def next_keys(self, count: int) -> tuple[Key, ...]:
        """Return up to `count` keys that are taken next, the first first."""
        return tuple(islice(self._ready, count))

    def done(self, key: Key, again_after_seconds: float | None = None) -> None:
        """Note that a look at `key` succeeded, and when to look again if nothing changes."""
        self._failures.pop(key, None)
        self._finish(key, again_after_seconds)

    def failed(self, key: Key, at_least_seconds: float = 0.0) -> float:
        """Note that a look at `key` failed; return the seconds until the next try.

        `at_least_seconds` is what the server asked for (Retry-After).
        """
        self._failures[key] = self._failures.get(key, 0) + 1
        wait = self._backoff.wait_seconds(self._failures[key], self._random)
        wait = max(wait, min(at_least_seconds, self._backoff.maximum_seconds))
        self._active.discard(key)
        if key in self._waiting:
            # A change does not shorten the wait: an object that fails and changes all the time
            # would be tried without any backoff.
            del self._waiting[key]
        self.add_later(key, wait)
        return wait

    def _finish(self, key: Key, again_after_seconds: float | None) -> None:
        self._active.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._something_ready.set()
        elif again_after_seconds is not None:
            self.add_later(key, again_after_seconds)

    def add_due(self) -> float | None:
        """Move every key whose time has come to the queue; return seconds until the next one."""
        now = self._clock()
        while self._heap:
            due, key = self._heap[0]
            if self._later.get(key) != due:
                heapq.heappop(self._heap)
            elif due <= now:
                heapq.heappop(self._heap)
                self.add(key)
            else:
                return due - now
        return None

    async def run_timer(self) -> None:
        """Feed later looks into the queue until cancelled; the only timer there is."""
        while True:
            self._heap_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.add_due()):
                    await self._heap_changed.wait()

    @property
    def length(self) -> int:
        """Number of keys that wait for a worker."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Number of keys being worked on."""
        return len(self._active)

    @property
    def later(self) -> int:
        """Number of keys that will be looked at later."""
        return len(self._later)

    @property
    def failing(self) -> int:
        """Number of keys whose last try failed."""
        return len(self._failures)

    @property
    def oldest_age_seconds(self) -> float:
        """How long the first key has waited; 0 when none waits."""
        if not self._waiting:
            return 0.0
        return self._clock() - next(iter(self._waiting.values()))
