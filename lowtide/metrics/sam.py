"""SAM (Gowda et al., "Watt for What"): accuracy against the logarithm of electricity.

SAM = beta * accuracy^alpha / log10(E), higher is better. The unit of E is part of the name, because
rankings flip with it, and so nothing here converts or guesses one. `log(1 + E)` is never used: it
would be another metric under the same name. Source: docs/explanation/metrics.md#sam; the published
defaults of alpha, beta and the unit are unverified.
"""

from enum import StrEnum
from math import log10
from typing import Final

from lowtide.metrics.domain import require_above, require_accuracy, require_at_least
from lowtide.metrics.result import Caution, Result, Undefined
from lowtide.units import JOULES_PER_KWH, JOULES_PER_WH

METHOD: Final = "SAM = beta * accuracy^alpha / log10(E), Gowda et al."
NEAR_SINGULAR_BELOW: Final = 10
"""In units of E: below this the value changes steeply with the energy."""


class EnergyUnit(StrEnum):
    """Unit of energy in SAM; it is part of the name because rankings flip with it."""

    WH = "Wh"
    KWH = "kWh"


def energy_in(unit: EnergyUnit, energy_joules: float) -> float:
    """Return an energy in the unit that SAM is to use."""
    return energy_joules / (JOULES_PER_WH if unit is EnergyUnit.WH else JOULES_PER_KWH)


def sam_name(alpha: float, beta: float, unit: EnergyUnit) -> str:
    """Return the full name, for example `SAM5[Wh]`, or `SAM(2,5)[kWh]` where alpha is not beta."""
    weights = f"{alpha:g}" if alpha == beta else f"({alpha:g},{beta:g})"
    return f"SAM{weights}[{unit}]"


def sam(
    *, accuracy: float, energy: float, unit: EnergyUnit, alpha: float = 5, beta: float = 5
) -> Result:
    """Return SAM for an accuracy and an energy in `unit`.

    Undefined as `no_energy` at zero and as `energy_not_above_one_unit` up to one unit, where the
    raw formula is negative and ranks better models lower; warns `near_singular` below ten units.

    Raises:
        MetricError: accuracy_not_fraction, or out_of_domain.
    """
    require_accuracy(accuracy)
    require_at_least("energy", energy)
    require_above("alpha", alpha)
    require_above("beta", beta)
    value, reason = None, None
    if energy == 0:
        reason = Undefined.NO_ENERGY
    elif energy <= 1:
        reason = Undefined.ENERGY_NOT_ABOVE_ONE_UNIT
    else:
        value = beta * accuracy**alpha / log10(energy)
    steep = value is not None and energy < NEAR_SINGULAR_BELOW
    return Result(
        name=sam_name(alpha, beta, unit),
        value=value,
        unit="",
        reason=reason,
        warnings=(Caution.NEAR_SINGULAR,) if steep else (),
        parameters={
            "accuracy": accuracy,
            "energy": energy,
            "energy_unit": unit,
            "alpha": alpha,
            "beta": beta,
        },
        method=METHOD,
    )
