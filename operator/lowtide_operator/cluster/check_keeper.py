"""Keeper of our AdmissionCheck of Kueue: the only part that writes the status of Kueue's objects.

An administrator puts the check into a ClusterQueue. From then on each workload of that queue needs
it, whoever wrote it, so it is set to Ready at once for all that Lowtide does not pause, before they
have quota. A pause is three writes that follow Kueue's answers within moments; each is decided from
Kueue's object alone, so the keeper remembers only what is to rest, and until when.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from lowtide.trainingjob.holding import parked_in_queue
from lowtide.trainingjob.pods_of_workloads import value_at
from lowtide.trainingjob.queue_check import CheckState, QueuedWorkload, queued_workload
from lowtide.trainingjob.queue_writes import WITHOUT_END, QueueWrite, next_write, rests
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide.units import format_timestamp
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.errors import (
    ClusterError,
    ConflictError,
    NotFoundError,
    UnreachableError,
)
from lowtide_operator.cluster.workload_watch import WorkloadSource, WorkloadWatch
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.multikueue import QUEUED_WORKLOAD

LOG: Final = logging.getLogger(__name__)
CONTROLLER: Final = "lowtide.dev/carbon"
"""`spec.controllerName` of the checks that this operator decides."""
AT_ONCE: Final = 4
"""Writes under way at a time."""
RETRY_SECONDS: Final = 5.0
"""What could not be written is tried again after so long."""
ACTIVE_SECONDS: Final = 60.0
"""Distance between two looks at the check itself."""
Body = dict[str, Any]
Place = tuple[str, str]


class CheckStore(WorkloadSource, Protocol):
    """Reads and writes of the keeper; `lowtide_operator.cluster.client.Cluster` has them."""

    async def get_workload(self, kind: WorkloadKind, namespace: str, name: str) -> Body | None:
        """Return a workload."""
        ...

    async def version_of_queues(self) -> str:
        """Return the version of Kueue's API that is served; empty without one."""
        ...

    def forget_version_of_queues(self) -> None:
        """Ask again which version is served."""
        ...

    async def queued(self, namespace: str, name: str, check: str) -> QueuedWorkload | None:
        """Return Kueue's object of this name."""
        ...

    async def write_check(
        self, seen: QueuedWorkload, write: QueueWrite, check: str, now: datetime
    ) -> Body | None:
        """Make a write of the status of Kueue's object."""
        ...

    async def get_check(self, check: str) -> Body | None:
        """Return an AdmissionCheck."""
        ...

    async def apply_check(self, check: str, status: Body) -> Body | None:
        """Apply the status of an AdmissionCheck."""
        ...


