"""What the sources tell the ledger: plain values, one moment each, no behaviour.

`None` means not known. UUIDs are NVML's texts, energies integer millijoules, power watts.
"""

from dataclasses import dataclass, field

from lowtide.meters.readings import GpuReading, HostUse, ZoneReading


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
    `trainingjob_uid` is the TrainingJob that a Job's pod works for, empty for other pods.
    """

    namespace: str
    name: str
    uid: str
    is_terminal: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    containers: tuple[str, ...] = ()
    cpu_request_cores: float = 0.0
    trainingjob_uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReadings:
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
