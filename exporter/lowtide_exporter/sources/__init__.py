"""The meters of a node, each a module of its own; one that fails takes no other down."""

from typing import Protocol

from lowtide_exporter.readings import GpuReading


class GpuMeters(Protocol):
    """Reads the energy and power of every GPU of the node."""

    def read(self, monotonic_seconds: float) -> tuple[GpuReading, ...]:
        """Return one reading per known GPU, a failed one with its error.

        Raises:
            SourceError: no GPU can be read now.
        """

    def close(self) -> None:
        """Let go of the driver."""
