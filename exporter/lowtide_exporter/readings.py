"""Readings of a whole tick, holders of devices included: plain values, one moment each.

`None` means not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lowtide.meters.readings import GpuReading, HostUse, ZoneReading
from lowtide.ownership import OwnerReference


@dataclass(frozen=True, slots=True, order=True)
class ClaimedDevice:
    """A device as Dynamic Resource Allocation names it."""

    driver: str
    pool: str
    name: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """One container's devices as the kubelet lists them."""

    namespace: str
    """Namespace of the pod."""
    pod: str
    """Name of the pod; the kubelet does not tell its uid."""
    container: str
    """Name of the container."""
    device_ids: tuple[str, ...]
    """Devices as the device plugin named them."""
    cpu_ids: tuple[int, ...] = ()
    """CPUs that are pinned to the container."""
    claims: tuple[ClaimedDevice, ...] = ()
    """Devices held through Dynamic Resource Allocation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRecord:
    """Pod of this node as the API server knows it; times are Unix seconds."""

    namespace: str
    """Namespace."""
    name: str
    """Name, which a later pod may reuse."""
    uid: str
    """UID, unique for ever; empty where it is not known."""
    is_terminal: bool = False
    """Whether all containers have ended for good."""
    started_at: float | None = None
    """When the kubelet admitted the pod: it gets its devices then, before its containers start."""
    finished_at: float | None = None
    """End of the last container of a terminal pod."""
    containers: tuple[str, ...] = ()
    """Names of the containers."""
    cpu_request_cores: float = 0.0
    """CPU cores requested by all containers."""
    trainingjob_uid: str = ""
    """UID of the TrainingJob that a Job's pod works for; empty for other pods."""
    controller: OwnerReference | None = None
    """Object that controls the pod; None where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReadings:
    """Readings of one tick."""

    monotonic_seconds: float
    """Monotonic time of the readings."""
    unix_seconds: float
    """Unix time of the readings."""
    gpus: tuple[GpuReading, ...] = ()
    """GPUs, lost ones with their error."""
    allocations: tuple[Allocation, ...] | None = None
    """Holders of devices; None where the kubelet gave no answer in this tick."""
    mapping_due: bool = True
    """False between two questions to the kubelet: energy waits for the next answer."""
    pods: tuple[PodRecord, ...] | None = None
    """Pods of the node; None where the API server was never reached."""
    owners: Mapping[str, OwnerReference] = field(default_factory=dict)
    """Top owners of these pods by the pods' UIDs, as far as they are known."""
    pods_are_current: bool = True
    """Whether the API server's watch is up, so that changes there are known here at once."""
    advertised_replicas: dict[str, int] = field(default_factory=dict)
    """Replicas on offer, by device UUID."""
    use: HostUse | None = None
    """CPU time and memory of the pods; None in ticks that do not read them."""
    zones: tuple[ZoneReading, ...] | None = None
    """CPU energy; None in ticks that do not read it."""