class CheckKeeper:
    """Our check of all workloads in Kueue's queues; belongs to one event loop."""

    def __init__(
        self,
        store: CheckStore,
        cache: Cache,
        kinds: Sequence[WorkloadKind],
        namespaces: Sequence[str],
        check: str,
        *,
        on_change: Callable[[Key], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._cache = cache
        self._kinds = {kind.kind: kind for kind in kinds}
        self._check = check
        self._on_change = on_change
        self._clock = clock
        self._resting: dict[Place, datetime] = {}
        self._urgent: dict[Place, QueuedWorkload] = {}
        self._others: dict[Place, QueuedWorkload] = {}
        self._awake = asyncio.Event()
        self._decides = asyncio.Event()
        """Set while the check names Lowtide as its controller; nothing is written otherwise."""
        self._trouble = ""
        self._watch = WorkloadWatch(self, (QUEUED_WORKLOAD,), namespaces, self.changed, selector="")

    async def rest(self, namespace: str, name: str, until: datetime | None) -> None:
        """Begin or go on with the pause of a workload until a time; `None`: as long as may be.

        Raises:
            ConflictError: Kueue's object changed in between.
            ClusterError: the API server did not answer, or the operator may not write.
        """
        if not self._decides.is_set():
            return
        self._resting[namespace, name] = until or WITHOUT_END
        seen = await self._store.queued(namespace, name, self._check)
        if seen is None or self._is_done(seen):
            self.forget(namespace, name)
            return
        await self._step(seen)

    def forget(self, namespace: str, name: str) -> None:
        """Pause a workload no more."""
        self._resting.pop((namespace, name), None)

    def changed(self, _: WorkloadKind, change: str, body: Body) -> None:
        """Take an event of Kueue's object in."""
        seen = queued_workload(body, self._check)
        place = seen.namespace, seen.name
        self._urgent.pop(place, None)
        self._others.pop(place, None)
        if change == "DELETED" or seen.finished:
            self._resting.pop(place, None)
            return
        if self._is_done(seen):
            self._resting.pop(place, None)
        elif next_write(seen, self._resting.get(place), self._clock()) is not None:
            self._add(seen)

    def _is_done(self, seen: QueuedWorkload) -> bool:
        """Return whether a workload rests as it should, so that Kueue alone has the rest to do."""
        until, now = self._resting.get((seen.namespace, seen.name)), self._clock()
        return until is not None and rests(seen, now) and next_write(seen, until, now) is None

    def _add(self, seen: QueuedWorkload) -> None:
        place = seen.namespace, seen.name
        # What is being paused has moments; the start of others has a second.
        waiting = self._urgent if place in self._resting else self._others
        waiting[place] = seen
        self._awake.set()

    async def run(self, may_write: Callable[[], bool]) -> None:
        """Keep the check until cancelled; nothing is written while `may_write` says no."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self._keep_active(may_write))
            for _ in range(AT_ONCE):
                group.create_task(self._work(may_write))

    async def _work(self, may_write: Callable[[], bool]) -> None:
        while True:
            await self._decides.wait()
            await self._awake.wait()
            waiting = self._urgent or self._others
            if not waiting:
                self._awake.clear()
                continue
            place, seen = next(iter(waiting.items()))
            del waiting[place]
            if not may_write() or not await self._tried(seen):
                await asyncio.sleep(RETRY_SECONDS)
                if place not in self._urgent and place not in self._others:
                    self._add(seen)

    async def _tried(self, seen: QueuedWorkload) -> bool:
        """Write what is due; return whether it need not be tried again with the same object."""
        try:
            await self._step(seen)
        except ConflictError:
            return True  # The change that was in between is an event of its own.
        except ClusterError as error:
            self._say(f"the check of {seen.namespace}/{seen.name} cannot be written: {error}")
            return False
        except Exception:
            LOG.exception("the check of %s/%s cannot be decided", seen.namespace, seen.name)
        return True

    async def _step(self, seen: QueuedWorkload) -> None:
        until = self._resting.get((seen.namespace, seen.name))
        write = next_write(seen, until, self._clock())
        if write is None or (until is None and await self._is_paused(seen)):
            return
        await self._store.write_check(seen, write, self._check, self._clock())

    async def _is_paused(self, seen: QueuedWorkload) -> bool:
        """Return whether a workload carries our mark that it is paused; its TrainingJob is told.

        Its pause is then decided in a look at that. What was never evicted and waits for its first
        Ready is not asked about.
        """
        is_new = seen.check is not None and seen.check.state is CheckState.PENDING
        kind = self._kinds.get(seen.owner_kind)
        if kind is None or seen.gated or (is_new and not seen.was_evicted):
            return False
        body = await self._store.get_workload(kind, seen.namespace, seen.owner_name)
        if body is None or body["metadata"]["uid"] != seen.owner_uid:
            return False
        if parked_in_queue(body) != (seen.name, self._check):
            return False
        for key in self._cache.naming(seen.namespace, kind.kind, seen.owner_name):
            self._on_change(key)
        return True

    async def _keep_active(self, may_write: Callable[[], bool]) -> None:
        while True:
            wait = ACTIVE_SECONDS
            try:
                if may_write():
                    await self.keep_active()
            except ClusterError as error:
                self._say(f"AdmissionCheck {self._check} cannot be kept: {error}")
                wait = RETRY_SECONDS
            await asyncio.sleep(wait)

    async def keep_active(self) -> None:
        """Tell Kueue that the check is decided, so that queues which ask for it are active.

        Raises:
            ClusterError: the API server did not answer, or the operator may not read or write it.
        """
        body = await self._store.get_check(self._check)
        controller = None if body is None else value_at(body, "spec.controllerName")
        if controller == CONTROLLER:
            self._decides.set()
        else:
            self._decides.clear()
        if body is None:
            self._say(f"there is no AdmissionCheck {self._check}: make one, or set none")
            return
        if controller != CONTROLLER:
            self._say(
                f"AdmissionCheck {self._check} is decided by {controller}, not by {CONTROLLER}"
            )
            return
        conditions = value_at(body, "status.conditions")
        for one in conditions if isinstance(conditions, list) else ():
            if one.get("type") == "Active" and one.get("status") == "True":
                return
        active = {
            "type": "Active",
            "status": "True",
            "reason": "Active",
            "message": "Lowtide decides this check",
            "lastTransitionTime": format_timestamp(self._clock()),
        }
        await self._store.apply_check(self._check, {"conditions": [active]})

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            LOG.warning("%s", trouble)
        self._trouble = trouble

    # The watch asks for a kind whose version is not known before Kueue is installed.

    async def list_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield Kueue's objects by page, and the version of the list.

        Raises:
            ClusterError: the API server did not answer, or Kueue is not installed.
        """
        kind = replace(kind, version=await self._served())
        try:
            async for page in self._store.list_workloads(kind, namespace, label):
                yield page
        except NotFoundError:
            self._store.forget_version_of_queues()
            raise

    async def watch_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str, version: str
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield the changes of Kueue's objects since a version.

        Raises:
            ClusterError: the API server did not answer, or Kueue is not installed.
        """
        kind = replace(kind, version=await self._served())
        async for change in self._store.watch_workloads(kind, namespace, label, version):
            yield change

    async def _served(self) -> str:
        version = await self._store.version_of_queues()
        if not version:
            raise UnreachableError("Kueue's API is not served")
        return version
