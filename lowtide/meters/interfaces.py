"""Interfaces of the meters: each is a module of its own, and no failure takes another down."""

from dataclasses import dataclass
from typing import Protocol

from lowtide.meters.readings import GpuReading, HostUse, ZoneReading


class GpuMeters(Protocol):
    """Reads the energy and power of every GPU of the node."""

    def read(self, monotonic_seconds: float) -> tuple[GpuReading, ...]:
        """Return one reading per known GPU, a failed one with its error.

        Raises:
            SourceError: no GPU can be read now.
        """

    def survey_soon(self) -> None:
        """Look for new devices at the next read, as a pod holds an unknown one."""

    def close(self) -> None:
        """Let go of the driver."""


class ZoneMeters(Protocol):
    """Reads the energy of CPU packages and memory."""

    def read(self, monotonic_seconds: float) -> tuple[ZoneReading, ...]:
        """Return one reading per zone.

        Raises:
            SourceError: no zone exists, or none may be read.
        """


class UseMeters(Protocol):
    """Reads what pods and node have used."""

    def read(self, monotonic_seconds: float) -> HostUse:
        """Return the use of the node and of every pod that has a cgroup.

        Raises:
            SourceError: it cannot be read now.
        """


@dataclass(frozen=True, slots=True)
class HostMeters:
    """The CPU side of a node: its energy, and the use of pods."""

    zones: ZoneMeters
    use: UseMeters
