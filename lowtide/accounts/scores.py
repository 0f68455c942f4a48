"""Scores of an ended job: SCI, efficiency and cost, from measured figures. Pure."""

from collections.abc import Sequence

from lowtide.accounts.hardware_hours import hardware_money, pod_seconds_at_base
from lowtide.accounts.rating import Rated, rating_fields
from lowtide.accounts.references import Shelf
from lowtide.accounts.settings import AccountSettings, UncertaintySettings
from lowtide.energy.job import JobEnergy
from lowtide.grid.series import Signal
from lowtide.metrics.efficiency import Measures, Parameters, efficiency
from lowtide.metrics.result import Caution, Result
from lowtide.metrics.sam import EnergyUnit, sam_name
from lowtide.metrics.sci import Basis, FunctionalUnitKind, sci
from lowtide.metrics.uncertainty import embodied_bounds, sci_uncertainty
from lowtide.records.epochs import epoch_measures
from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.spec import Price, TrainingJobSpec
from lowtide.trainingjob.status import (
    Attempt,
    CostStatus,
    EfficiencyMetric,
    EfficiencyStatus,
    SciRange,
    SciStatus,
    TrainingStatus,
)
from lowtide.units import joules_to_kwh

MODELLED = "model"
"""Quality of modelled joules."""
COUNT_DIGITS = 15
"""Digits of a count of units; a float holds no more."""


def functional_units(
    spec: TrainingJobSpec, training: TrainingStatus | None, *, complete: bool
) -> float | None:
    """Return R: given in the spec, counted by the trainer, or 1 for a completed job.

    `None` if the trainer should have counted it and did not.
    """
    unit = spec.functional_unit
    if unit.count is not None:
        return float(unit.count)
    if unit.kind is FunctionalUnitKind.TRAINING_JOB:
        return 1.0 if complete else 0.0
    if training is None:
        return None
    answered = training.inference
    counted = {
        FunctionalUnitKind.EPOCH: training.epochs,
        FunctionalUnitKind.SAMPLE: training.samples if answered is None else answered.samples,
        FunctionalUnitKind.TOKEN: training.tokens if answered is None else answered.tokens,
        FunctionalUnitKind.REQUEST: None if answered is None else answered.requests,
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
    includes_overhead: bool,
    complete: bool,
    uncertainty: UncertaintySettings,
) -> SciStatus:
    """Return the SCI section; its warnings and its message explain a missing value."""
    unit = spec.functional_unit
    name = unit.name if unit.kind is FunctionalUnitKind.CUSTOM and unit.name else str(unit.kind)
    count = functional_units(spec, training, complete=complete)
    parts = tuple(sorted(energy.joules_by_component))
    boundary = f"{', '.join(parts)} of the job's pods, all attempts; network and storage left out"
    if count is None:
        return SciStatus(
            functional_unit=name,
            boundary=boundary,
            warnings=("functional_unit_not_reported",),
            message=f"the trainer reported no number of units ({name}): give "
            "spec.functionalUnit.count, or let the training report it",
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
        warnings=() if includes_overhead else (Caution.PUE_NOT_INCLUDED,),
    )
    reasons = () if result.reason is None else (str(result.reason),)
    range_, without_range = None, result.sentence
    if result.value is not None and operational is not None and embodied is not None:
        range_, without_range = _range(operational, embodied, count, energy, uncertainty)
    return SciStatus(
        grams_per_unit=decimal_text(result.value),
        functional_unit=name,
        functional_unit_count=decimal_text(count, COUNT_DIGITS),
        boundary=boundary,
        warnings=(*reasons, *(str(warning) for warning in result.warnings))[:8],
        uncertainty=range_,
        message=without_range,
    )


