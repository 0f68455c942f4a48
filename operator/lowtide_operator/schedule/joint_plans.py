"""Joint plans of all waiting jobs: one pass of the planner for many, not one for each.

A look at a job asks for its plan and gets one that was made in a pass. A pass takes every job
with a plan that is missing or out of date (newer forecasts, the next slot, other room), so that
jobs of a zone share their tables and, where GPUs are limited, take room in one order: by latest
start, then by creation. A job whose plan changed is looked at again; the others are left in peace.
`decide` still decides: it uses a plan only for the question that it would have asked itself.
Nothing outlives a restart: the first looks ask again.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from lowtide.planning import Plan, PlanReason, Request
from lowtide.planning.booking import reservation
from lowtide_operator.decision.observation import ZoneOutlook
from lowtide_operator.objects.key import Key
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.passes import differs, plan_together
from lowtide_operator.schedule.room import GpuRoom
from lowtide_operator.tally import Tally

LOG: Final = logging.getLogger(__name__)

ROOM_SECONDS: Final = 10.0
"""Changes of room are collected for this long, so that many ends cost one pass."""
GATHER_SECONDS: Final = 0.1
"""After a small pass the next one waits this long and takes along the jobs that ask meanwhile.
A job that asks when nothing was planned for so long does not wait."""
SMALL_PASS_JOBS: Final = 64
"""A pass of fewer jobs is small: it costs nearly as much as one of as many."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Entry:
    """Question about a job, and the answer once there is one."""

    request: Request
    outlook: ZoneOutlook
    """The forecast to plan by."""
    before: Plan | None = None
    """The answer that this one replaces."""
    plan: Plan | None = None
    """The answer."""
    asked: bool = False
    """A look waits for it."""
    failed: bool = False
    """The planner cannot answer."""

    def is_about(self, request: Request, outlook: ZoneOutlook) -> bool:
        """Return whether this is the question, now or at the next look."""
        return self.outlook is outlook and request in (self.request, self._next)

    def is_over(self, now: datetime) -> bool:
        """Return whether the answer is out of date."""
        return self.plan is not None and now >= self.plan.look_again_at

    def renewed(self, outlook: ZoneOutlook) -> "_Entry":
        """Return the same question by another outlook or at another time, not answered yet."""
        return _Entry(self._next, outlook, before=self.plan)

    @property
    def _next(self) -> Request:
        """Question of the next look: a job that was told to wait has waited."""
        waits = self.plan is not None and self.plan.reason in (
            PlanReason.CLEANEST_WINDOW,
            PlanReason.CAPACITY_SHORT,
        )
        return replace(self.request, waited=True) if waits else self.request


class Surroundings(Protocol):
    """The cluster around the waiting jobs, as a pass needs it."""

    def now(self) -> datetime:
        """Return the time."""
        ...

    def room(self) -> GpuRoom:
        """Return how many GPUs planned jobs may hold."""
        ...

    def running_keys(self) -> Sequence[Key]:
        """Return the jobs that hold GPUs."""
        ...

    def newest_outlook(self, zone: str) -> ZoneOutlook | None:
        """Return the forecast of a zone as it is now."""
        ...

    def questions_ahead(self) -> Iterable[tuple[Key, Request, ZoneOutlook]]:
        """Return the questions of jobs that are looked at next, so that a pass plans them too."""
        ...

    def plan_changed(self, key: Key) -> None:
        """Look at a job again: its plan changed without being asked for."""
        ...


