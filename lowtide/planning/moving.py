"""Cost of moving a job's data to another zone, as it is given.

It counts once for the job, so the job's energy sets it against grams and money per kilowatt-hour.
Nothing is guessed: a cost per gigabyte that is not given does not count.
"""

from dataclasses import dataclass

from lowtide.planning.objective import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """Data of a job and what a gigabyte of them costs to move."""

    gigabytes: float
    home: str
    """Zone where the data are: nothing is moved there."""
    energy_kwh: float
    """Energy of the job."""
    grams_per_gb: float | None
    price_per_gb: float | None
    """In the currency of the prices."""

    def grams(self, zone: str) -> float:
        """Return the emissions of moving the data to a zone."""
        return 0.0 if zone == self.home else self.gigabytes * (self.grams_per_gb or 0.0)

    def money(self, zone: str) -> float:
        """Return the money for moving the data to a zone."""
        return 0.0 if zone == self.home else self.gigabytes * (self.price_per_gb or 0.0)

    def per_kwh(self, zone: str, objective: Objective) -> float:
        """Return what moving adds to a kilowatt-hour of the job, in the objective."""
        total = objective.per_gram * self.grams(zone)
        total += self.money(zone) if objective.needs_prices else 0.0
        return total / self.energy_kwh
