"""APC and APEC (Jurj et al. 2020): accuracy weighed against consumption or its cost.

Both are pure formulas in [0, 1]; the weight b belongs to the unit of the consumption, so there is
no default without a known unit. *Wh per inference* and *Wh per hour* are different metrics. The
published price is never a default. Source: docs/explanation/metrics.md#apc-and-apec.
"""

from enum import StrEnum
from typing import Final

from lowtide.metrics.domain import require_accuracy, require_at_least, require_ratio
from lowtide.metrics.result import MetricError, Refusal, Result

DEFAULT_A: Final = 0.1
"""Weight of consumption that stays at full accuracy (all published plots)."""
PUBLISHED_PRICE_PER_WH: Final = 0.00305
"""Price per Wh in the published scripts, labelled cent EUR; probably ten times too small."""

APC_METHOD: Final = "APC = acc / (b * c * ((1 - a) * (1 - acc) + a) + 1), Jurj et al. 2020"
APEC_METHOD: Final = "APEC = acc / (b * cost * ((1 - a) * (1 - acc) + a) + 1), Jurj et al. 2020"


class ConsumptionUnit(StrEnum):
    """What a consumption is counted in; Wh per hour is mean power in W."""

    WH_PER_INFERENCE = "Wh per inference"
    WH_PER_HOUR = "Wh per hour"


DEFAULT_B: Final = {ConsumptionUnit.WH_PER_INFERENCE: 1.0, ConsumptionUnit.WH_PER_HOUR: 0.1}
DEFAULT_B_COST: Final = {ConsumptionUnit.WH_PER_INFERENCE: 10.0, ConsumptionUnit.WH_PER_HOUR: 50.0}


def weighed(accuracy: float, consumption: float, a: float, b: float) -> float:
    """Return the bare formula, for inputs already checked."""
    return accuracy / (b * consumption * ((1 - a) * (1 - accuracy) + a) + 1)


def apc(
    *,
    accuracy: float,
    consumption: float,
    unit: ConsumptionUnit | None = None,
    a: float = DEFAULT_A,
    b: float | None = None,
) -> Result:
    """Return APC for a consumption in `unit`; `b` defaults to the unit's published weight.

    Raises:
        MetricError: accuracy_not_fraction; out_of_domain; unit_mismatch where neither a unit nor
            a weight is given.
    """
    weight = _weight(unit, b, DEFAULT_B)
    _check(accuracy, a, weight)
    require_at_least("consumption", consumption)
    return Result(
        name="APC",
        value=weighed(accuracy, consumption, a, weight),
        unit="",
        parameters={
            "accuracy": accuracy,
            "consumption": consumption,
            "consumption_unit": unit,
            "a": a,
            "b": weight,
        },
        method=APC_METHOD,
    )


def apec(
    *,
    accuracy: float,
    consumption: float,
    price_per_wh: float,
    currency: str,
    unit: ConsumptionUnit | None = None,
    a: float = DEFAULT_A,
    b: float | None = None,
) -> Result:
    """Return APEC: the same formula with cost = consumption * price.

    A price of zero (own solar power) is legal and gives the accuracy. `currency` names what the
    price is in, for example `cent EUR`; the published weights belong to cents.

    Raises:
        MetricError: accuracy_not_fraction; out_of_domain; unit_mismatch where neither a unit nor
            a weight is given, or the currency is empty.
    """
    weight = _weight(unit, b, DEFAULT_B_COST)
    _check(accuracy, a, weight)
    require_at_least("consumption", consumption)
    require_at_least("price_per_wh", price_per_wh)
    if not currency.strip():
        raise MetricError(
            Refusal.UNIT_MISMATCH, "currency", "currency is empty: say what the price is in"
        )
    cost = consumption * price_per_wh
    return Result(
        name="APEC",
        value=weighed(accuracy, cost, a, weight),
        unit="",
        parameters={
            "accuracy": accuracy,
            "consumption": consumption,
            "consumption_unit": unit,
            "price_per_wh": price_per_wh,
            "cost": cost,
            "currency": currency,
            "a": a,
            "b": weight,
        },
        method=APEC_METHOD,
    )


def _check(accuracy: float, a: float, b: float) -> None:
    require_accuracy(accuracy)
    require_ratio("a", a)
    require_at_least("b", b)


def _weight(
    unit: ConsumptionUnit | None, b: float | None, defaults: dict[ConsumptionUnit, float]
) -> float:
    if b is not None:
        return b
    if unit is None:
        raise MetricError(
            Refusal.UNIT_MISMATCH,
            "b",
            "b has no default without the unit of the consumption: "
            f"give b, or a unit ({' or '.join(ConsumptionUnit)})",
        )
    return defaults[unit]