@dataclass(slots=True, kw_only=True)
class Desk:
    """The plans of the jobs that wait; all methods belong to one event loop."""

    bookings: Bookings
    tally: Tally
    around: Surroundings
    _entries: dict[Key, _Entry] = field(default_factory=dict)
    _newest: dict[str, ZoneOutlook] = field(default_factory=dict)
    """The forecast that each zone is planned by."""
    _open: dict[Key, None] = field(default_factory=dict)
    """Jobs without an answer, in the order in which they asked."""
    _valid_until: datetime = _NEVER
    """The answers of all other jobs hold until then."""
    _pass: "asyncio.Task[None] | None" = None
    """The pass that runs."""
    _again: bool = False
    """News came during the pass: another one follows."""
    _gather_until: float = 0.0
    """Start of the next pass at the earliest, by the loop's clock."""
    _freed: asyncio.TimerHandle | None = None
    """Timer that plans all jobs again after a change of room."""
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="plan")
    )

    def __contains__(self, key: Key) -> bool:
        """Return whether a job's plan is kept up to date here."""
        return key in self._entries

    async def ask(self, key: Key, request: Request, outlook: ZoneOutlook) -> Plan | None:
        """Return the plan of a waiting job, made now or still valid; `None` if none can be made."""
        # The look may have seen an older forecast than others were planned with meanwhile.
        outlook = self.around.newest_outlook(outlook.zone) or outlook
        self._learn(outlook)
        known = self._entries.get(key)
        if (
            known is None
            or not known.is_about(request, outlook)
            or known.is_over(self.around.now())
        ):
            self._entries[key] = _Entry(request, outlook)
            self._open[key] = None
        while (entry := self._entries.get(key)) is not None:
            if entry.plan is not None or entry.failed:
                return entry.plan
            entry.asked = True
            await asyncio.shield(self._next_pass())
        return None

    def forget(self, key: Key) -> None:
        """Drop a job that no longer waits."""
        self._entries.pop(key, None)
        self._open.pop(key, None)

    def plan_by(self, outlook: ZoneOutlook) -> None:
        """Plan the jobs of a zone again, by its new outlook."""
        self._learn(outlook)
        self._plan_again()

    def _learn(self, outlook: ZoneOutlook) -> None:
        if self._newest.get(outlook.zone) is not outlook:
            self._newest[outlook.zone] = outlook
            self._valid_until = _LONG_AGO

    def room_changed(self) -> None:
        """Plan all jobs again soon: there is more or less room than before."""
        if self._freed is None:
            loop = asyncio.get_running_loop()
            self._freed = loop.call_later(ROOM_SECONDS, self._use_room)

    def _use_room(self) -> None:
        self._freed = None
        self._entries = {key: e.renewed(e.outlook) for key, e in self._entries.items()}
        self._open = dict.fromkeys(self._entries)
        self._plan_again()

    def _plan_again(self) -> None:
        # A pass that runs already knows nothing of the news.
        self._again = self._pass is not None and not self._pass.done()
        if self._entries:
            self._next_pass()

    async def close(self) -> None:
        """End the pass that runs, if one does."""
        if self._freed is not None:
            self._freed.cancel()
        self._again = False
        if self._pass is not None:
            self._pass.cancel()
            await asyncio.gather(self._pass, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _next_pass(self) -> "asyncio.Task[None]":
        """Return the pass that runs, a new one if none does."""
        if self._pass is None or self._pass.done():
            self._pass = asyncio.create_task(self._plan_stale())
        return self._pass

    async def _plan_stale(self) -> None:
        try:
            await self._one_pass()
        finally:
            if self._again:
                self._again = False
                self._pass = asyncio.create_task(self._plan_stale())

    async def _one_pass(self) -> None:
        loop = asyncio.get_running_loop()
        # Every job that asks in this turn of the loop is taken along.
        await asyncio.sleep(max(0.0, self._gather_until - loop.time()))
        now, began = self.around.now(), loop.time()
        stale = self._stale(now)
        if not stale:
            return
        calendars = self.bookings.calendars(self.around.room(), now, self.around.running_keys())
        requests = [entry.request for entry in stale.values()]
        outlooks = {entry.request.key: entry.outlook for entry in stale.values()}
        plans = await loop.run_in_executor(
            self._pool, plan_together, now, requests, outlooks, calendars
        )
        ended = loop.time()
        self._gather_until = ended + GATHER_SECONDS if len(stale) < SMALL_PASS_JOBS else ended
        self.tally.planning_passes += 1
        self.tally.planning_seconds += ended - began
        for key, entry in stale.items():
            self._answer(key, entry, plans.get(entry.request.key))

    def _stale(self, now: datetime) -> dict[Key, _Entry]:
        """Return the jobs without a valid plan, each with the question to answer."""
        if now >= self._valid_until:
            self._reopen(now)
        if self._open:
            for key, request, outlook in self.around.questions_ahead():
                if key not in self._entries:
                    self._entries[key] = _Entry(request, outlook)
                    self._open[key] = None
        return {key: self._entries[key] for key in self._open}

    def _reopen(self, now: datetime) -> None:
        """Ask again for every job with an answer that is out of date."""
        self._valid_until = _NEVER
        for key, entry in self._entries.items():
            newest = self._newest.get(entry.outlook.zone, entry.outlook)
            if entry.plan is None:
                if key in self._open:
                    entry.outlook = newest
            elif entry.outlook is not newest or entry.is_over(now):
                self._entries[key] = entry.renewed(newest)
                self._open[key] = None
            else:
                self._valid_until = min(self._valid_until, entry.plan.look_again_at)

    def _answer(self, key: Key, entry: _Entry, plan: Plan | None) -> None:
        """Keep an answer and, where GPUs are limited, the room that it takes."""
        before, entry.before = entry.before, None
        entry.plan, entry.failed = plan, plan is None
        if self._entries.get(key) is not entry:
            return
        self._open.pop(key, None)
        if plan is None:
            return
        self._valid_until = min(self._valid_until, plan.look_again_at)
        self.bookings.reserve(key, reservation(entry.request, plan.segments))
        if not entry.asked and before is not None and differs(before, plan):
            self.around.plan_changed(key)
