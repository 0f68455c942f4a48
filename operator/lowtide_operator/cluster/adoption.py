"""Adoption of labelled workloads: a TrainingJob beside each, and nothing held without one.

Level-based: what a workload asks for is compared with the TrainingJob of its name, which exists
once because its name follows from the workload's uid. Neither object owns the other, so the
deletion of either leaves the other alone. A workload that carries our mark and that no
TrainingJob names any more is freed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Protocol

from lowtide import names
from lowtide.trainingjob.holding import HELD_SELECTOR, parked_in_queue
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.errors import AlreadyExistsError, ClusterError, ServedByOtherError
from lowtide_operator.cluster.freeing import free_workload
from lowtide_operator.cluster.workload_pods import list_own_pods
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.opt_in import difference, trainingjob_name, wanted_trainingjob
from lowtide_operator.objects.pods import pod_view
from lowtide_operator.objects.workloads import is_there, workload_view

LOG: Final = logging.getLogger(__name__)
RETRY_SECONDS: Final = 5.0
"""A workload that could not be taken up, or freed yet, is tried again after so long at most."""
SWEEP_SECONDS: Final = 300.0
"""Distance between two searches for held workloads that no TrainingJob names."""
NAMESPACE_KEPT_SECONDS: Final = 60.0
"""How long the annotations of a namespace are remembered."""

Body = dict[str, Any]
Place = tuple[WorkloadKind, str, str]


class WorkloadStore(Protocol):
    """Reads and writes of adoption; `lowtide_operator.cluster.client.Cluster` has them."""

    async def get_workload(self, kind: WorkloadKind, namespace: str, name: str) -> Body | None:
        """Return a workload."""
        ...

    async def patch_workload(
        self, kind: WorkloadKind, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Body | None:
        """Merge a patch into a workload."""
        ...

    async def list_pods_selected(self, namespace: str, selector: str) -> list[Body]:
        """Return the pods of a namespace that a label selector finds."""
        ...

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Body | None:
        """Let Kueue start a workload again, or make it let go of it."""
        ...

    async def let_start(self, namespace: str, name: str, check: str, now: datetime) -> None:
        """Let Kueue start a workload that was paused by a check."""
        ...

    def list_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the workloads of a kind with a label by page, and the version of the list."""
        ...

    async def get_training_job(self, key: Key) -> Body | None:
        """Return a TrainingJob."""
        ...

    async def create_training_job(self, manifest: Body) -> Body:
        """Create a TrainingJob."""
        ...

    async def patch_training_job(self, key: Key, patch: Mapping[str, Any]) -> Body | None:
        """Merge a patch into a TrainingJob."""
        ...

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        """Return the annotations of a namespace."""
        ...


