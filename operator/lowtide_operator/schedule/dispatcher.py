"""Dispatcher of a MultiKueue: nominates the cluster where a workload costs least, then the next.

Level-based: what is nominated follows from the Workload, the clusters and the forecasts as they
are now. A workload that has nothing to do with Lowtide gets all its clusters at once, as without
a dispatcher. Only Workloads that wait for a cluster are remembered. One that cannot be decided is
tried again and holds no other up.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.errors import ClusterError, ConflictError
from lowtide_operator.cluster.workload_watch import WorkloadSource, WorkloadWatch
from lowtide_operator.decision.nomination import Ranking, nominate
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.multikueue import (
    QUEUED_WORKLOAD,
    DispatchedWorkload,
    WorkerCluster,
    clusters_of,
    configurations_of_checks,
    dispatched_workload,
    nomination_patch,
    worker_cluster,
)
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.events import Note, event_about

LOG: Final = logging.getLogger(__name__)
RETRY_SECONDS: Final = 5.0
"""A workload that could not be nominated for is tried again after so long."""
PENDING_SECONDS: Final = 2.0
"""Distance between two looks while the first forecast of a zone is awaited."""
CLUSTERS_KEPT_SECONDS: Final = 15.0
"""How long the list of clusters is used."""

UNDER_WAY: Final = datetime.max.replace(tzinfo=UTC)
"""Stands for the time of the next look while one is being taken."""

Body = dict[str, Any]


class DispatchStore(WorkloadSource, Protocol):
    """Reads and writes of the dispatcher; `lowtide_operator.cluster.client.Cluster` has them."""

    async def multikueue_objects(self, plural: str) -> Sequence[Body]:
        """Return all objects of a cluster-wide resource of Kueue."""
        ...

    async def get_workload(self, kind: WorkloadKind, namespace: str, name: str) -> Body | None:
        """Return a workload."""
        ...

    async def nominate(self, key: Key, patch: Body) -> Body | None:
        """Apply a nomination to a Workload's status."""
        ...


