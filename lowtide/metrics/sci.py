"""Software Carbon Intensity: SCI = (O + M) / R, a rate and never a total.

Correct mode only: a functional unit of zero gives no value instead of the total, and periods are
added as sum of C over sum of R instead of averaged. Intensity is location-based; average and
marginal are named and never meet in one score. Source: GSF SCI specification 1.1,
docs/explanation/metrics.md#emissions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum
from typing import Final

from lowtide.metrics.domain import require_at_least
from lowtide.metrics.result import Caution, MetricError, Refusal, Result, Undefined

METHOD: Final = "SCI = (O + M) / R, GSF SCI specification 1.1"
OPERATIONAL: Final = "O = sum over time of E * I, location-based, GSF SCI specification 1.1"


class FunctionalUnitKind(StrEnum):
    """What R counts in SCI = C / R."""

    TRAINING_JOB = "TrainingJob"
    EPOCH = "Epoch"
    SAMPLE = "Sample"
    TOKEN = "Token"
    REQUEST = "Request"
    PARAMETER = "Parameter"
    FLOP = "FLOP"
    CUSTOM = "Custom"


UNIT_WORDS: Final = {
    FunctionalUnitKind.TRAINING_JOB: "job",
    FunctionalUnitKind.EPOCH: "epoch",
    FunctionalUnitKind.SAMPLE: "sample",
    FunctionalUnitKind.TOKEN: "token",
    FunctionalUnitKind.REQUEST: "request",
    FunctionalUnitKind.PARAMETER: "parameter",
    FunctionalUnitKind.FLOP: "FLOP",
}


class Scope(StrEnum):
    """Whose emissions an intensity describes; only the location's may enter a score."""

    LOCATION = "location"
    MARKET = "market-based"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What two scores must share to be compared or added.

    `intensity_kind` is average, short-run-marginal or long-run-marginal; `boundary` the parts in
    the score, in one fixed order; `method` how energy was had.
    """

    functional_unit: str = FunctionalUnitKind.TRAINING_JOB
    intensity_kind: str | None = None
    boundary: tuple[str, ...] = ()
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emissions:
    """Emissions and completed units of one job or period, ready to be added to others."""

    carbon_grams: float
    functional_units: float
    basis: Basis = Basis()


def unit_word(unit: str) -> str:
    """Return the word behind the slash: `job` of `g/job`; a custom unit keeps its own name."""
    known = {str(key): word for key, word in UNIT_WORDS.items()}
    return known.get(unit, unit)


def operational(
    *,
    energy_kwh: Sequence[float],
    intensity_grams_per_kwh: Sequence[float | None],
    pue: float | None = None,
    scope: Scope = Scope.LOCATION,
) -> Result:
    """Return O in grams: the sum over time of PUE * E * I.

    Both sequences have one entry per time interval in the same order; intensity is the mean of
    the interval, `None` where not known. Without a PUE the factor is left out and the result
    warns `pue_not_included`.

    Raises:
        MetricError: out_of_domain (also where the lengths differ), market_based_refused.
    """
    _refuse_market_based(scope)
    if len(energy_kwh) != len(intensity_grams_per_kwh):
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "intensity_grams_per_kwh",
            f"{len(energy_kwh)} energies and {len(intensity_grams_per_kwh)} intensities: "
            "give one intensity per interval",
        )
    for energy in energy_kwh:
        require_at_least("energy_kwh", energy)
    for intensity in intensity_grams_per_kwh:
        if intensity is not None:
            require_at_least("intensity_grams_per_kwh", intensity)
    factor = 1.0 if pue is None else require_at_least("pue", pue, 1)
    pairs = list(zip(energy_kwh, intensity_grams_per_kwh, strict=True))
    total = fsum(energy_kwh)
    priced = fsum(energy for energy, intensity in pairs if intensity is not None)
    missing = any(energy > 0 and intensity is None for energy, intensity in pairs)
    reason = Undefined.INTENSITY_MISSING if missing else None
    if not pairs:
        reason = Undefined.NO_ENERGY
    grams = factor * fsum(e * i for e, i in pairs if i is not None)
    return Result(
        name="operational",
        value=grams if reason is None else None,
        unit="gCO2eq",
        reason=reason,
        warnings=(Caution.PUE_NOT_INCLUDED,) if pue is None else (),
        parameters={
            "energy_kwh": total * factor,
            "intervals": len(pairs),
            "pue": pue,
            "priced_grams": grams,
            "scope": scope,
        },
        method=OPERATIONAL,
        coverage=min(1.0, priced / total) if total > 0 else (None if reason else 1.0),
    )


def sci(
    *,
    operational_grams: float | None,
    embodied_grams: float | None,
    functional_units: float,
    functional_unit: str = FunctionalUnitKind.TRAINING_JOB,
    basis: Basis | None = None,
    energy_kwh: float | None = None,
    coverage: float | None = None,
    warnings: Sequence[Caution] = (),
) -> Result:
    """Return SCI in grams per functional unit.

    Undefined where intensity was missing (`operational_grams` is `None`), embodied emissions are
    not known, or no unit was completed; O and M stay readable in the parameters. Failed attempts
    belong into both numerators, only completed units into `functional_units`.

    Raises:
        MetricError: out_of_domain.
    """
    if operational_grams is not None:
        require_at_least("operational_grams", operational_grams)
    if embodied_grams is not None:
        require_at_least("embodied_grams", embodied_grams)
    require_at_least("functional_units", functional_units)
    reason, value = None, None
    if operational_grams is None:
        reason = Undefined.INTENSITY_MISSING
    elif embodied_grams is None:
        reason = Undefined.EMBODIED_MISSING
    elif functional_units == 0:
        reason = Undefined.FUNCTIONAL_UNIT_ZERO
    else:
        value = (operational_grams + embodied_grams) / functional_units
    shown = basis or Basis(functional_unit=functional_unit)
    cautions = list(warnings)
    if coverage is not None and coverage < 1 and Caution.PARTIAL_ENERGY not in cautions:
        cautions.append(Caution.PARTIAL_ENERGY)
    return Result(
        name="SCI",
        value=value,
        unit=f"gCO2eq/{unit_word(shown.functional_unit)}",
        reason=reason,
        warnings=tuple(cautions),
        parameters={
            "operational_grams": operational_grams,
            "embodied_grams": embodied_grams,
            "functional_units": functional_units,
            "functional_unit": shown.functional_unit,
            "intensity_kind": shown.intensity_kind,
            "boundary": shown.boundary,
            **({} if energy_kwh is None else {"energy_kwh": energy_kwh}),
        },
        method=METHOD,
        coverage=coverage,
    )


def aggregate(periods: Sequence[Emissions]) -> Result:
    """Return the score of several jobs or periods: sum of C over sum of R.

    Never the mean of the single scores. Undefined as `method_mismatch` where the periods differ
    in unit, boundary, intensity kind or method.

    Raises:
        MetricError: out_of_domain.
    """
    for period in periods:
        require_at_least("carbon_grams", period.carbon_grams)
        require_at_least("functional_units", period.functional_units)
    carbon = fsum(period.carbon_grams for period in periods)
    units = fsum(period.functional_units for period in periods)
    reason = None
    if len({period.basis for period in periods}) > 1:
        reason = Undefined.METHOD_MISMATCH
    elif units == 0:
        reason = Undefined.FUNCTIONAL_UNIT_ZERO
    unit = periods[0].basis.functional_unit if periods else FunctionalUnitKind.TRAINING_JOB
    return Result(
        name="SCI",
        value=carbon / units if reason is None else None,
        unit=f"gCO2eq/{unit_word(unit)}",
        reason=reason,
        parameters={
            "carbon_grams": carbon,
            "functional_units": units,
            "functional_unit": unit,
            "periods": len(periods),
        },
        method="sum of C / sum of R",
    )


def add_components(scores: Sequence[Result]) -> Result:
    """Return the score of a system from the scores of its components (same R only).

    Undefined where a component is, or as `method_mismatch` where the components' units, counts of
    units or intensity kinds differ.
    """
    shared = ("functional_units", "functional_unit", "intensity_kind")
    keys = {tuple(score.parameters.get(name) for name in shared) for score in scores}
    first_missing = next((score.reason for score in scores if score.reason), None)
    reason = Undefined.METHOD_MISMATCH if len(keys) != 1 else first_missing
    values = [score.value for score in scores if score.value is not None]
    head = dict(zip(shared, next(iter(keys)), strict=True)) if len(keys) == 1 else {}
    return Result(
        name="SCI",
        value=fsum(values) if reason is None else None,
        unit=scores[0].unit if scores else "gCO2eq/job",
        reason=reason,
        warnings=tuple(dict.fromkeys(w for score in scores for w in score.warnings)),
        parameters={**head, "components": len(scores)},
        method="sum of the components' SCI for the same R",
    )


def _refuse_market_based(scope: Scope) -> None:
    if scope is not Scope.LOCATION:
        raise MetricError(
            Refusal.MARKET_BASED_REFUSED,
            "scope",
            f"intensity is {scope}: certificates, contracts and offsets do not enter SCI; "
            "give the location's intensity and show the other in a note",
        )
