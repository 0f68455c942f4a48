"""Energy of an ended job as its status shows it: parts, how each was measured, and coverage."""

from collections.abc import Mapping
from math import fsum
from typing import Final

from lowtide.energy.job import JobEnergy
from lowtide.trainingjob.base import ratio_text, tenths_text
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.status import EnergyComponent, EnergyStatus

COMPONENTS: Final = ("gpu", "cpu", "dram")
MODELLED: Final = frozenset({"model"})


def energy_status(
    energy: JobEnergy, held_seconds: Mapping[str, float], run_seconds: float
) -> EnergyStatus:
    """Return the energy of a job with its parts, methods and coverage."""
    total = energy.total_joules or 0.0
    qualities = {part.quality for part in energy.parts}
    kind = "Measured"
    if qualities & MODELLED:
        kind = "Modelled" if qualities <= MODELLED else "Mixed"
    measured = {part.component for part in energy.parts}
    return EnergyStatus(
        total_joules=round(total),
        components=tuple(
            EnergyComponent(
                component=part.component,
                part=part.part,
                method=part.method,
                quality=part.quality,
                joules=round(part.energy_joules),
            )
            for part in energy.parts
        ),
        kind=kind,
        energy_coverage=ratio_text(energy.energy_coverage_ratio),
        time_coverage=ratio_text(energy.time_coverage_ratio),
        mean_power_watts=tenths_text(total / run_seconds) if run_seconds > 0 else None,
        run_seconds=f"{run_seconds:.3f}",
        gpu_model=shortened(", ".join(sorted(filter(None, held_seconds))), 256) or None,
        gpu_seconds=f"{fsum(held_seconds.values()):.1f}" if held_seconds else None,
        final=energy.final,
        unavailable=tuple(name for name in COMPONENTS if name not in measured),
    )
