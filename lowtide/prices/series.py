"""Price series: what a kilowatt-hour costs, slot by slot, in one currency.

Unlike an intensity, a published price is final: the price of tomorrow noon is known exactly once
the day-ahead auction is over. A missing price is `None`; zero and negative prices are real.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from typing import Final, Self

from lowtide.grid.timed import SeriesError, TimedSeries

CURRENCY: Final = re.compile(r"[A-Z]{3}")
"""ISO 4217 code, such as EUR."""
LARGEST_PER_KWH: Final = 1000.0
"""A larger price, either way, is a fault of units: day-ahead markets cap far below 10 per kWh."""


class MixedCurrenciesError(SeriesError):
    """Prices of different currencies were about to meet; they are never converted."""


@dataclass(frozen=True, slots=True)
class PricePoint:
    """The price of one slot in units of the series' currency per kilowatt-hour."""

    start: datetime
    end: datetime
    per_kwh: float | None

    @property
    def value(self) -> float | None:
        """Return the price per kWh, as every series calls its values."""
        return self.per_kwh


@dataclass(frozen=True, slots=True)
class PriceSeries(TimedSeries[PricePoint]):
    """Prices per kilowatt-hour of one zone in one currency; a gap means "not known".

    Raises:
        SeriesError: as for every series, where the currency is not an ISO 4217 code, and where a
        price is not finite or beyond `LARGEST_PER_KWH`.
    """

    currency: str
    """ISO 4217 code of the currency, such as EUR."""
    fetched_at: datetime | None = None
    """When the newest of the prices were received."""

    def __post_init__(self) -> None:
        if CURRENCY.fullmatch(self.currency) is None:
            raise SeriesError(
                f"currency {self.currency[:20]!r} is not an ISO 4217 code such as EUR"
            )
        TimedSeries.__post_init__(self)

    @classmethod
    def check_value(cls, value: float, start: datetime) -> None:
        """Refuse a price that is not finite or far beyond any market's.

        Raises:
            SeriesError: it is.
        """
        if not (isfinite(value) and abs(value) <= LARGEST_PER_KWH):
            raise SeriesError(
                f"price {value} per kWh at {start.isoformat()} is not a number between "
                f"-{LARGEST_PER_KWH:g} and {LARGEST_PER_KWH:g}"
            )

    def known_until(self, moment: datetime) -> datetime:
        """Return until when prices are known without a gap from `moment` on.

        That is `moment` itself where its own slot has no price.
        """
        until = moment
        for point in self.points:
            if point.end <= until:
                continue
            if point.start > until or point.per_kwh is None:
                break
            until = point.end
        return until

    def merged(self, newer: "PriceSeries") -> Self:
        """Return this series with the prices of `newer` laid over it.

        Raises:
            MixedCurrenciesError: the two are in different currencies.
            SeriesError: they are of different zones, or the result would overlap.
        """
        require_same_currency(self, newer)
        if self.zone != newer.zone:
            raise SeriesError(f"cannot merge zone {newer.zone} into zone {self.zone}")
        return replace(self, points=self.with_points_of(newer.points))


def require_same_currency(first: PriceSeries, second: PriceSeries) -> None:
    """Refuse a pair of series in different currencies.

    Raises:
        MixedCurrenciesError: they are.
    """
    if first.currency != second.currency:
        raise MixedCurrenciesError(
            f"{first.source} is in {first.currency} and {second.source} in {second.currency}: "
            "prices are never converted; use sources of one currency"
        )
