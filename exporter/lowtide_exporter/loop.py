"""Loop of the exporter: it reads the sources on time and books what they say.

Sources are asked outside the lock, the ledger changes inside it, a scrape takes its picture
inside it: no scrape waits for a device. A source that fails is noted and asked again, and the
others go on.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from lowtide.meters.calls import CallLog
from lowtide.meters.errors import MockRefusedError, SourceError
from lowtide.meters.interfaces import GpuMeters, HostMeters
from lowtide.meters.node_power import NodePower
from lowtide.meters.readings import GpuReading, HostUse, ZoneReading
from lowtide.ownership import POD, OwnerReference
from lowtide_exporter.activity import ActivityReader
from lowtide_exporter.books.interval import Activity
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile
from lowtide_exporter.owners.kubelet import DeviceOwners
from lowtide_exporter.page.snapshot import LoopStatus, Snapshot, take_snapshot
from lowtide_exporter.readings import Allocation, PodRecord, TickReadings
from lowtide_exporter.source_watch import SourceWatch, ask

_REPLICA_PERIOD_SECONDS: Final = 30.0
_REPLICAS_UNKNOWN: Final = "replicas on offer are not known, so those held are counted"
_STATE_PERIOD_SECONDS: Final = 30.0
_USE_PERIOD_SECONDS: Final = 0.5
"""Each pod has a file to read; more than twice a second would add nothing about pods that end."""
_MISSING_FACTOR: Final = 6
"""Missing CPU meters are looked for this many times less often."""
_MISSING_MAX_SECONDS: Final = 60.0
"""At most this seldom: a CPU counter may wrap in six minutes."""
_JITTER: Final = 0.1
"""Share of the period by which a tick may come later.

Some sensors see a quarter of every 100 ms: in step with them, a load in step with both would never
be seen, or always.
"""
_STALLED_SECONDS: Final = 30.0
"""A tick that is this late hangs in a driver, so the readings before it are out of date."""


class PodInformant(Protocol):
    """Knows the pods of this node."""

    is_up: bool
    good_at: float | None

    @property
    def pods(self) -> tuple[PodRecord, ...] | None:
        """The pods, None while they are not known."""


class OwnerInformant(Protocol):
    """Knows what stands at the top of a pod's owners."""

    def of(self, namespace: str, controller: OwnerReference) -> OwnerReference | None:
        """Return the top owner behind a pod's controller, `None` while it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSources:
    """Sources of one node: everything that is read on it; None where a source is absent."""

    meters: GpuMeters
    """GPUs: energy counters and power."""
    owners: DeviceOwners | None = None
    """Holders of the GPUs: the kubelet or a directory of jobs."""
    pods: PodInformant | None = None
    """Pods of the node with UID, start and end."""
    top_owners: OwnerInformant | None = None
    """What stands at the top of the pods' owners; None takes what controls a pod."""
    host: HostMeters | None = None
    """CPU packages, memory, and what pods use of them."""
    activity: ActivityReader | None = None
    """Load of the sharers of a GPU."""
    node_power: NodePower | None = None
    """Meter of the whole node, a cross-check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopParts:
    """Parts of a loop: what it reads, where it books, and how often."""

    ledger: NodeLedger
    """Books of the node."""
    sources: NodeSources
    """What is read."""
    calls: CallLog
    """Count of the calls into drivers and services."""
    state: StateFile | None = None
    """File that carries the books over a restart; None keeps none."""
    period_seconds: float = 1.0
    """Time between two reads of the GPUs."""
    mapping_period_seconds: float = 1.0
    """Time between two questions to the kubelet."""
    host_period_seconds: float = 10.0
    """Time between two reads of CPU energy."""
    monotonic: Callable[[], float] = time.monotonic
    """Clock that durations are taken from."""
    unix: Callable[[], float] = time.time
    """Clock that pods' times are compared with, Unix seconds."""
    jitter: Callable[[], float] = random.random
    """Draw between 0 and 1 that delays each tick a little."""


