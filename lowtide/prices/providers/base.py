"""Interface of a source of prices, whatever its protocol.

A provider turns foreign answers into one series of prices per kWh in the zone's currency, and
nothing else: it does not cache, does not choose between sources and reads no clock.
"""

from datetime import datetime
from typing import Protocol

from lowtide.grid.errors import BadAnswer, NoData
from lowtide.prices.series import PriceSeries


class PriceProvider(Protocol):
    """One source of prices. Calls block; use them from worker threads."""

    @property
    def name(self) -> str:
        """The provider's name for people and metrics, for example `energy-charts`."""
        ...

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return the prices that are published for the slots that overlap `[start, end)`.

        The end may lie in the future: whatever is known of it is returned.

        Raises:
            GridError: no price could be had; the subclass says why.
        """
        ...


def checked_prices(prices: PriceSeries, start: datetime, end: datetime) -> PriceSeries:
    """Return the prices that overlap `[start, end)`.

    Raises:
        NoData: no price is known among them.
    """
    asked = prices.between(start, end)
    if all(point.per_kwh is None for point in asked.points):
        raise NoData(f"{prices.source} has no price for zone {prices.zone} at this time")
    return asked


def require_currency(found: str, wanted: str, *, source: str, zone: str) -> None:
    """Refuse prices in a currency other than the zone's.

    Raises:
        BadAnswer: they are.
    """
    if found != wanted:
        raise BadAnswer(
            f"{source} has prices in {found[:20]!r} for zone {zone}, whose currency is {wanted}: "
            "prices are never converted"
        )
