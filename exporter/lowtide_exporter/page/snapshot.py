"""Snapshot of the node for a scrape: immutable, all values of the same tick.

Absent is better than zero: a value that is not known has no sample. Nothing here asks a device.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from lowtide import __version__
from lowtide.energy.attribution import Part, UnallocatedReason
from lowtide.energy.quality import Quality
from lowtide.meters.readings import THROTTLE_REASONS, PowerKind
from lowtide_exporter.books.bookings import GPU
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.host_account import CPU, DRAM
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.pod_accounts import PodAccount
from lowtide_exporter.page import catalogue
from lowtide_exporter.page.catalogue import Family

_MILLI: Final = 1000.0

_UNALLOCATED: Final = {
    GPU: tuple(
        product(
            Part, (UnallocatedReason.FREE, UnallocatedReason.FOREIGN, UnallocatedReason.UNMAPPED)
        )
    ),
    CPU: ((Part.ACTIVE, UnallocatedReason.SYSTEM), (Part.IDLE_HELD, UnallocatedReason.FREE)),
    DRAM: ((Part.IDLE_HELD, UnallocatedReason.FREE),),
}
"""Reasons shown at zero too: a series that first appears with a value has lost its first step."""

LabelledValue = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Whether a source's last read worked, and the age of its last good read."""

    is_up: bool
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatus:
    """What the loop knows besides the ledger."""

    sources: Mapping[str, SourceStatus] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)
    call_seconds: Mapping[str, float] = field(default_factory=dict)
    lag_seconds: float = 0.0
    unix_seconds: float | None = None
    node_watts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Samples by family, in the order of the catalogue."""

    samples: Mapping[str, tuple[LabelledValue, ...]] = field(default_factory=dict)

    def value(self, family: Family, **labels: str) -> float | None:
        """Return one sample's value, None where the series does not exist."""
        for values, number in self.samples.get(family.name, ()):
            if dict(zip(family.labels, values, strict=True)) == labels:
                return number
        return None


def take_snapshot(ledger: NodeLedger, status: LoopStatus) -> Snapshot:
    """Return the picture of a ledger and loop; the caller keeps both from changing meanwhile."""
    collected: dict[str, list[LabelledValue]] = {family.name: [] for family in catalogue.FAMILIES}
    groups = (
        _loop(status),
        _gpus(ledger),
        _node_power(ledger, status),
        _pods(ledger),
        _node(ledger),
    )
    for group in groups:
        for family, labels, value in group:
            collected[family.name].append((labels, value))
    return Snapshot({name: tuple(samples) for name, samples in collected.items() if samples})


_Row = tuple[Family, tuple[str, ...], float]


def _loop(status: LoopStatus) -> Iterator[_Row]:
    yield catalogue.BUILD_INFO, (__version__,), 1
    yield catalogue.POLL_LAG, (), status.lag_seconds
    if status.unix_seconds is not None:
        yield catalogue.NODE_CLOCK, (), status.unix_seconds
    for source, state in status.sources.items():
        yield catalogue.SOURCE_UP, (source,), float(state.is_up)
        if state.age_seconds is not None:
            yield catalogue.SOURCE_AGE, (source,), state.age_seconds
    for labels, count in status.calls.items():
        yield catalogue.CALLS, labels, count
    for api, seconds in status.call_seconds.items():
        yield catalogue.CALL_SECONDS, (api,), seconds


def _gpus(ledger: NodeLedger) -> Iterator[_Row]:
    for uuid, gpu in ledger.gpus.items():
        who, reading = gpu.identity, gpu.reading
        source = "mock" if who.is_mock else "nvml"
        info = (str(who.index), uuid, who.model, who.architecture, who.driver, source)
        yield catalogue.GPU_INFO, info, 1
        yield catalogue.GPU_UP, (uuid,), float(reading.error is None)
        if gpu.is_counted:
            yield from _gpu_energy(uuid, gpu)
        if reading.average_watts is not None:
            yield catalogue.GPU_POWER, (uuid, PowerKind.AVERAGE), reading.average_watts
        if reading.instant_watts is not None:
            yield catalogue.GPU_POWER, (uuid, PowerKind.INSTANT), reading.instant_watts
        if reading.limit_watts is not None:
            yield catalogue.GPU_POWER_LIMIT, (uuid,), reading.limit_watts
        for domain, hertz in reading.clocks_hertz.items():
            yield catalogue.GPU_CLOCK, (uuid, domain), hertz
        if reading.throttled_by is not None:
            for reason in THROTTLE_REASONS:
                yield catalogue.GPU_THROTTLED, (uuid, reason), float(reason in reading.throttled_by)
        if gpu.floor.learnt_watts is not None:
            yield catalogue.GPU_IDLE_POWER, (uuid,), gpu.floor.learnt_watts


