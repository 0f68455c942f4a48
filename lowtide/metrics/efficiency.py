"""All efficiency metrics of one job, each with its value or its reason.

This is what a job's status shows. A metric whose inputs are refused never stops the others: it
appears without a value and with the sentence that says what was wrong. The consumption of APC and
APEC is the mean power of the run (Wh per hour), the cost is in cents per hour, because the
published weights belong to these units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from lowtide.metrics.apc import (
    APC_METHOD,
    APEC_METHOD,
    DEFAULT_A,
    DEFAULT_B,
    DEFAULT_B_COST,
    ConsumptionUnit,
    apc,
    apec,
)
from lowtide.metrics.closest import (
    DELTA_CONSUMPTION,
    DELTA_COST,
    ApcGrid,
    TrainingPoint,
    closest,
    exact,
    time_to_closest,
)
from lowtide.metrics.closest import METHOD as CLOSEST_METHOD
from lowtide.metrics.result import MetricError, Result, Undefined, refused
from lowtide.metrics.sam import METHOD as SAM_METHOD
from lowtide.metrics.sam import EnergyUnit, energy_in, sam, sam_name

PER_HOUR = ConsumptionUnit.WH_PER_HOUR


@dataclass(frozen=True, slots=True)
class EpochMeasure:
    """Seconds and joules since the start of training, and the accuracy reached by then."""

    seconds: float
    accuracy: float
    energy_joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Figures of a job that the metrics need; `None` where unknown."""

    accuracy: float | None
    energy_joules: float | None
    duration_seconds: float | None
    price_per_kwh: float | None = None
    """Price of electricity in `currency`; absent: no APEC."""
    currency: str | None = None
    """ISO 4217 code of the price."""
    epochs: tuple[EpochMeasure, ...] = ()
    """Finished epochs in order; the times to closest are computed from them."""
    no_epochs: str | None = None
    """Sentence that says why there are no epochs; absent: the times to closest are left out."""
    target_accuracy: float | None = None
    """Accuracy that the times to closest wait for; absent: the best of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Parameters that are part of the metrics' names."""

    sam_alpha: float = 5
    """Exponent of the accuracy in SAM."""
    sam_beta: float = 5
    """Factor of SAM; it scales and changes no ranking."""
    sam_unit: EnergyUnit = EnergyUnit.WH
    """Unit of the energy in SAM; rankings flip with it."""
    apc_a: float = DEFAULT_A
    """Weight of consumption that stays at full accuracy, for APC and APEC."""
    apc_b: float = DEFAULT_B[PER_HOUR]
    """Weight of consumption in APC; the default belongs to Wh per hour."""
    apec_b: float = DEFAULT_B_COST[PER_HOUR]
    """Weight of cost in APEC; the default belongs to cents per hour."""


def efficiency(measures: Measures, parameters: Parameters | None = None) -> tuple[Result, ...]:
    """Return SAM and APC, APEC if there is a price, and the times to closest if there are epochs.

    Never raises for a job's figures: a refusal is a result without a value.
    """
    chosen = parameters or Parameters()
    results = [_sam(measures, chosen), _apc(measures, chosen)]
    priced = measures.price_per_kwh is not None and measures.currency is not None
    if priced:
        results.append(_apec(measures, chosen))
    if measures.epochs or measures.no_epochs:
        results.append(_closest(measures, chosen, cost=False))
        if priced:
            results.append(_closest(measures, chosen, cost=True))
    return tuple(results)


def _sam(measures: Measures, chosen: Parameters) -> Result:
    name = sam_name(chosen.sam_alpha, chosen.sam_beta, chosen.sam_unit)
    accuracy, joules = measures.accuracy, measures.energy_joules
    if accuracy is None or joules is None:
        return _missing(name, "", SAM_METHOD)
    return _guarded(
        name,
        "",
        SAM_METHOD,
        lambda: sam(
            accuracy=accuracy,
            energy=energy_in(chosen.sam_unit, joules),
            unit=chosen.sam_unit,
            alpha=chosen.sam_alpha,
            beta=chosen.sam_beta,
        ),
    )


def _apc(measures: Measures, chosen: Parameters) -> Result:
    accuracy, power = measures.accuracy, _mean_power_watts(measures)
    if accuracy is None or power is None:
        return _missing("APC", "", APC_METHOD)
    return _guarded(
        "APC",
        "",
        APC_METHOD,
        lambda: apc(
            accuracy=accuracy, consumption=power, unit=PER_HOUR, a=chosen.apc_a, b=chosen.apc_b
        ),
    )


def _apec(measures: Measures, chosen: Parameters) -> Result:
    accuracy, power = measures.accuracy, _mean_power_watts(measures)
    if accuracy is None or power is None:
        return _missing("APEC", "", APEC_METHOD)
    return _guarded(
        "APEC",
        "",
        APEC_METHOD,
        lambda: apec(
            accuracy=accuracy,
            consumption=power,
            price_per_wh=_cents_per_wh(measures),
            currency=f"cent {measures.currency}",
            unit=PER_HOUR,
            a=chosen.apc_a,
            b=chosen.apec_b,
        ),
    )


def _closest(measures: Measures, chosen: Parameters, *, cost: bool) -> Result:
    name = "TTCAPEC" if cost else "TTCAPC"

    def compute() -> Result:
        if not measures.epochs:
            return _without_epochs(name, measures.no_epochs or "")
        # Exact, because a mean power that sits on a cell's edge must not fall below it.
        price = exact(measures.price_per_kwh or 0) / 10 if cost else Fraction(1)
        checkpoints = [
            TrainingPoint(e.seconds, e.accuracy, exact(e.energy_joules) / exact(e.seconds) * price)
            for e in measures.epochs
            if e.seconds > 0
        ]
        return time_to_closest(checkpoints, grid, name=name, target=target_of(checkpoints))

    def target_of(checkpoints: list[TrainingPoint]) -> float | None:
        if measures.target_accuracy is None or not checkpoints:
            return None
        return closest(measures.target_accuracy, checkpoints[-1].consumption, grid)

    grid = ApcGrid(
        a=chosen.apc_a,
        b=chosen.apec_b if cost else chosen.apc_b,
        delta_consumption=DELTA_COST if cost else DELTA_CONSUMPTION,
    )
    return _guarded(name, "s", CLOSEST_METHOD, compute)


def _mean_power_watts(measures: Measures) -> float | None:
    if measures.energy_joules is None or not measures.duration_seconds:
        return None
    watts = measures.energy_joules / measures.duration_seconds
    return watts if isfinite(watts) else None


def _cents_per_wh(measures: Measures) -> float:
    return 100 * (measures.price_per_kwh or 0.0) / 1000


def _missing(name: str, unit: str, method: str) -> Result:
    return Result(name=name, value=None, unit=unit, reason=Undefined.VALUE_MISSING, method=method)


def _without_epochs(name: str, sentence: str) -> Result:
    return Result(
        name=name,
        value=None,
        unit="s",
        reason=Undefined.TOO_FEW_SAMPLES,
        parameters={"message": sentence},
        method=CLOSEST_METHOD,
    )


def _guarded(name: str, unit: str, method: str, compute: Callable[[], Result]) -> Result:
    try:
        return compute()
    except MetricError as error:
        return refused(name, unit, error, method=method)