class ExporterLoop:
    """Ticks once per period; `snapshot` may be called from any thread."""

    def __init__(self, parts: LoopParts) -> None:
        sources = parts.sources
        self._ledger = parts.ledger
        self._meters = sources.meters
        self._owners = sources.owners
        self._pods = sources.pods
        self._top_owners = sources.top_owners
        self._calls = parts.calls
        self._state = parts.state
        self._activity = sources.activity
        self._node_power = sources.node_power
        self._state_at = 0.0
        self._host = sources.host
        self._host_period_seconds = parts.host_period_seconds
        self._host_at = 0.0
        self._host_is_up = False
        self._use_at = 0.0
        self._period_seconds = parts.period_seconds
        self._mapping_period_seconds = parts.mapping_period_seconds
        self._monotonic = parts.monotonic
        self._unix = parts.unix
        self._lock = threading.Lock()
        self._watch = SourceWatch()
        for source, informant in (("kubelet", sources.owners), ("api", sources.pods)):
            if informant is None:  # a source that is not asked is down too
                self._watch.note_age(source, is_up=False, good_at=None)
        self._mapping_at = 0.0
        self._replicas: dict[str, int] = {}
        self._replicas_at = 0.0
        self._jitter = parts.jitter
        self._planned: float | None = None
        self._lag_seconds = 0.0
        self.ticks = 0

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set; a late tick is not made up for, the counters carry it."""
        due = self._planned = self._monotonic()
        while not stop.is_set():
            self._lag_seconds = max(0.0, self._monotonic() - self._planned)
            self.tick()
            if self._monotonic() >= self._state_at:
                self.save()
            now = self._monotonic()
            due = max(due + self._period_seconds, now)
            self._planned = due + _JITTER * self._period_seconds * self._jitter()
            stop.wait(self._planned - now)

    def tick(self) -> None:
        """Read every source once and book it.

        Raises:
            MockRefusedError: the meters are a stand-in, which was not allowed.
        """
        mapping_due = self._monotonic() >= self._mapping_at
        gpus = self._read_gpus()
        monotonic, unix = self._monotonic(), self._unix()
        allocations = self._read_allocations(monotonic) if mapping_due else None
        pods = self._read_pods()
        seen = TickReadings(
            monotonic_seconds=monotonic,
            unix_seconds=unix,
            gpus=gpus,
            allocations=allocations,
            mapping_due=mapping_due,
            pods=pods,
            owners=self._owners_of(pods or ()),
            pods_are_current=self._pods is not None and self._pods.is_up,
            advertised_replicas=self._replicas,
            zones=self._read_zones(monotonic),
            use=self._read_use(monotonic),
        )
        activities = self._read_activities(monotonic)
        with self._lock:
            if self._ledger.apply(seen, activities):
                self._meters.survey_soon()
            self.ticks += 1

    def restore(self) -> bool:
        """Restore the state of an earlier run and return whether a usable one was found."""
        return self._state is not None and self._state.load(self._ledger, self._monotonic())

    def save(self, *, is_complete: bool = False) -> None:
        """Write the state file; a disk that is full is noted and tried again.

        `is_complete` says that nothing will be counted or shown after this.
        """
        if self._state is None:
            return
        now = self._monotonic()
        self._state_at = now + _STATE_PERIOD_SECONDS
        try:
            self._state.save(self._ledger, now, is_complete=is_complete)
        except OSError as error:
            self._watch.note("state", now, error)
        else:
            self._watch.note("state", now)

    def snapshot(self) -> Snapshot:
        """Return the picture of the last tick."""
        node_watts = self._read_node_power()
        with self._lock:
            now = self._monotonic()
            # A tick that hangs in a driver records no lag itself, so it is computed here.
            waited = 0.0 if self._planned is None else now - self._planned
            lag = max(self._lag_seconds, waited)
            status = LoopStatus(
                node_watts=node_watts,
                sources=self._watch.statuses(now, is_stalled=lag > _STALLED_SECONDS),
                calls=dict(self._calls.counts),
                call_seconds=dict(self._calls.seconds),
                lag_seconds=lag,
                unix_seconds=self._unix(),
            )
            return take_snapshot(self._ledger, status)

    def _read_gpus(self) -> tuple[GpuReading, ...]:
        try:
            readings: tuple[GpuReading, ...] = ask(self._meters.read, self._monotonic())
        except MockRefusedError:
            raise
        except SourceError as error:
            self._watch.note("nvml", self._monotonic(), error)
            return tuple(gpu.lost_reading(str(error)) for gpu in self._ledger.gpus.values())
        self._watch.note("nvml", self._monotonic())
        return readings

    def _read_allocations(self, now: float) -> tuple[Allocation, ...] | None:
        """Ask the kubelet; the time of the answer is taken to be that of the GPU readings."""
        self._mapping_at = max(self._mapping_at + self._mapping_period_seconds, now)
        if self._owners is None:
            return None
        try:
            allocations = ask(self._calls.call, "kubelet", self._owners.allocations)
        except SourceError as error:
            self._watch.note("kubelet", now, error)
            return None
        self._watch.note("kubelet", now)
        if now >= self._replicas_at and any(_is_replicated(item) for item in allocations):
            self._replicas_at = now + _REPLICA_PERIOD_SECONDS
            self._read_replicas()
        return tuple(allocations)

    def _read_replicas(self) -> None:
        """Ask how many replicas are on offer; a kubelet that does not say leaves those held."""
        assert self._owners is not None
        try:
            self._replicas = ask(self._calls.call, "kubelet", self._owners.advertised_replicas)
        except SourceError as error:
            self._watch.complain(_REPLICAS_UNKNOWN, error)
        else:
            self._watch.complain(_REPLICAS_UNKNOWN, None)

    def _read_zones(self, now: float) -> tuple[ZoneReading, ...] | None:
        """Read CPU energy when it is due; a node without meters is asked again, but rarely."""
        if self._host is None or now < self._host_at:
            return None
        pause = self._host_period_seconds
        if not self._host_is_up:
            pause = max(pause, min(_MISSING_MAX_SECONDS, pause * _MISSING_FACTOR))
        self._host_at = max(self._host_at + pause, now)
        try:
            zones = ask(self._calls.call, "rapl", self._host.zones.read, now)
        except SourceError as error:
            self._host_at, self._host_is_up = now + pause, False
            self._watch.note("rapl", now, error)
            return None
        self._host_is_up = True
        self._watch.note("rapl", now)
        return tuple(zones)

    def _read_use(self, now: float) -> HostUse | None:
        """Read who used the CPUs when it is due; without CPU energy there is nothing to split."""
        if self._host is None or not self._host_is_up or now < self._use_at:
            return None
        self._use_at = now + _USE_PERIOD_SECONDS
        try:
            use = ask(self._calls.call, "cgroup", self._host.use.read, now)
        except SourceError as error:
            self._watch.note("cgroup", now, error)
            return None
        self._watch.note("cgroup", now)
        assert isinstance(use, HostUse)
        return use

    def _read_activities(self, now: float) -> dict[str, Activity]:
        """Measure shared GPUs; only this thread changes the ledger, so no lock is needed."""
        if self._activity is None:
            return {}
        try:
            activities: dict[str, Activity] = ask(self._activity.read, self._ledger.gpus, now)
        except SourceError as error:
            self._watch.complain("shared GPUs cannot be measured", error)
            return {}
        if self._activity.dcgm_asked:
            self._watch.note("dcgm", now, self._activity.dcgm_error)
        return activities

    def _read_node_power(self) -> dict[str, float]:
        """Return what the node's own meter said last, by its kind."""
        meter = self._node_power
        if meter is None:
            return {}
        is_up = meter.error is None and meter.good_at is not None
        self._watch.note_age(meter.source, is_up, meter.good_at)
        return {} if meter.watts is None else {meter.source: meter.watts}

    def _read_pods(self) -> tuple[PodRecord, ...] | None:
        if self._pods is None:
            return None
        self._watch.note_age("api", self._pods.is_up, self._pods.good_at)
        return self._pods.pods

    def _owners_of(self, pods: tuple[PodRecord, ...]) -> dict[str, OwnerReference]:
        """Return the top owners that are known, by the pods' UIDs."""
        found = {record.uid: self._owner_of(record) for record in pods if record.uid}
        return {uid: owner for uid, owner in found.items() if owner is not None}

    def _owner_of(self, record: PodRecord) -> OwnerReference | None:
        if record.controller is None:
            return OwnerReference("", "v1", POD, record.name, record.uid)
        if self._top_owners is None:
            return record.controller
        return self._top_owners.of(record.namespace, record.controller)


def _is_replicated(allocation: Allocation) -> bool:
    return any("::" in device_id for device_id in allocation.device_ids)
