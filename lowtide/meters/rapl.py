"""CPU packages and their memory, read through the kernel's powercap tree (RAPL).

Only zones called `package-N` and `dram` count: psys contains the package, the package contains
core and uncore, and an mmio zone repeats the package, so adding them would count joules twice. Some
processors show one zone per die (`package-N-die-M`) and let all dies of a package show the same
counter: such a mirror counts once. A zone that cannot be read does not affect the others.
Kernel documentation: Documentation/power/powercap/powercap.rst.
"""

import logging
from collections import defaultdict
from pathlib import Path
from typing import Final

from lowtide.limits import PACKAGE_WATTS_MAX
from lowtide.meters.errors import SourceError
from lowtide.meters.readings import Domain, ZoneReading

_log = logging.getLogger(__name__)

_SURVEY_SECONDS: Final = 60.0
_DIE: Final = "-die-"
_READ_SECONDS: Final = 0.02
"""Two files read one after the other are read within this time."""
_MIRROR_MICROJOULES: Final = round(1e6 * PACKAGE_WATTS_MAX * _READ_SECONDS)
"""Counters of dies that were never further apart than this are one counter."""

_Place = tuple[str, Domain]


class RaplMeters:
    """RAPL zones below a sysfs root."""

    def __init__(self, sysfs: str) -> None:
        self._root = Path(sysfs) / "class" / "powercap"
        self._zones: dict[_Place, Path] = {}
        self._survey_at = 0.0
        self._apart: set[_Place] = set()
        self._broken: set[_Place] = set()

    def read(self, monotonic_seconds: float) -> tuple[ZoneReading, ...]:
        """Return one reading per zone that can be read.

        Raises:
            SourceError: the node has no zones (cloud VMs have none), or none may be read.
        """
        if monotonic_seconds >= self._survey_at or not self._zones:
            self._zones = self._survey()
            self._survey_at = monotonic_seconds + _SURVEY_SECONDS
        if not self._zones:
            raise SourceError(f"RAPL: no package zone below {self._root}")
        readings: list[ZoneReading] = []
        faults: dict[_Place, SourceError] = {}
        for place, path in self._zones.items():
            try:
                readings.append(_read_zone(*place, path))
            except SourceError as error:
                faults[place] = error
        if not readings:
            raise next(iter(faults.values()))
        for place in faults.keys() - self._broken:
            _log.warning("one zone is left out: %s", faults[place])
        self._broken = set(faults)
        return self._without_mirrors(readings)

    def _without_mirrors(self, readings: list[ZoneReading]) -> tuple[ZoneReading, ...]:
        """Return the readings without those of dies that repeat the first die of their package."""
        dies: defaultdict[tuple[str, Domain], list[ZoneReading]] = defaultdict(list)
        for reading in readings:
            dies[reading.package.partition(_DIE)[0], reading.domain].append(reading)
        mirrors: set[_Place] = set()
        for first, *others in dies.values():
            for other in others:
                place = (other.package, other.domain)
                if _distance(first, other) > _MIRROR_MICROJOULES:
                    self._apart.add(place)
                if place not in self._apart:
                    mirrors.add(place)
        return tuple(item for item in readings if (item.package, item.domain) not in mirrors)

    def _survey(self) -> dict[_Place, Path]:
        zones: dict[_Place, Path] = {}
        names = {directory: _name_of(directory) for directory in self._root.glob("intel-rapl:*")}
        for directory in sorted(names):
            name = names[directory]
            parts = directory.name.removeprefix("intel-rapl:").split(":")
            if len(parts) == 1 and name.startswith("package-"):
                zones.setdefault((name.removeprefix("package-"), Domain.PACKAGE), directory)
            elif len(parts) == 2 and name == "dram":
                parent = names.get(directory.with_name(f"intel-rapl:{parts[0]}"), "")
                if parent.startswith("package-"):
                    zones.setdefault((parent.removeprefix("package-"), Domain.DRAM), directory)
        return zones


def _distance(one: ZoneReading, other: ZoneReading) -> int:
    """Return how far two counters of one range are apart, the short way round."""
    apart = abs(one.microjoules - other.microjoules)
    return min(apart, abs(one.range_microjoules + 1 - apart))


def _read_zone(package: str, domain: Domain, directory: Path) -> ZoneReading:
    energy, highest = (
        _read_text(directory / name) for name in ("energy_uj", "max_energy_range_uj")
    )
    try:
        return ZoneReading(package, domain, int(energy), int(highest))
    except ValueError:
        raise SourceError(
            f"RAPL: {directory} holds {energy!r} of {highest!r}, which are not two numbers"
        ) from None


def _name_of(directory: Path) -> str:
    """Return the name of a zone, empty where it cannot be read."""
    try:
        return _read_text(directory / "name")
    except SourceError:
        return ""


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SourceError(f"RAPL: {path} cannot be read: {error.strerror}") from None
