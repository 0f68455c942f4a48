"""The scores of an ended job: SCI, efficiency and cost, from figures already measured. Pure."""

from math import isfinite

from lowtide.energy.job import JobEnergy
from lowtide.grid.series import Signal
from lowtide.metrics.efficiency import Measures, Parameters, efficiency
from lowtide.metrics.result import Caution, Result
from lowtide.metrics.sam import EnergyUnit
from lowtide.metrics.sci import Basis, sci
from lowtide.trainingjob.spec import FunctionalUnitKind, Price, TrainingJobSpec
from lowtide.trainingjob.status import (
    CostStatus,
    EfficiencyMetric,
    EfficiencyStatus,
    SciStatus,
    TrainingStatus,
)
from lowtide.units import joules_to_kwh
from lowtide_operator.conditions import shortened
from lowtide_operator.settings import Settings


def functional_units(
    spec: TrainingJobSpec, training: TrainingStatus | None, *, complete: bool
) -> float | None:
    """Return R: given in the spec, counted by the trainer, or 1 for a completed job.

    `None` where the trainer should have counted it and did not.
    """
    unit = spec.functional_unit
    if unit.count is not None:
        return float(unit.count)
    if unit.kind is FunctionalUnitKind.TRAINING_JOB:
        return 1.0 if complete else 0.0
    if training is None:
        return None
    counted = {
        FunctionalUnitKind.EPOCH: training.epochs,
        FunctionalUnitKind.SAMPLE: training.samples,
        FunctionalUnitKind.TOKEN: training.tokens,
        FunctionalUnitKind.PARAMETER: training.parameters,
        FunctionalUnitKind.FLOP: training.flops,
    }.get(unit.kind)
    return None if counted is None else float(counted)


def sci_status(
    spec: TrainingJobSpec,
    training: TrainingStatus | None,
    *,
    operational: float | None,
    embodied: float | None,
    energy: JobEnergy,
    signal: Signal | None,
    complete: bool,
) -> SciStatus:
    """Return the SCI section; without a value its warnings say why."""
    unit = spec.functional_unit
    name = unit.name if unit.kind is FunctionalUnitKind.CUSTOM and unit.name else str(unit.kind)
    count = functional_units(spec, training, complete=complete)
    parts = tuple(sorted(energy.joules_by_component))
    boundary = f"{', '.join(parts)} of the job's pods, all attempts; network and storage left out"
    if count is None:
        return SciStatus(
            functional_unit=name, boundary=boundary, warnings=("functional_unit_not_reported",)
        )
    result = sci(
        operational_grams=operational,
        embodied_grams=embodied,
        functional_units=count,
        functional_unit=name,
        basis=Basis(
            functional_unit=name,
            intensity_kind=None if signal is None else str(signal).lower(),
            boundary=parts,
        ),
        energy_kwh=joules_to_kwh(energy.total_joules or 0.0),
        coverage=energy.energy_coverage_ratio,
        warnings=(Caution.PUE_NOT_INCLUDED,),
    )
    reasons = () if result.reason is None else (str(result.reason),)
    return SciStatus(
        grams_per_unit=_decimal(result.value),
        functional_unit=name,
        functional_unit_count=_decimal(count),
        boundary=boundary,
        warnings=(*reasons, *(str(warning) for warning in result.warnings))[:8],
    )


def efficiency_status(
    spec: TrainingJobSpec,
    training: TrainingStatus | None,
    energy_joules: float,
    run_seconds: float,
    settings: Settings,
) -> EfficiencyStatus | None:
    """Return accuracy set against energy; `None` where the trainer reported no accuracy."""
    if training is None or training.accuracy is None:
        return None
    price = price_of(spec, settings)
    measures = Measures(
        accuracy=float(training.accuracy),
        energy_joules=energy_joules,
        duration_seconds=run_seconds,
        price_per_kwh=None if price is None else _float(price.per_kilowatt_hour),
        currency=None if price is None else price.currency,
    )
    results = efficiency(measures, efficiency_parameters(spec))
    return EfficiencyStatus(metrics=tuple(map(_metric, results)))


def efficiency_parameters(spec: TrainingJobSpec) -> Parameters:
    """Return the parameters that the job chose; the published weight where it chose none."""
    chosen, weights = spec.metrics.sam, spec.metrics.apc
    standard = Parameters()
    beta = _float(weights.beta)
    return Parameters(
        sam_alpha=float(chosen.alpha),
        sam_beta=float(chosen.beta),
        sam_unit=EnergyUnit(chosen.unit),
        apc_a=float(weights.alpha),
        apc_b=standard.apc_b if beta is None else beta,
        apec_b=standard.apec_b if beta is None else beta,
    )


def price_of(spec: TrainingJobSpec, settings: Settings) -> Price | None:
    """Return the job's own price, else that of the settings."""
    return spec.price or settings.price


def cost_status(
    spec: TrainingJobSpec, energy_joules: float, run_seconds: float, settings: Settings
) -> CostStatus | None:
    """Return what the run cost; the two amounts are different quantities and never added."""
    price = price_of(spec, settings)
    if price is None:
        return None
    instance = energy = None
    if price.per_hour is not None:
        instance = float(price.per_hour) * run_seconds / 3600
    if price.per_kilowatt_hour is not None:
        energy = float(price.per_kilowatt_hour) * joules_to_kwh(energy_joules)
    return CostStatus(currency=price.currency, instance=_decimal(instance), energy=_decimal(energy))


def _metric(result: Result) -> EfficiencyMetric:
    """Return a metric for the status: its value, or why it has none."""
    return EfficiencyMetric(
        name=result.name,
        value=_decimal(result.value),
        unit=result.unit or None,
        reason=None if result.reason is None else shortened(result.sentence or "", 256),
        warnings=tuple(str(warning) for warning in result.warnings)[:8],
    )


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)


def _decimal(value: float | None) -> str | None:
    """Return a decimal text without exponent, or `None` for what no decimal can say."""
    if value is None or not isfinite(value):
        return None
    text = f"{value:.6f}" if abs(value) < 1e15 else f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
