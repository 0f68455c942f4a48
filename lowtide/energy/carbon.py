"""Emissions of a run: joules in time become grams of CO2 equivalent.

Energy is multiplied slot by slot with the intensity of the time it was used in, never as a sum with
a mean. Where intensity is missing while energy was used, there is no total: the result says
`intensity_missing` and which share could be priced. Average and marginal stay apart because a
result carries its signal and savings refuse a pair of different ones. Source:
docs/explanation/metrics.md#emissions and
docs/explanation/what-the-numbers-do-not-say.md#what-waiting-avoided.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import fsum

from lowtide.energy.profile import EnergyError, EnergyProfile, Span
from lowtide.energy.slots import shares_by_slot
from lowtide.grid.series import Factor, IntensitySeries, MixedSignalsError, Signal
from lowtide.units import joules_to_kwh


class CarbonError(EnergyError):
    """Grams cannot be computed from these inputs."""


class CarbonReason(StrEnum):
    """Why a carbon figure is absent."""

    INTENSITY_MISSING = "intensity_missing"
    """Energy was used at times whose intensity is not known."""
    NO_ENERGY = "no_energy"
    """The profile holds no interval at all: nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonResult:
    """Operational emissions of a profile."""

    grams: float | None
    """All emissions; `None` where a part of the energy has no intensity."""
    covered_grams: float
    """Emissions of the energy whose intensity is known."""
    covered_ratio: float
    """Share of the energy whose intensity is known."""
    estimated_ratio: float
    """Share of that energy whose intensity the source calls estimated."""
    energy_joules: float
    """All energy of the profile."""
    reason: CarbonReason | None
    """Why `grams` is `None`."""
    signal: Signal
    """Average or marginal intensity."""
    factor: Factor
    """Direct or life-cycle emissions."""
    zone: str
    """Zone of the intensity."""
    source: str
    """Where the intensity came from."""
    resolution_seconds: float | None
    """The most frequent slot length used; `None` where no slot was."""

    @property
    def mean_grams_per_kwh(self) -> float | None:
        """Emissions per energy, for display only; never multiply it with another energy."""
        if self.grams is None or self.energy_joules == 0:
            return None
        return self.grams / joules_to_kwh(self.energy_joules)


@dataclass(frozen=True, slots=True)
class Saving:
    """What moving a run in time avoided; negative where waiting made it worse.

    Both are `None` where one of the two figures is absent; `percent` also where running now would
    have emitted nothing.
    """

    avoided_grams: float | None
    percent: float | None


def operational_grams(profile: EnergyProfile, series: IntensitySeries) -> CarbonResult:
    """Return the emissions of a run: O = sum of E * I over the slots of the intensity series.

    An interval that crosses slot boundaries is split in proportion to time. Source: SCI
    specification 1.1 (O = E * I), time-resolved (docs/explanation/metrics.md#emissions).
    """
    priced: list[float] = []
    priced_joules: list[float] = []
    estimated_joules: list[float] = []
    slots: Counter[float] = Counter()
    missing = False
    for interval in profile.intervals:
        for energy_joules, point in shares_by_slot(interval, series.points):
            if point is None or point.grams_per_kwh is None:
                missing = missing or energy_joules > 0
                continue
            priced.append(joules_to_kwh(energy_joules) * point.grams_per_kwh)
            priced_joules.append(energy_joules)
            slots[(point.end - point.start).total_seconds()] += 1
            if point.estimated:
                estimated_joules.append(energy_joules)
    total, known = profile.total_joules, fsum(priced_joules)
    reason = None
    if not profile.intervals:
        reason = CarbonReason.NO_ENERGY
    elif missing:
        reason = CarbonReason.INTENSITY_MISSING
    return CarbonResult(
        grams=fsum(priced) if reason is None else None,
        covered_grams=fsum(priced),
        covered_ratio=_ratio(known, total, empty=0.0 if reason else 1.0),
        estimated_ratio=_ratio(fsum(estimated_joules), known, empty=0.0),
        energy_joules=total,
        reason=reason,
        signal=series.signal,
        factor=series.factor,
        zone=series.zone,
        source=series.source,
        resolution_seconds=slots.most_common(1)[0][0] if slots else None,
    )


def counterfactual(
    profile: EnergyProfile,
    *,
    start: datetime,
    series: IntensitySeries,
    restart_work: Sequence[Span] = (),
) -> CarbonResult:
    """Return what the same run would have emitted without waiting.

    The measured power profile is placed uninterrupted at `start` (submission, or the earliest
    permitted start) and priced with the actual intensity of those hours. The stretches of
    `restart_work` (reloads, repeated steps) belong to the job's emissions and not to this
    baseline. An estimate: the run would not have drawn exactly the same power.
    """
    return operational_grams(profile.uninterrupted(start, leaving_out=restart_work), series)


def saving(*, actual: CarbonResult, run_now: CarbonResult) -> Saving:
    """Return what was avoided: run-now emissions minus actual ones.

    Raises:
        MixedSignalsError: the two differ in signal or in the kind of emission factor.
    """
    if (actual.signal, actual.factor) != (run_now.signal, run_now.factor):
        raise MixedSignalsError(
            f"actual emissions are {actual.signal}/{actual.factor}, the baseline is "
            f"{run_now.signal}/{run_now.factor}: use the same series for both"
        )
    if actual.grams is None or run_now.grams is None:
        return Saving(None, None)
    avoided = run_now.grams - actual.grams
    return Saving(avoided, 100 * avoided / run_now.grams if run_now.grams > 0 else None)


def _ratio(part: float, whole: float, *, empty: float) -> float:
    return min(1.0, part / whole) if whole > 0 else empty