class Adoption:
    """Workloads that are to be taken up or freed; belongs to one event loop."""

    def __init__(
        self,
        store: WorkloadStore,
        cache: Cache,
        kinds: Sequence[WorkloadKind],
        namespaces: Sequence[str],
        *,
        on_change: Callable[[Key], None],
        clock: Callable[[], datetime],
        on_free: Callable[[str, str], None] | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._cache = cache
        self._kinds = kinds
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._on_change = on_change
        self._clock = clock
        self._on_free = on_free
        self._retry_seconds = retry_seconds
        self._waiting: dict[Place, None] = {}
        self._awake = asyncio.Event()
        self._namespace_notes: dict[str, tuple[datetime, Mapping[str, str]]] = {}

    def workload_changed(self, kind: WorkloadKind, change: str, body: Body) -> None:
        """Take an event of a labelled workload in; its TrainingJobs are looked at."""
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        for key in self._cache.naming(namespace, kind.kind, name):
            self._on_change(key)
        if change != "DELETED":
            self._add(kind, namespace, name)

    def job_deleted(self, target: tuple[str, str, str], namespace: str) -> None:
        """Look at the workload of a TrainingJob that was deleted: nothing may hold it any more."""
        _, name_of_kind, name = target
        for kind in self._kinds:
            if kind.kind == name_of_kind:
                self._add(kind, namespace, name)

    def _add(self, kind: WorkloadKind, namespace: str, name: str) -> None:
        self._waiting[kind, namespace, name] = None
        self._awake.set()

    async def run(self, may_write: Callable[[], bool]) -> None:
        """Take workloads up until cancelled; nothing is written while `may_write` says no."""
        sweeper = asyncio.create_task(self._sweep_again(may_write))
        try:
            while True:
                await self._awake.wait()
                self._awake.clear()
                if not may_write() or not await self.work():
                    await asyncio.sleep(self._retry_seconds)
                    self._awake.set()
        finally:
            sweeper.cancel()

    async def work(self) -> bool:
        """Take up what waits; return whether nothing is left to be tried again."""
        places, self._waiting = list(self._waiting), {}
        for place in places:
            try:
                await self._take(*place)
            except ServedByOtherError:
                # The next list of the watch tells of it again.
                continue
            except ClusterError as error:
                LOG.warning("%s %s/%s is tried again: %s", place[0].kind, *place[1:], error)
                self._waiting.setdefault(place)
            except Exception:
                LOG.exception("%s %s/%s cannot be taken up", place[0].kind, *place[1:])
        return not self._waiting

    async def _take(self, kind: WorkloadKind, namespace: str, name: str) -> None:
        """Make, correct or leave the TrainingJob of a workload, or free it where none names it."""
        body = await self._store.get_workload(kind, namespace, name)
        if body is None or "deletionTimestamp" in body["metadata"]:
            return
        key = Key(namespace, trainingjob_name(name, body["metadata"]["uid"]))
        view = workload_view(kind, body, key, "")
        naming = self._naming(kind, namespace, name, view.ref.uid)
        if not view.labelled:
            if view.marked and not naming:
                await self._free(kind, body)
            return
        if naming - {key}:
            # A person wrote a TrainingJob for it, which says all that annotations could.
            return
        if body["metadata"].get("ownerReferences") and _is_a_part(body):
            return
        wanted = wanted_trainingjob(kind, body, await self._notes_of(namespace))
        stored = await self._store.get_training_job(key)
        if stored is None:
            if view.child.ending is not None:
                return
            try:
                stored = await self._store.create_training_job(wanted)
            except AlreadyExistsError:
                return
            LOG.info("%s: made for %s %s", key, kind.kind, name)
        elif patch := difference(wanted, stored):
            stored = await self._store.patch_training_job(key, patch)
        if stored is not None and self._cache.remember(stored) is not None:
            self._on_change(key)

    def _naming(self, kind: WorkloadKind, namespace: str, name: str, uid: str) -> set[Key]:
        """Return the TrainingJobs of a workload; those of an earlier one of its name are not."""
        keys = self._cache.naming(namespace, kind.kind, name)
        found = [record for key in keys if (record := self._cache.record(key)) is not None]
        return {record.key for record in found if record.target_uid in ("", uid)}

    async def _free(self, kind: WorkloadKind, body: Body) -> None:
        metadata = body["metadata"]
        place = kind, metadata["namespace"], metadata["name"]
        rests = workload_view(kind, body, Key(*place[1:]), "").child.suspended
        if rests and await self._has_pods(kind, body):
            # Two pods would write one checkpoint, and a PyTorchJob would be Failed for ever.
            self._waiting[place] = None
            return
        LOG.info("%s %s/%s is freed: no TrainingJob names it", kind.kind, *place[1:])
        if self._on_free is not None:
            self._on_free(place[1], parked_in_queue(body)[0])
        await free_workload(self._store, kind, body, self._clock())

    async def _has_pods(self, kind: WorkloadKind, body: Body) -> bool:
        pods = await list_own_pods(self._store, kind, body)
        return any(is_there(pod_view(pod)) for pod in pods)

    async def _notes_of(self, namespace: str) -> Mapping[str, str]:
        now = self._clock()
        known = self._namespace_notes.get(namespace)
        if known is not None and abs((now - known[0]).total_seconds()) < NAMESPACE_KEPT_SECONDS:
            return known[1]
        notes = await self._store.namespace_annotations(namespace)
        self._namespace_notes[namespace] = now, notes
        return notes

    async def _sweep_again(self, may_write: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if may_write():
                await self.sweep()

    async def sweep(self) -> None:
        """Look at every workload that carries our mark and that no known TrainingJob names."""
        for kind in self._kinds:
            for namespace in self._namespaces:
                with suppress(ClusterError):
                    await self._sweep_kind(kind, namespace)

    async def _sweep_kind(self, kind: WorkloadKind, namespace: str | None) -> None:
        async for bodies, _ in self._store.list_workloads(kind, namespace, HELD_SELECTOR):
            for body in bodies:
                metadata = body["metadata"]
                place = kind, metadata["namespace"], metadata["name"]
                if not self._naming(*place, metadata["uid"]):
                    self._add(*place)


def _is_a_part(body: Body) -> bool:
    """Return whether another workload controls this one, so that it is scheduled with that."""
    owners = body["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("kind") in WHOLES for owner in owners)


WHOLES: Final = ("JobSet", "TrainJob", "PyTorchJob", "RayJob", names.KIND)
"""Kinds that control workloads of their own; the Jobs of a CronJob are workloads by themselves."""
