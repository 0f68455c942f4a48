"""Electricity bill of a run: joules in time become money, at the prices of the zone.

Energy is multiplied slot by slot with the price of the time it was used in. Where a price is
missing while energy was used there is no sum, only the share that is known. Prices may be zero or
negative, and so may a bill. One currency: a series holds no other, and nothing is converted. Bills
never enter emissions or the SCI.
"""

from dataclasses import dataclass
from math import fsum

from lowtide.energy.profile import EnergyProfile
from lowtide.energy.slots import shares_by_slot
from lowtide.prices.series import PriceSeries
from lowtide.units import joules_to_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityBill:
    """What the energy of a profile cost."""

    amount: float | None
    """In `currency`; `None` where a part of the energy has no price, or nothing was measured."""
    covered_ratio: float
    """Share of the energy whose price is known."""
    energy_joules: float
    """All energy of the profile."""
    currency: str
    """ISO 4217 code."""
    source: str
    """Where the prices came from."""

    @property
    def mean_per_kwh(self) -> float | None:
        """Amount per energy, for display only; never multiply it with another energy."""
        if self.amount is None or self.energy_joules == 0:
            return None
        return self.amount / joules_to_kwh(self.energy_joules)


def electricity_bill(profile: EnergyProfile, prices: PriceSeries) -> ElectricityBill:
    """Return the sum of energy times price over the slots of the prices."""
    amounts: list[float] = []
    known_joules: list[float] = []
    missing = not profile.intervals
    for interval in profile.intervals:
        for energy_joules, point in shares_by_slot(interval, prices.points):
            if point is None or point.per_kwh is None:
                missing = missing or energy_joules > 0
                continue
            amounts.append(joules_to_kwh(energy_joules) * point.per_kwh)
            known_joules.append(energy_joules)
    total = profile.total_joules
    return ElectricityBill(
        amount=None if missing else fsum(amounts),
        covered_ratio=min(1.0, fsum(known_joules) / total) if total > 0 else float(not missing),
        energy_joules=total,
        currency=prices.currency,
        source=prices.source,
    )
