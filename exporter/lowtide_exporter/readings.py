"""What the sources tell the ledger: plain values, one moment each, no behaviour.

`None` means not known. UUIDs are NVML's texts, energies integer millijoules, power watts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

THROTTLE_REASONS: Final = ("power_cap", "power_brake", "thermal", "slowdown", "sync_boost")
"""Why clocks are below what they could be; that nothing is to be done is no reason."""


class PowerKind(StrEnum):
    """Which window a power reading covers."""

    AVERAGE = "average"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuIdentity:
    """What a GPU is; unchanged while the driver is loaded."""

    uuid: str
    index: int
    model: str
    architecture: str
    driver: str
    is_mock: bool
    multiprocessors: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """One MIG instance: its UUID, GPU instance id and number of multiprocessors."""

    uuid: str
    gpu_instance: int
    multiprocessors: int


# A named tuple is made and hashed in half the time of a frozen dataclass: one per GPU and tick.
class GpuReading(NamedTuple):
    """One read of one GPU.

    `has_counter` is False where the device has no energy counter at all; `counter_millijoules` is
    None also where only this read failed. `clocks_hertz` and `throttled_by` (None where the driver
    does not tell) are for information and some seconds old.
    """

    identity: GpuIdentity
    counter_millijoules: int | None = None
    has_counter: bool = True
    average_watts: float | None = None
    instant_watts: float | None = None
    limit_watts: float | None = None
    instances: tuple[MigInstance, ...] = ()
    mig_enabled: bool = False
    clocks_hertz: Mapping[str, float] = MappingProxyType({})
    throttled_by: frozenset[str] | None = None
    error: str | None = None

    @property
    def power_watts(self) -> float | None:
        """The best power reading: the one-second average where the device has it."""
        return self.instant_watts if self.average_watts is None else self.average_watts


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
    pod: str
    container: str
    device_ids: tuple[str, ...]
    cpu_ids: tuple[int, ...] = ()
    claims: tuple[ClaimedDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRecord:
    """A pod of this node as the API server knows it; times are Unix seconds.

    `started_at` is when the kubelet took the pod in, which is when it gets its devices, before its
    containers start. `finished_at` is the end of the last container of a terminal pod.
    """

    namespace: str
    name: str
    uid: str
    is_terminal: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    containers: tuple[str, ...] = ()
    cpu_request_cores: float = 0.0


class Domain(StrEnum):
    """Which part of a CPU socket a RAPL zone measures."""

    PACKAGE = "package"
    DRAM = "dram"


@dataclass(frozen=True, slots=True)
class ZoneReading:
    """One RAPL zone: microjoules that wrap at the range."""

    package: str
    domain: Domain
    microjoules: int
    range_microjoules: int


@dataclass(frozen=True, slots=True)
class PodUse:
    """What a pod has used: CPU seconds since it began, bytes of memory now."""

    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUse:
    """What the node and its pods have used; `pods` by UID, `busy_seconds` of all cores."""

    pods: dict[str, PodUse]
    busy_seconds: float
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that one tick saw.

    `allocations` is None where the kubelet gave no answer this tick, `pods` None where the API
    server is not asked or not synchronised. `mapping_due` is False at ticks between two questions
    to the kubelet: their energy waits for the next answer. `advertised_replicas` counts the
    replicas on offer by device UUID. `zones` is None at ticks that read no CPU energy.
    """

    monotonic_seconds: float
    unix_seconds: float
    gpus: tuple[GpuReading, ...] = ()
    allocations: tuple[Allocation, ...] | None = None
    mapping_due: bool = True
    pods: tuple[PodRecord, ...] | None = None
    advertised_replicas: dict[str, int] = field(default_factory=dict)
    use: HostUse | None = None
    zones: tuple[ZoneReading, ...] | None = None