class Ranker(Protocol):
    """Order of clusters for a workload; `lowtide_operator.schedule.places.PlacesOfJobs` is one."""

    async def rank(
        self, workload: DispatchedWorkload, clusters: Sequence[WorkerCluster]
    ) -> Ranking | None:
        """Return the order; `None` while the first forecast is awaited."""
        ...


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters of each MultiKueue admission check, as they were at a time."""

    of_check: Mapping[str, tuple[WorkerCluster, ...]]
    at: datetime


class Dispatcher:
    """Workloads that wait for a cluster; belongs to one event loop."""

    def __init__(
        self,
        store: DispatchStore,
        ranker: Ranker,
        settings: Callable[[], OperatorSettings],
        *,
        post: Callable[[Body], None],
        clock: Callable[[], datetime],
        instance: str,
    ) -> None:
        """Take the parts that it works with; `post` records an Event."""
        self._store = store
        self._ranker = ranker
        self._settings = settings
        self._post = post
        self._clock = clock
        self._instance = instance
        self._due: dict[Key, datetime] = {}
        self._awake = asyncio.Event()
        self._clusters: Clusters | None = None

    def workload_changed(self, kind: WorkloadKind, change: str, body: Body) -> None:
        """Take an event of a Workload in; one that waits for a cluster is looked at."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        if change == "DELETED" or dispatched_workload(body) is None:
            self._due.pop(key, None)
            return
        self._due[key] = self._clock()
        self._awake.set()

    @property
    def waiting(self) -> tuple[Key, ...]:
        """The Workloads that wait for a cluster."""
        return tuple(self._due)

    async def follow(self) -> None:
        """Watch the Workloads of all namespaces until cancelled."""
        watch = WorkloadWatch(
            self._store, (QUEUED_WORKLOAD,), (), self.workload_changed, selector=""
        )
        await watch.run()

    async def run(self, may_write: Callable[[], bool]) -> None:
        """Nominate clusters until cancelled; nothing is written while `may_write` says no."""
        while True:
            self._awake.clear()
            if may_write():
                await self.work()
            later = min(self._due.values(), default=None)
            wait = RETRY_SECONDS
            if later is not None and may_write():
                wait = max(0.0, (later - self._clock()).total_seconds())
            try:
                async with asyncio.timeout(None if later is None else wait):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def work(self) -> None:
        """Look at every Workload that is due."""
        now = self._clock()
        for key in [key for key, due in self._due.items() if due <= now]:
            self._due[key] = UNDER_WAY
            try:
                again = await self._look(key)
            except ConflictError:
                again = self._clock() + timedelta(seconds=PENDING_SECONDS)
            except ClusterError as error:
                LOG.warning("no cluster can be nominated for Workload %s: %s", key, error)
                again = self._clock() + timedelta(seconds=RETRY_SECONDS)
            except Exception:
                # A fault of one workload must not stop the others.
                LOG.exception("nominating for Workload %s failed in an unforeseen way", key)
                again = self._clock() + timedelta(seconds=RETRY_SECONDS)
            if self._due.get(key) is not UNDER_WAY:
                continue  # It has changed meanwhile, or is gone.
            if again is None:
                del self._due[key]
            else:
                self._due[key] = again

    async def _look(self, key: Key) -> datetime | None:
        """Nominate what is due for a Workload; return when to look again, `None` for never."""
        body = await self._store.get_workload(QUEUED_WORKLOAD, key.namespace, key.name)
        workload = None if body is None else dispatched_workload(body)
        if body is None or workload is None:
            return None
        known = await self.known_clusters()
        check = next((one for one in workload.checks if one in known), None)
        if check is None:
            return None
        clusters = known[check]
        order = await self._ranker.rank(workload, clusters)
        now = self._clock()
        if order is None:
            return now + timedelta(seconds=PENDING_SECONDS)
        made = nominate(
            order,
            workload.nominated,
            reserved_at=workload.reserved_at,
            now=now,
            widen_seconds=self._settings().dispatcher.widen_seconds,
        )
        if made.clusters != workload.nominated:
            patch = nomination_patch(body, made.clusters)
            if patch is None:
                raise ClusterError(
                    "Kueue has applied nothing to its status; the dispatcher needs its server-side "
                    "apply: turn Kueue's feature gate WorkloadRequestUseMergePatch off"
                )
            if await self._store.nominate(key, patch) is None:
                return None
            LOG.info("Workload %s: %s", key, made.explanation)
            self._tell(workload, body, made.explanation, now)
        return made.look_again_at

    def _tell(self, workload: DispatchedWorkload, body: Body, text: str, now: datetime) -> None:
        about = {
            "apiVersion": body["apiVersion"],
            "kind": QUEUED_WORKLOAD.kind,
            "name": workload.key.name,
            "uid": workload.uid,
        }
        note = Note("Nominated", "Nominate", text, round=workload.reserved_at.isoformat())
        where = workload.key.namespace
        self._post(event_about(where, about, note, now=now, instance=self._instance))

    async def known_clusters(self) -> Mapping[str, tuple[WorkerCluster, ...]]:
        """Return the clusters of each admission check that sends workloads to others."""
        now = self._clock()
        if self._clusters is not None:
            age = (now - self._clusters.at).total_seconds()
            if 0 <= age < CLUSTERS_KEPT_SECONDS:
                return self._clusters.of_check
        checks = configurations_of_checks(await self._store.multikueue_objects("admissionchecks"))
        configurations = {
            one["metadata"]["name"]: clusters_of(one)
            for one in await self._store.multikueue_objects("multikueueconfigs")
        }
        zones = self._settings().dispatcher.zones
        clusters = {
            one["metadata"]["name"]: worker_cluster(one, zones)
            for one in await self._store.multikueue_objects("multikueueclusters")
        }
        of_check = {
            check: tuple(
                clusters.get(name, WorkerCluster(name=name, zone="", connected=False))
                for name in configurations.get(configuration, ())
            )
            for check, configuration in checks.items()
        }
        self._clusters = Clusters(of_check, now)
        return of_check
