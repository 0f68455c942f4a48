"""Readings of the meters: plain values, one moment each, no behaviour.

`None` means not known. UUIDs are NVML's texts, energies integer millijoules, power watts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

THROTTLE_REASONS: Final = ("power_cap", "power_brake", "thermal", "slowdown", "sync_boost")
"""Why clocks are below what they could be; an idle GPU is not a reason."""


class PowerKind(StrEnum):
    """Which window a power reading covers."""

    AVERAGE = "average"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuIdentity:
    """Identity of a GPU; unchanged while the driver is loaded."""

    uuid: str
    """NVML's UUID, `GPU-...`."""
    index: int
    """The driver's number of the GPU."""
    model: str
    """The product's name."""
    architecture: str
    """The chip's family, lower case."""
    driver: str
    """Version of the driver."""
    is_mock: bool
    """Whether the library is a stand-in, which measures nothing real."""
    multiprocessors: int | None = None
    """Number of multiprocessors of the whole GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """One MIG instance: its UUID, GPU instance id and number of multiprocessors."""

    uuid: str
    gpu_instance: int
    multiprocessors: int


# A named tuple is made and hashed in half the time of a frozen dataclass: one per GPU and tick.
class GpuReading(NamedTuple):
    """Reading of one GPU; values for information only may be some seconds old."""

    identity: GpuIdentity
    """Name, model and driver."""
    counter_millijoules: int | None = None
    """Energy counter; None where it could not be read."""
    has_counter: bool = True
    """False where the device has no energy counter at all."""
    average_watts: float | None = None
    """Mean power of the last second."""
    instant_watts: float | None = None
    """Power at this moment."""
    limit_watts: float | None = None
    """Power limit in force."""
    limit_max_watts: float | None = None
    """Highest power limit that can be set."""
    busy_ratio: float | None = None
    """Share of the last second in which any process ran, 0 to 1."""
    instances: tuple[MigInstance, ...] = ()
    """MIG instances."""
    mig_enabled: bool = False
    """Whether the GPU is cut into MIG instances."""
    clocks_hertz: Mapping[str, float] = MappingProxyType({})
    """Clocks by domain, for information."""
    throttled_by: frozenset[str] | None = None
    """What holds the clocks down, for information; None where the driver does not tell."""
    error: str | None = None
    """Why the GPU could not be read."""

    @property
    def power_watts(self) -> float | None:
        """The best power reading: the one-second average where the device has it."""
        return self.instant_watts if self.average_watts is None else self.average_watts


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
