"""Units for people: base units of a panel scaled by its largest value, one unit per panel.

One unit for a whole panel, not one per figure: numbers that stand side by side are then compared
as they stand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lowtide.report.dashboards.model import Unit
from lowtide.units import JOULES_PER_KWH, JOULES_PER_WH


@dataclass(frozen=True, slots=True)
class Scale:
    """How a panel's values are shown: divided by `divisor`, with `label` behind."""

    divisor: float
    label: str


_SCALES: Final[dict[Unit, tuple[Scale, ...]]] = {
    Unit.JOULES: (
        Scale(1e3 * JOULES_PER_KWH, "MWh"),
        Scale(JOULES_PER_KWH, "kWh"),
        Scale(JOULES_PER_WH, "Wh"),
        Scale(1, "J"),
    ),
    Unit.WATTS: (Scale(1e6, "MW"), Scale(1e3, "kW"), Scale(1, "W")),
    Unit.GRAMS: (Scale(1e6, "t"), Scale(1e3, "kg"), Scale(1, "g"), Scale(1e-3, "mg")),
    Unit.GRAMS_PER_KWH: (Scale(1, "g/kWh"),),
    Unit.SECONDS: (Scale(86_400, "d"), Scale(3_600, "h"), Scale(60, "min"), Scale(1, "s")),
    Unit.RATIO: (Scale(0.01, "%"),),
    Unit.PER_SECOND: (Scale(1, "per second"),),
}
"""Largest first; a unit that is not here is shown as it is, without a label."""


def scale_of(unit: Unit, values: Iterable[float]) -> Scale:
    """Return the scale whose unit the largest of `values` reaches; all zero: the base unit."""
    steps = _SCALES.get(unit, (Scale(1, ""),))
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0:
        return next((step for step in steps if step.divisor == 1), steps[-1])
    return next((step for step in steps if largest >= step.divisor), steps[-1])
