"""Lane of Events: they are recorded beside the work, in order, and hold nothing up.

Events are a courtesy. A slow or failing Events API (large clusters keep Events in an etcd of
their own) delays and at last drops Events; statuses and starts never wait for it.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import Any, Final, Protocol

from lowtide_operator.cluster.errors import ClusterError, RefusedError
from lowtide_operator.status.events import PLANNED
from lowtide_operator.tally import Tally

LOG: Final = logging.getLogger(__name__)
MOST: Final = 20_000
"""Events that wait at most; further ones are dropped and counted."""
PLANS_AT_ONCE: Final = 500
PLANS_PER_SECOND: Final = 5
"""Bounds of Events about plans: so many at once, and then so many each second."""
WORKERS: Final = 4
TRIES: Final = 6
FIRST_WAIT_SECONDS: Final = 1.0
"""Wait after the first failure; doubles with each further one."""

Manifest = dict[str, Any]


class EventSink(Protocol):
    """Where Events are recorded; `lowtide_operator.cluster.client.Cluster` is one."""

    async def create_event(self, manifest: Manifest) -> None:
        """Record an Event."""
        ...


class EventLane:
    """Events that wait to be recorded; belongs to one event loop."""

    def __init__(self, sink: EventSink, tally: Tally) -> None:
        self._sink = sink
        self._tally = tally
        self._waiting: deque[Manifest] = deque()
        self._busy = 0
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._plans_left = float(PLANS_AT_ONCE)
        self._counted_at_seconds: float | None = None

    def admits(self, reason: str) -> bool:
        """Return whether an Event for this reason is recorded now, and count it if so.

        Of a flood of plans (a restart that finds thousands of new jobs) most Events are left out:
        the condition `Planned` says the same, and each would cost the API server as much as the
        status.
        """
        if reason != PLANNED:
            return True
        now = asyncio.get_running_loop().time()
        if self._counted_at_seconds is not None:
            earned = (now - self._counted_at_seconds) * PLANS_PER_SECOND
            self._plans_left = min(self._plans_left + earned, PLANS_AT_ONCE)
        self._counted_at_seconds = now
        if self._plans_left < 1:
            self._tally.events_left_out += 1
            return False
        self._plans_left -= 1
        return True

    def post(self, manifest: Manifest) -> None:
        """Record an Event soon; one too many is dropped."""
        if len(self._waiting) >= MOST:
            self._tally.events_dropped += 1
            return
        self._waiting.append(manifest)
        self._empty.clear()
        self._news.set()

    async def run(self) -> None:
        """Record Events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def flush(self, seconds: float) -> None:
        """Wait until all Events are recorded, at most for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            manifest = self._waiting.popleft()
            self._busy += 1
            try:
                await self._record(manifest)
            finally:
                self._busy -= 1
                if not self._waiting and not self._busy:
                    self._empty.set()

    async def _record(self, manifest: Manifest) -> None:
        for failures in range(TRIES):
            try:
                await self._sink.create_event(manifest)
            except RefusedError as error:
                self._drop(manifest, error)
                return
            except ClusterError as error:
                if failures == TRIES - 1:
                    self._drop(manifest, error)
                    return
                await asyncio.sleep(FIRST_WAIT_SECONDS * 2.0**failures)
            else:
                self._tally.events_recorded += 1
                return

    def _drop(self, manifest: Manifest, error: ClusterError) -> None:
        self._tally.events_dropped += 1
        name = manifest["metadata"]["name"]
        LOG.warning("Event %s (%s) is not recorded: %s", name, manifest["reason"], error)