def _gpu_energy(uuid: str, gpu: GpuAccount) -> Iterator[_Row]:
    handed_out = gpu.meter.total.millijoules - gpu.open_millijoules
    if gpu.is_metered or handed_out:
        yield catalogue.GPU_ENERGY, (uuid,), handed_out / _MILLI
        yield catalogue.GPU_RESETS, (uuid,), gpu.meter.resets
        yield catalogue.GPU_STUCK, (uuid,), gpu.meter.stuck_seconds
    for quality in Quality:
        is_it = gpu.is_metered and quality is gpu.quality
        yield catalogue.GPU_QUALITY, (uuid, quality), float(is_it)
    yield catalogue.GPU_QUALITY, (uuid, catalogue.UNMETERED), float(not gpu.is_metered)
    if gpu.check.ratio is not None:
        yield catalogue.GPU_RATIO, (uuid,), gpu.check.ratio


def _node_power(ledger: NodeLedger, status: LoopStatus) -> Iterator[_Row]:
    powers = [gpu.reading.power_watts for gpu in ledger.gpus.values()]
    known = [watts for watts in powers if watts is not None]
    for source, watts in status.node_watts.items():
        yield catalogue.NODE_POWER, (source,), watts
        if known and len(known) == len(powers) and watts > 0:
            yield catalogue.NODE_GPU_RATIO, (source,), sum(known) / watts


def _pods(ledger: NodeLedger) -> Iterator[_Row]:
    for account in ledger.exported_pods():
        pod = (account.namespace, account.name, account.shown_uid)
        yield catalogue.POD_SEGMENT, pod, account.segment_start
        if account.uid:
            owner = (account.owner_kind, account.owner_name, account.owner_uid)
            yield catalogue.POD_OWNER, (*pod, account.trainingjob_uid, *owner), 1
        if account.end_timestamp is not None:
            yield catalogue.POD_END, pod, account.end_timestamp
        yield from _pod_energy(account, pod)


def _pod_energy(account: PodAccount, pod: tuple[str, str, str]) -> Iterator[_Row]:
    for key, millijoules in account.energy.items():
        labels = (*pod, key.container, key.component, key.part, key.method, key.quality)
        yield catalogue.POD_ENERGY, labels, millijoules / _MILLI
    for (container, model), seconds in account.held_seconds.items():
        yield catalogue.POD_HELD, (*pod, container, model), seconds
    for (container, uuid), share in account.shares.items():
        yield catalogue.POD_SHARE, (*pod, container, uuid), share


def _node(ledger: NodeLedger) -> Iterator[_Row]:
    expected = [(name, *kind) for name in ledger.components for kind in _UNALLOCATED[name]]
    for labels in dict.fromkeys((*expected, *ledger.unallocated)):
        yield catalogue.UNALLOCATED, labels, ledger.unallocated.get(labels, 0) / _MILLI
    for component in ledger.components:
        retired = ledger.pods.retired_millijoules.get(component, 0)
        yield catalogue.RETIRED, (component,), retired / _MILLI
        residual = ledger.residual_millijoules(component)
        yield catalogue.RESIDUAL, (component,), residual / _MILLI
    for (package, domain), meter in ledger.host.meters.items():
        yield catalogue.CPU_ENERGY, (package, domain), meter.millijoules / _MILLI
    yield catalogue.RETAINED, (), len(ledger.pods.retained)
    yield catalogue.EVICTED, (), ledger.pods.evicted
