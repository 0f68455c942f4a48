"""A supplier's tariff: one price at all times, or prices by hour and day of a local clock.

Hours of a tariff are those of the clock on the wall, so they move with summer time: a day of 23 or
25 hours has fewer or more of them, and none is lost. A tariff is known for all times. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from lowtide.prices.series import PricePoint, PriceSeries

HOUR: Final = timedelta(hours=1)
QUARTER: Final = timedelta(minutes=15)
MIDNIGHT: Final = time(0)
ALL_DAYS: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class TariffPeriod:
    """A price for some hours of some days.

    A period that ends no later than it starts spans midnight. `days` are those on which it begins,
    Monday is 0.
    """

    per_kwh: float
    start: time = MIDNIGHT
    end: time = MIDNIGHT
    days: frozenset[int] = ALL_DAYS

    def holds(self, local: datetime) -> bool:
        """Return whether the price is that of a moment of the local clock."""
        clock, day = local.time(), local.weekday()
        if self.start < self.end:
            return self.start <= clock < self.end and day in self.days
        evening = clock >= self.start and day in self.days
        morning = clock < self.end and (day - 1) % 7 in self.days
        return evening or morning


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices per kWh: the first period that holds counts, else the base price."""

    base_per_kwh: float
    """Price outside of all periods."""
    currency: str
    """ISO 4217 code."""
    periods: Sequence[TariffPeriod] = ()
    """In the order in which they are tried."""
    clock: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    """Whose clock the periods go by."""

    def per_kwh(self, moment: datetime) -> float:
        """Return the price at a moment."""
        local = moment.astimezone(self.clock)
        return next((one.per_kwh for one in self.periods if one.holds(local)), self.base_per_kwh)

    def series(self, zone: str, source: str, start: datetime, end: datetime) -> PriceSeries:
        """Return the prices of `[start, end)` on slots of an hour, or of a quarter where needed."""
        points = tuple(
            PricePoint(slot, slot + step, self.per_kwh(slot))
            for step in [self._step(start, end)]
            for slot in _slots(start, end, step)
        )
        return PriceSeries(zone, source, points, self.currency)

    def _step(self, start: datetime, end: datetime) -> timedelta:
        edges = [edge for one in self.periods for edge in (one.start, one.end)]
        offsets = [moment.astimezone(self.clock).utcoffset() for moment in (start, end)]
        whole = all(edge.minute == 0 for edge in edges)
        whole = whole and all(
            offset is not None and offset % HOUR == timedelta(0) for offset in offsets
        )
        return HOUR if whole or not edges else QUARTER


def _slots(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    begin = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while begin < end:
        yield begin
        begin += step
