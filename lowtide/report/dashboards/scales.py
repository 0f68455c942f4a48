"""Units for people: a panel's base unit scaled by its largest value.

A panel has one unit, so that numbers side by side can be compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lowtide.report.dashboards.model import PanelUnit
from lowtide.units import JOULES_PER_KWH, JOULES_PER_WH


@dataclass(frozen=True, slots=True)
class Scale:
    """Divisor of a panel's values, and the unit that they then have."""

    divisor: float
    label: str


_SCALES: Final[dict[PanelUnit, tuple[Scale, ...]]] = {
    PanelUnit.JOULES: (
        Scale(1e3 * JOULES_PER_KWH, "MWh"),
        Scale(JOULES_PER_KWH, "kWh"),
        Scale(JOULES_PER_WH, "Wh"),
        Scale(1, "J"),
    ),
    PanelUnit.WATTS: (Scale(1e6, "MW"), Scale(1e3, "kW"), Scale(1, "W")),
    PanelUnit.GRAMS: (Scale(1e6, "t"), Scale(1e3, "kg"), Scale(1, "g"), Scale(1e-3, "mg")),
    PanelUnit.GRAMS_PER_KWH: (Scale(1, "g/kWh"),),
    PanelUnit.SECONDS: (Scale(86_400, "d"), Scale(3_600, "h"), Scale(60, "min"), Scale(1, "s")),
    PanelUnit.RATIO: (Scale(0.01, "%"),),
    PanelUnit.PER_SECOND: (Scale(1, "per second"),),
}
"""Scales, largest first; a unit that is not here is not scaled and has no label."""


def scale_of(unit: PanelUnit, values: Iterable[float]) -> Scale:
    """Return the largest scale that the largest of `values` reaches; the base unit for zeros."""
    steps = _SCALES.get(unit, (Scale(1, ""),))
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0:
        return next((step for step in steps if step.divisor == 1), steps[-1])
    return next((step for step in steps if largest >= step.divisor), steps[-1])