def _range(
    operational: float,
    embodied: float,
    units: float,
    energy: JobEnergy,
    chosen: UncertaintySettings,
) -> tuple[SciRange | None, str | None]:
    """Return the range of the score, or why there is none."""
    if any(part.quality == MODELLED for part in energy.parts):
        return None, "no range: part of the energy is modelled, and the model states no error"
    bounds = embodied_bounds(embodied, chosen.embodied_factor)
    found = sci_uncertainty(
        operational_grams=operational,
        embodied=bounds,
        functional_units=units,
        energy_ratio=chosen.energy_ratio,
        intensity_ratio=chosen.intensity_ratio,
    )
    low, high = decimal_text(max(0.0, found.low)), decimal_text(found.high)
    if low is None or high is None:
        return None, "no range: its ends cannot be written as decimals"
    ratio = chosen.intensity_ratio
    return SciRange(
        low=low,
        high=high,
        energy_ratio=decimal_text(chosen.energy_ratio) or "0",
        intensity_ratio=None if ratio is None else decimal_text(ratio),
        embodied_low_grams=decimal_text(bounds.low) or "0",
        embodied_high_grams=decimal_text(bounds.high) or "0",
        basis=shortened(found.basis, 256),
    ), None


def efficiency_status(
    spec: TrainingJobSpec,
    training: TrainingStatus | None,
    job: Rated,
    run_seconds: float,
    settings: AccountSettings,
    shelf: Shelf,
) -> EfficiencyStatus:
    """Return accuracy set against energy, and the letter; each has a value or a reason."""
    rating = rating_fields(job, training, shelf, settings.rating)
    if training is None or training.accuracy is None:
        sentence = _without_accuracy(training)
        chosen = efficiency_parameters(spec)
        names = (sam_name(chosen.sam_alpha, chosen.sam_beta, chosen.sam_unit), "APC", "TTCAPC")
        silent = tuple(EfficiencyMetric(name=name, reason=sentence) for name in names)
        return EfficiencyStatus(metrics=silent, **rating)
    price = price_of(spec, settings)
    epochs, no_epochs = epoch_measures(training)
    measures = Measures(
        accuracy=float(training.accuracy),
        energy_joules=job.energy_joules,
        duration_seconds=run_seconds,
        price_per_kwh=None if price is None else _float(price.per_kilowatt_hour),
        currency=None if price is None else price.currency,
        epochs=epochs,
        no_epochs=no_epochs,
        target_accuracy=_float(spec.metrics.target_accuracy),
    )
    results = efficiency(measures, efficiency_parameters(spec))
    return EfficiencyStatus(metrics=tuple(map(_metric, results)), **rating)


def _without_accuracy(training: TrainingStatus | None) -> str:
    """Return why there is no accuracy: no report, or a fault in it."""
    if training is None:
        return "the training wrote no report: accuracy is read from its termination message"
    if training.message:
        return shortened(f"no accuracy: {training.message}", 256)
    return "the training reported no accuracy"


def efficiency_parameters(spec: TrainingJobSpec) -> Parameters:
    """Return the job's own parameters; the published weights where it gives none."""
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


def price_of(spec: TrainingJobSpec, settings: AccountSettings) -> Price | None:
    """Return the job's own price, else that of the settings."""
    return spec.price or settings.price


def cost_status(
    spec: TrainingJobSpec,
    energy_joules: float,
    run_seconds: float,
    settings: AccountSettings,
    attempts: Sequence[Attempt] = (),
) -> CostStatus | None:
    """Return the cost of the run; the two amounts are different quantities and never added.

    `run_seconds` is the running time of all pods.
    """
    price = price_of(spec, settings)
    if price is None:
        return None
    energy = None
    at_base = pod_seconds_at_base(spec, attempts)
    if price.per_kilowatt_hour is not None:
        energy = float(price.per_kilowatt_hour) * joules_to_kwh(energy_joules)
    return CostStatus(
        currency=price.currency,
        instance=decimal_text(hardware_money(price, run_seconds)),
        run_now_instance=(
            None if at_base is None else decimal_text(hardware_money(price, at_base))
        ),
        energy=decimal_text(energy),
        price_per_hour=price.per_hour,
        price_per_kilowatt_hour=price.per_kilowatt_hour,
    )


def _metric(result: Result) -> EfficiencyMetric:
    """Return a metric for the status: its value, or the reason why it has none."""
    return EfficiencyMetric(
        name=result.name,
        value=decimal_text(result.value),
        unit=result.unit or None,
        reason=None if result.reason is None else shortened(result.sentence or "", 256),
        target=decimal_text(result.parameters.get("target")),
        warnings=tuple(str(warning) for warning in result.warnings)[:8],
    )


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)
