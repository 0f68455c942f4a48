"""Objective of a plan: carbon, cost, or both in one scalar.

The planner minimises one figure per kilowatt-hour. For carbon it is grams, for cost money, and for
both money too, with a price on every tonne: grams * price per tonne / 10^6 + price per kWh.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from lowtide.planning.errors import RequestError

Array = npt.NDArray[np.float64]

GRAMS_PER_TONNE: Final = 1e6
CORRELATION: Final = 0.25
"""Of the errors of intensity and price forecasts at the same hour
(docs/explanation/planning-figures.md#carbon-and-cost)."""


class ObjectiveKind(StrEnum):
    """What is minimised."""

    CARBON = "Carbon"
    COST = "Cost"
    BOTH = "Both"


@dataclass(frozen=True, slots=True)
class Objective:
    """What a plan minimises.

    Raises:
        RequestError: `Both` without a price per tonne, or a price that is negative or not finite.
    """

    kind: ObjectiveKind = ObjectiveKind.CARBON
    price_per_tonne: float | None = None
    """Price of a tonne of CO2 equivalent in the currency of the electricity prices; of `Both`."""

    def __post_init__(self) -> None:
        price = self.price_per_tonne
        if self.kind is ObjectiveKind.BOTH and price is None:
            raise RequestError("objective Both weighs grams with a price per tonne: give one")
        if price is not None and not (isfinite(price) and price >= 0):
            raise RequestError(f"price per tonne is {price}, it must be finite and >= 0")

    @property
    def needs_prices(self) -> bool:
        """Return whether electricity prices count."""
        return self.kind is not ObjectiveKind.CARBON

    @property
    def per_gram(self) -> float:
        """Return what a gram counts."""
        if self.kind is ObjectiveKind.BOTH:
            return (self.price_per_tonne or 0.0) / GRAMS_PER_TONNE
        return 0.0 if self.needs_prices else 1.0

    def costs(self, grams_per_kwh: Array, price_per_kwh: Array | None) -> Array:
        """Return what a kilowatt-hour counts; prices must be given where they are needed."""
        grams: Array = self.per_gram * grams_per_kwh
        return grams if price_per_kwh is None or not self.needs_prices else grams + price_per_kwh

    def spread(
        self, grams_per_kwh: Array, price_per_kwh: Array | None, price_per_gram: Array | None = None
    ) -> Array:
        """Return the size of the error of the costs from those of its parts, which go together.

        `price_per_gram` is by how much the price errs with each gram; where it is not known, a
        usual correlation of the two errors stands for it.
        """
        grams: Array = self.per_gram * grams_per_kwh
        if price_per_kwh is None or not self.needs_prices:
            return grams
        if price_per_gram is not None:
            shared = price_per_gram * grams_per_kwh
            alone = np.maximum(price_per_kwh**2 - shared**2, 0.0)
            return np.asarray(np.sqrt((grams + shared) ** 2 + alone))
        return np.sqrt(grams**2 + price_per_kwh**2 + 2 * CORRELATION * grams * price_per_kwh)


CARBON: Final = Objective()
