"""Reads the sources on time and books what they say.

Sources are asked outside the lock, the ledger changes inside it, a scrape takes its picture
inside it: no scrape waits for a device. A source that fails is noted and asked again; it takes no
other down.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from lowtide_exporter.activity import ActivityReader
from lowtide_exporter.calls import CallLog
from lowtide_exporter.devices import Activity
from lowtide_exporter.errors import MockRefusedError, SourceError
from lowtide_exporter.ledger import NodeLedger
from lowtide_exporter.owners import DeviceOwners
from lowtide_exporter.readings import (
    Allocation,
    GpuReading,
    HostUse,
    Observation,
    PodRecord,
    ZoneReading,
)
from lowtide_exporter.snapshot import LoopStatus, Snapshot, SourceStatus, take_snapshot
from lowtide_exporter.sources import GpuMeters, HostMeters
from lowtide_exporter.sources.node_power import NodePower
from lowtide_exporter.state import StateFile

_log = logging.getLogger(__name__)

_REPLICA_PERIOD_SECONDS: Final = 30.0
_STATE_PERIOD_SECONDS: Final = 30.0
_MISSING_FACTOR: Final = 6
"""CPU meters that are missing are looked for this many times less often."""


class PodInformant(Protocol):
    """Knows the pods of this node."""

    is_up: bool
    good_at: float | None

    @property
    def pods(self) -> tuple[PodRecord, ...] | None:
        """The pods, None while they are not known."""


class SourceWatch:
    """Remembers when each source last worked, and logs the changes, not the repetitions."""

    def __init__(self) -> None:
        self._good_at: dict[str, float] = {}
        self._is_up: dict[str, bool] = {}

    def note(self, source: str, now: float, error: Exception | None = None) -> None:
        """Note one attempt to read `source`."""
        is_up = error is None
        if self._is_up.get(source) is not is_up:
            if error is not None:
                _log.warning("source %s is down: %s", source, error)
            elif source in self._is_up:
                _log.info("source %s works again", source)
        self._is_up[source] = is_up
        if is_up:
            self._good_at[source] = now

    def note_age(self, source: str, is_up: bool, good_at: float | None) -> None:
        """Note a source that keeps its own time."""
        self._is_up[source] = is_up
        if good_at is not None:
            self._good_at[source] = good_at

    def statuses(self, now: float) -> dict[str, SourceStatus]:
        """Return the state of every source that was asked."""
        ages = {source: max(0.0, now - at) for source, at in self._good_at.items()}
        return {source: SourceStatus(up, ages.get(source)) for source, up in self._is_up.items()}


class ExporterLoop:
    """Ticks once per period; `snapshot` may be called from any thread."""

    def __init__(
        self,
        *,
        ledger: NodeLedger,
        meters: GpuMeters,
        owners: DeviceOwners | None,
        pods: PodInformant | None,
        calls: CallLog,
        host: HostMeters | None = None,
        state: StateFile | None = None,
        activity: ActivityReader | None = None,
        node_power: NodePower | None = None,
        host_period_seconds: float = 10.0,
        period_seconds: float,
        mapping_period_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._meters = meters
        self._owners = owners
        self._pods = pods
        self._calls = calls
        self._state = state
        self._activity = activity
        self._node_power = node_power
        self._state_at = 0.0
        self._host = host
        self._host_period_seconds = host_period_seconds
        self._host_at = 0.0
        self._host_is_up = False
        self._period_seconds = period_seconds
        self._mapping_period_seconds = mapping_period_seconds
        self._monotonic = monotonic
        self._unix = unix
        self._lock = threading.Lock()
        self._watch = SourceWatch()
        for source, informant in (("kubelet", owners), ("api", pods)):
            if informant is None:  # not asked is as unknown as not answered: say it
                self._watch.note_age(source, is_up=False, good_at=None)
        self._mapping_at = 0.0
        self._replicas: dict[str, int] = {}
        self._replicas_at = 0.0
        self._lag_seconds = 0.0
        self.ticks = 0

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set; a late tick is not made up for, the counters carry it."""
        due = self._monotonic()
        while not stop.is_set():
            self._lag_seconds = max(0.0, self._monotonic() - due)
            self.tick()
            if self._monotonic() >= self._state_at:
                self.save()
            due += self._period_seconds
            now = self._monotonic()
            if due < now:
                due = now
            stop.wait(due - now)

    def tick(self) -> None:
        """Read every source once and book it.

        Raises:
            MockRefusedError: the meters are a stand-in and that was not allowed.
        """
        mapping_due = self._monotonic() >= self._mapping_at
        gpus = self._read_gpus()
        monotonic, unix = self._monotonic(), self._unix()
        allocations = self._read_allocations(monotonic) if mapping_due else None
        seen = Observation(
            monotonic_seconds=monotonic,
            unix_seconds=unix,
            gpus=gpus,
            allocations=allocations,
            mapping_due=mapping_due,
            pods=self._read_pods(),
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
        """Take up the state of an earlier run and return whether there was one to use."""
        return self._state is not None and self._state.load(self._ledger, self._monotonic())

    def save(self) -> None:
        """Write the state file; a disk that is full is noted and tried again."""
        if self._state is None:
            return
        now = self._monotonic()
        self._state_at = now + _STATE_PERIOD_SECONDS
        try:
            self._state.save(self._ledger, now)
        except OSError as error:
            self._watch.note("state", now, error)
        else:
            self._watch.note("state", now)

    def snapshot(self) -> Snapshot:
        """Return the picture of the last tick."""
        node_watts = self._read_node_power()
        with self._lock:
            status = LoopStatus(
                node_watts=node_watts,
                sources=self._watch.statuses(self._monotonic()),
                calls=dict(self._calls.counts),
                call_seconds=dict(self._calls.seconds),
                lag_seconds=self._lag_seconds,
            )
            return take_snapshot(self._ledger, status)

    def _read_gpus(self) -> tuple[GpuReading, ...]:
        try:
            readings = self._meters.read(self._monotonic())
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
            allocations = self._calls.call("kubelet", self._owners.allocations)
            if now >= self._replicas_at and any(_is_replicated(item) for item in allocations):
                self._replicas = self._calls.call("kubelet", self._owners.advertised_replicas)
                self._replicas_at = now + _REPLICA_PERIOD_SECONDS
        except SourceError as error:
            self._watch.note("kubelet", now, error)
            return None
        self._watch.note("kubelet", now)
        return tuple(allocations)

    def _read_zones(self, now: float) -> tuple[ZoneReading, ...] | None:
        """Read CPU energy when it is due; a node without meters is asked ever again, rarely."""
        if self._host is None or now < self._host_at:
            return None
        pause = self._host_period_seconds * (1 if self._host_is_up else _MISSING_FACTOR)
        self._host_at = max(self._host_at + pause, now)
        try:
            zones = self._calls.call("rapl", self._host.zones.read, now)
        except SourceError as error:
            self._host_at, self._host_is_up = now + pause, False
            self._watch.note("rapl", now, error)
            return None
        self._host_is_up = True
        self._watch.note("rapl", now)
        return tuple(zones)

    def _read_use(self, now: float) -> HostUse | None:
        """Read who used the CPUs; without CPU energy there is nothing to split."""
        if self._host is None or not self._host_is_up:
            return None
        try:
            use = self._calls.call("cgroup", self._host.use.read, now)
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
        activities = self._activity.read(self._ledger.gpus, now)
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


def _is_replicated(allocation: Allocation) -> bool:
    return any("::" in device_id for device_id in allocation.device_ids)
