"""Reads CPU packages and their memory through the kernel's powercap tree (RAPL).

Only zones called `package-N` and `dram` count: psys contains the package, the package contains
core and uncore, and an mmio zone repeats the package, so adding them would count joules twice.
Kernel documentation: Documentation/power/powercap/powercap.rst.
"""

from pathlib import Path
from typing import Final

from lowtide.meters.errors import SourceError
from lowtide.meters.readings import Domain, ZoneReading

_SURVEY_SECONDS: Final = 60.0


class RaplMeters:
    """The RAPL zones below a sysfs root."""

    def __init__(self, sysfs: str) -> None:
        self._root = Path(sysfs) / "class" / "powercap"
        self._zones: dict[tuple[str, Domain], Path] = {}
        self._survey_at = 0.0

    def read(self, monotonic_seconds: float) -> tuple[ZoneReading, ...]:
        """Return one reading per zone.

        Raises:
            SourceError: the node has no zones (cloud VMs have none), or they may not be read.
        """
        if monotonic_seconds >= self._survey_at or not self._zones:
            self._zones = self._survey()
            self._survey_at = monotonic_seconds + _SURVEY_SECONDS
        if not self._zones:
            raise SourceError(f"RAPL: no package zone below {self._root}")
        return tuple(_read_zone(*place, path) for place, path in self._zones.items())

    def _survey(self) -> dict[tuple[str, Domain], Path]:
        zones: dict[tuple[str, Domain], Path] = {}
        for directory in sorted(self._root.glob("intel-rapl:*")):
            name = _read_text(directory / "name")
            parts = directory.name.removeprefix("intel-rapl:").split(":")
            if len(parts) == 1 and name.startswith("package-"):
                zones.setdefault((name.removeprefix("package-"), Domain.PACKAGE), directory)
            elif len(parts) == 2 and name == "dram":
                parent = _read_text(directory.with_name(f"intel-rapl:{parts[0]}") / "name")
                if parent.startswith("package-"):
                    zones.setdefault((parent.removeprefix("package-"), Domain.DRAM), directory)
        return zones


def _read_zone(package: str, domain: Domain, directory: Path) -> ZoneReading:
    energy, highest = (
        _read_text(directory / name) for name in ("energy_uj", "max_energy_range_uj")
    )
    try:
        return ZoneReading(package, domain, int(energy), int(highest))
    except ValueError:
        raise SourceError(f"RAPL: {directory} holds {energy!r}, no number") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SourceError(f"RAPL: {path} cannot be read: {error.strerror}") from None
