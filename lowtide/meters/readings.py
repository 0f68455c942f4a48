"""Readings of the meters: plain values, one moment each, no behaviour.

`None` means not known. UUIDs are NVML's texts, energies integer millijoules, power watts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
