"""Turns of the jobs whose energy is read: a few at a time, and never in the workers' time.

A look at an ended job returns at once: with figures that have been read for it, or with the note
that it waits. A store that is slow therefore delays no start.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from lowtide.accounts.figures import Measurement
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide_operator.measuring.measure import Measurer, still_waiting
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.settings import OperatorSettings

LOG: Final = logging.getLogger(__name__)
AT_ONCE: Final = 4
"""Jobs that are read at the same time; each holds one piece of its samples."""


class MeasuringTurns:
    """Readings that run, wait or are done, by job; belongs to one event loop."""

    def __init__(self, measurer: Measurer, on_done: Callable[[Key], None]) -> None:
        self._measurer = measurer
        self._on_done = on_done
        self._places = asyncio.Semaphore(AT_ONCE)
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._done: dict[Key, tuple[JobView, Measurement]] = {}

    def figures(self, job: JobView, now: datetime, settings: OperatorSettings) -> Measurement:
        """Return the figures of an ended job, or what they wait for.

        Figures that were read for another state of the job are not used.
        """
        found = self._done.pop(job.key, None)
        if found is not None and _is_same(found[0], job):
            return found[1]
        if job.key not in self._running:
            task = asyncio.create_task(self._read(job, now, settings))
            self._running[job.key] = task
        return _as_before(job)

    def forget(self, key: Key) -> None:
        """Drop what was read for a job that is gone."""
        self._done.pop(key, None)

    async def close(self) -> None:
        """End all readings; they are begun again by the next process."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _read(self, job: JobView, now: datetime, settings: OperatorSettings) -> None:
        try:
            async with self._places:
                found = await self._measurer.measure(job, now, settings)
        except Exception:
            # One job that cannot be measured must not stop the others, and is tried again.
            LOG.exception("%s: its energy cannot be read", job.key)
            found = _as_before(job)
        finally:
            del self._running[job.key]
        self._done[job.key] = job, found
        self._on_done(job.key)


def _as_before(job: JobView) -> Measurement:
    """Return what the job waits for, in the words of its status: a reading is no news."""
    before = find(job.status.conditions, ConditionType.MEASURED)
    if before is None or before.reason == Reason.NOT_MEASURED_YET:
        return still_waiting(job, Reason.SETTLING, "the last samples are awaited")
    return still_waiting(job, Reason(before.reason), before.message)


def _is_same(read: JobView, job: JobView) -> bool:
    """Return whether a reading is one of this very run."""
    return read.uid == job.uid and read.status.attempts == job.status.attempts
