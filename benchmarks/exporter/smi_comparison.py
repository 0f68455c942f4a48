"""Comparison of three energies of a GPU: exporter, driver's counter, nvidia-smi's power. Pure."""

import contextlib
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lowtide.energy.power import integrate_power
from lowtide.limits import believable_watts

TOLERANCE_RATIO = 0.01
"""Exporter and counter differ by the few milliseconds between two readings at most."""
PowerSeries = list[tuple[float, float]]
"""Unix time and watts."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Counters of all GPUs at one end of the measurement, by UUID."""

    unix_seconds: float
    exporter_joules: Mapping[str, float]
    driver_joules: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class GpuComparison:
    """One GPU's energy over the measurement; what is not known is `None`."""

    uuid: str
    seconds: float
    exporter_joules: float
    driver_joules: float | None
    smi_joules: float | None
    """Of nvidia-smi's mean power over the whole time."""
    smi_samples: int
    smi_covered_ratio: float | None
    """Share of the time between its first and last sample without a longer gap."""

    @property
    def exporter_to_driver(self) -> float | None:
        """Exporter over the driver's counter."""
        return _ratio(self.exporter_joules, self.driver_joules)

    @property
    def exporter_to_smi(self) -> float | None:
        """Exporter over nvidia-smi's integrated power."""
        return _ratio(self.exporter_joules, self.smi_joules)

    @property
    def agrees(self) -> bool:
        """Whether the exporter gives what the driver's counter gives; also where none is known."""
        if self.driver_joules is None:
            return True
        return abs(self.exporter_joules - self.driver_joules) <= (
            TOLERANCE_RATIO * self.driver_joules
        )


def _ratio(joules: float, other: float | None) -> float | None:
    return joules / other if other else None


def parse_power(lines: Iterable[str]) -> dict[str, PowerSeries]:
    """Return the powers by UUID that nvidia-smi printed; its clock's zone is UTC.

    A line that is cut short, a power it does not know (`[N/A]`) and a time that does not go on
    are left out.
    """
    found: dict[str, PowerSeries] = {}
    for row in csv.reader(lines, skipinitialspace=True):
        with contextlib.suppress(ValueError):
            moment, uuid, power = row
            at = datetime.strptime(moment, "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
            watts = believable_watts(float(power))
            series = found.setdefault(uuid, [])
            if watts is not None and (not series or at > series[-1][0]):
                series.append((at, watts))
    return found


def compare(start: Moment, end: Moment, powers: Mapping[str, PowerSeries]) -> list[GpuComparison]:
    """Return one comparison for each GPU of the exporter's page, by UUID."""
    seconds = end.unix_seconds - start.unix_seconds
    compared = []
    for uuid in sorted(end.exporter_joules):
        first, last = start.driver_joules.get(uuid), end.driver_joules.get(uuid)
        series = [
            (at, watts)
            for at, watts in powers.get(uuid, ())
            if start.unix_seconds <= at <= end.unix_seconds
        ]
        power = integrate_power([at for at, _ in series], [watts for _, watts in series])
        drawn = None
        if power.energy_joules is not None and power.covered_ratio > 0:
            covered = power.covered_ratio * (series[-1][0] - series[0][0])
            drawn = power.energy_joules / covered * seconds
        compared.append(
            GpuComparison(
                uuid=uuid,
                seconds=seconds,
                exporter_joules=end.exporter_joules[uuid] - start.exporter_joules.get(uuid, 0.0),
                driver_joules=None if first is None or last is None else last - first,
                smi_joules=drawn,
                smi_samples=len(series),
                smi_covered_ratio=None if drawn is None else power.covered_ratio,
            )
        )
    return compared
