"""Energy from power samples or from two readings of a counter, for reports without an exporter.

The counter is the default wherever there is one. For power samples the trapezoid is the default;
the right rectangle repeats what Fischer et al. 2022 computed. A gap is left out and its share is
said, never bridged. Source: docs/explanation/metrics.md#energy-from-power.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import fsum, isfinite
from statistics import median

from lowtide.energy.profile import EnergyError

LONGEST_GAP_STEPS = 5
"""A gap longer than this many nominal steps is not bridged (Lowtide's rule)."""


class PowerError(EnergyError):
    """Power samples or counter readings cannot be integrated."""


class Rule(StrEnum):
    """How power between two samples is taken."""

    TRAPEZOID = "trapezoid"
    RIGHT_RECTANGLE = "right-rectangle"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerEnergy:
    """Energy of the covered time; `energy_joules` is `None` with fewer than two samples."""

    energy_joules: float | None
    covered_ratio: float
    gaps: int
    rule: Rule


def integrate_power(
    seconds: Sequence[float],
    power_watts: Sequence[float],
    *,
    rule: Rule = Rule.TRAPEZOID,
    nominal_step_seconds: float | None = None,
) -> PowerEnergy:
    """Return the energy of a series of power samples.

    Both sequences have one entry per sample, in time order. The nominal step defaults to the
    median distance of the samples; a longer gap than five of it is left out.

    Raises:
        PowerError: the lengths differ, times do not increase, or a power is negative or not
            finite.
    """
    if len(seconds) != len(power_watts):
        raise PowerError(f"{len(seconds)} times and {len(power_watts)} powers: give one per sample")
    for power in power_watts:
        if not (isfinite(power) and power >= 0):
            raise PowerError(f"power {power} W is not a finite number >= 0")
    steps = [later - earlier for earlier, later in pairwise(seconds)]
    if any(not (isfinite(step) and step > 0) for step in steps):
        raise PowerError("times must be finite and increase from sample to sample")
    if not steps:
        return PowerEnergy(energy_joules=None, covered_ratio=0, gaps=0, rule=rule)
    nominal = median(steps) if nominal_step_seconds is None else nominal_step_seconds
    kept = [step <= LONGEST_GAP_STEPS * nominal for step in steps]
    joules = [
        (later if rule is Rule.RIGHT_RECTANGLE else (earlier + later) / 2) * step
        for (earlier, later), step, keep in zip(pairwise(power_watts), steps, kept, strict=True)
        if keep
    ]
    covered = fsum(step for step, keep in zip(steps, kept, strict=True) if keep)
    return PowerEnergy(
        energy_joules=fsum(joules),
        covered_ratio=covered / fsum(steps),
        gaps=kept.count(False),
        rule=rule,
    )


def counter_energy(start: float, end: float, *, max_range: float | None = None) -> float:
    """Return end - start of a counter, in the counter's unit.

    A counter that wraps (RAPL) needs its range; at most one wrap is assumed. One that fell without
    a known range was reset: begin a new segment instead.

    Raises:
        PowerError: a reading is negative or not finite, above the range, or the counter fell
            without a known range.
    """
    for name, value in (("start", start), ("end", end)):
        if not (isfinite(value) and value >= 0):
            raise PowerError(f"counter {name} {value} is not a finite number >= 0")
        if max_range is not None and value > max_range:
            raise PowerError(f"counter {name} {value} is above its range {max_range}")
    if end >= start:
        return end - start
    if max_range is None:
        raise PowerError(
            f"the counter fell from {start} to {end} and its range is not known: "
            "it was reset, so begin a new segment"
        )
    return end - start + max_range
