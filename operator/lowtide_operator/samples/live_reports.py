"""Reports of running trainings, asked from their pods.

A look at a job names the addresses of its pods and takes the last answer; the asking goes on beside
it, so a pod that hangs delays no look. An answer comes from a user's pod: it is bounded, it has one
deadline, and what is not a report counts as no answer. A pod that does not answer is asked less and
less often. Nothing is kept across restarts: the report itself tells the whole run.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import aiohttp

from lowtide.accounts.progress import LiveReport, Mark, add_mark
from lowtide.names import TRAINER_REPORT_PATH
from lowtide.trainingjob.report import TrainingReport, parse_report
from lowtide_operator.bounded_body import bounded_body
from lowtide_operator.objects.key import Key
from lowtide_operator.process_settings import PredictionSettings

LOG: Final = logging.getLogger(__name__)

PODS_ASKED: Final = 4
"""Pods of one job that are asked; the first rank answers for all."""
AT_ONCE: Final = 16
JOBS_MAX: Final = 4_096
"""Jobs beyond this number are not asked."""
BODY_MAX_BYTES: Final = 65_536
LONGEST_PAUSE_SECONDS: Final = 600.0
FORGOTTEN_SECONDS: Final = 1_800.0
"""A job that no look named for so long is not asked any more."""


@dataclass(slots=True)
class _Watched:
    """One job that is asked."""

    key: Key
    addresses: tuple[str, ...]
    named_at: float
    due: float
    pause: float
    answer: LiveReport | None = None
    marks: list[Mark] = field(default_factory=list)


class LiveReports:
    """Last reports of running jobs by uid; belongs to one event loop."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: PredictionSettings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        on_news: Callable[[Key], None],
    ) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._on_news = on_news
        self._jobs: dict[str, _Watched] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def of_job(self, key: Key, uid: str, addresses: Sequence[str]) -> LiveReport | None:
        """Return the last report of a job, and go on asking its running pods."""
        found = self._jobs.get(uid)
        now = self._monotonic()
        if found is None:
            if not addresses or self._settings.report_port == 0 or len(self._jobs) >= JOBS_MAX:
                return None
            pause = self._settings.period_seconds
            found = self._jobs[uid] = _Watched(key, (), now, now, pause)
        found.named_at = now
        if tuple(addresses) != found.addresses:
            found.addresses = tuple(addresses)
            found.due, found.pause = now, self._settings.period_seconds
        return found.answer

    async def run(self) -> None:
        """Ask at the period until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(min(1.0, self._settings.period_seconds))

    async def ask(self) -> None:
        """Ask every job that is due once, and forget those that no look names any more."""
        now = self._monotonic()
        for uid, job in list(self._jobs.items()):
            if now - job.named_at > FORGOTTEN_SECONDS:
                del self._jobs[uid]
        due = [job for job in self._jobs.values() if job.due <= now and job.addresses]
        await asyncio.gather(*(self._ask(job) for job in due))

    async def _ask(self, job: _Watched) -> None:
        addresses = job.addresses[:PODS_ASKED]
        found = await asyncio.gather(*(self._report(address) for address in addresses))
        reports = [report for report in found if report is not None]
        now = self._monotonic()
        if not reports:
            job.pause = min(2 * job.pause, LONGEST_PAUSE_SECONDS)
            job.due = now + job.pause
            return
        job.pause = self._settings.period_seconds
        job.due = now + job.pause
        report = max(reports, key=lambda one: (one.epochs or 0, one.samples or 0))
        before = None if job.answer is None else job.answer.report
        at = self._clock()
        add_mark(job.marks, at, report)
        job.answer = LiveReport(at, report, tuple(job.marks))
        if before is None or _is_news(before, report):
            self._on_news(job.key)

    async def _report(self, address: str) -> TrainingReport | None:
        """Return the report of one pod, `None` where it gives none in time."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._settings.report_port}{TRAINER_REPORT_PATH}"
        limit = aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        try:
            async with (
                self._places,
                self._session.get(url, timeout=limit, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    return None
                body = await bounded_body(answer, BODY_MAX_BYTES)
                return None if body is None else parse_report(body.decode()).report
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeDecodeError) as error:
            LOG.debug("%s: %s", url, error)
            return None


def _is_news(before: TrainingReport, now: TrainingReport) -> bool:
    """Return whether a report tells more than that time has passed."""
    return (before.epochs, before.checkpoint) != (now.epochs, now.checkpoint)
