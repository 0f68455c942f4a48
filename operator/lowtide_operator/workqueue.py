"""Queue of TrainingJobs to look at: each waits at most once and never runs twice at a time.

Handlers only add keys; retrying and waking up happen here. A key that fails is tried again after
an exponential backoff with full jitter, counted per key and forgotten at the first success. Later
looks share one heap and one timer. A key that is added while it is being worked on runs again
right after, so no change is ever missed. Keys wait in lanes with workers of their own, so that
slow work on ended jobs never delays a start. Time and randomness are arguments.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import inf

from lowtide_operator.objects.key import Key


class Lane(StrEnum):
    """Kind of work that a job needs next."""

    JOBS = "jobs"
    """Planning, starting, following: never waits for anything but the API server."""
    MEASURING = "measuring"
    """Reading the energy of ended jobs, which may wait for Prometheus."""


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

    `clock` is monotonic seconds, `random` uniform in [0, 1); `lane_of` says which workers look at
    a key. All methods belong to one event loop.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        backoff: Backoff | None = None,
        lane_of: Callable[[Key], Lane] = lambda _: Lane.JOBS,
    ) -> None:
        self._clock = clock
        self._random = random
        self._backoff = backoff or Backoff()
        self._lane_of = lane_of
        self._lanes: dict[Key, Lane] = {}
        self._ready: dict[Lane, deque[Key]] = {lane: deque() for lane in Lane}
        self._waiting: dict[Lane, dict[Key, float]] = {lane: {} for lane in Lane}
        self._active: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._later: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._stopped = False
        self._something_ready = {lane: asyncio.Event() for lane in Lane}
        self._heap_changed = asyncio.Event()

    def add(self, key: Key) -> None:
        """Look at `key` as soon as a worker is free."""
        if key in self._lanes:
            return
        self._later.pop(key, None)
        self._line_up(key, self._clock())
        if key not in self._active:
            self._hand_out(key)

    def _line_up(self, key: Key, since: float) -> None:
        lane = self._lanes[key] = self._lane_of(key)
        self._waiting[lane][key] = since

    def _hand_out(self, key: Key) -> None:
        lane = self._lanes[key]
        self._ready[lane].append(key)
        self._something_ready[lane].set()

    def _leave(self, key: Key) -> float:
        """Take a key out of its line; return since when it waited."""
        return self._waiting[self._lanes.pop(key)].pop(key)

    def add_later(self, key: Key, delay_seconds: float) -> None:
        """Look at `key` after a delay; of several the earliest counts."""
        if key in self._lanes:
            return
        due = self._clock() + max(0.0, delay_seconds)
        if key in self._later and self._later[key] <= due:
            return
        self._later[key] = due
        heapq.heappush(self._heap, (due, key))
        self._heap_changed.set()

    def bring_forward(self, seconds: float) -> None:
        """Bring all later looks forward: the wall clock, by which they were set, has stepped."""
        self._later = {key: due - seconds for key, due in self._later.items()}
        self._heap = [(due, key) for key, due in self._later.items()]
        heapq.heapify(self._heap)
        self._heap_changed.set()

    def forget(self, key: Key) -> None:
        """Drop the looks planned for a key when its object is gone."""
        self._later.pop(key, None)
        self._failures.pop(key, None)

    def stop(self) -> None:
        """Hand out no more keys; those being worked on may be finished."""
        self._stopped = True
        for event in self._something_ready.values():
            event.set()

    async def take(self, lane: Lane = Lane.JOBS) -> Key | None:
        """Return the key that waits longest in a lane, as being worked on; `None` once stopped."""
        ready, event = self._ready[lane], self._something_ready[lane]
        while not self._stopped:
            if not ready:
                event.clear()
                await event.wait()
                continue
            key = ready.popleft()
            since = self._leave(key)
            if self._lane_of(key) is lane:
                self._active.add(key)
                return key
            # It has ended while it waited, behind a leader that did not lead yet.
            self._line_up(key, since)
            self._hand_out(key)
        return None

    def next_keys(self, count: int) -> tuple[Key, ...]:
        """Return up to `count` keys that are taken next from the lane of jobs, the first first."""
        return tuple(islice(self._ready[Lane.JOBS], count))

    def done(self, key: Key, again_after_seconds: float | None = None) -> None:
        """Note that a look at `key` succeeded, and when to look again if nothing changes."""
        self._failures.pop(key, None)
        self._active.discard(key)
        if key in self._lanes:
            # What was just done may have moved it to another lane.
            self._line_up(key, self._leave(key))
            self._hand_out(key)
        elif again_after_seconds is not None:
            self.add_later(key, again_after_seconds)

    def failed(
        self, key: Key, at_least_seconds: float = 0.0, at_most_seconds: float = inf
    ) -> float:
        """Note that a look at `key` failed; return the seconds until the next try.

        `at_least_seconds` is what the server asked for (Retry-After), `at_most_seconds` what the
        job can bear; the latter counts more.
        """
        self._failures[key] = self._failures.get(key, 0) + 1
        wait = self._backoff.wait_seconds(self._failures[key], self._random)
        wait = max(wait, min(at_least_seconds, self._backoff.maximum_seconds))
        wait = min(wait, at_most_seconds)
        self._active.discard(key)
        if key in self._lanes:
            # A change does not shorten the wait: an object that fails and changes all the time
            # would be tried without any backoff.
            self._leave(key)
        self.add_later(key, wait)
        return wait

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
        return len(self._lanes)

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
        """How long the first key of the lane of jobs has waited; 0 when none waits."""
        waiting = self._waiting[Lane.JOBS]
        return self._clock() - next(iter(waiting.values())) if waiting else 0.0
