"""Fees and taxes on top of a market price, for the price really paid per kilowatt-hour."""

from dataclasses import dataclass, replace
from math import isfinite

from lowtide.prices.forecast import PriceForecast
from lowtide.prices.series import PricePoint, PriceSeries


@dataclass(frozen=True, slots=True)
class Surcharge:
    """Price paid = (market price + `per_kwh`) * (1 + `tax_ratio`).

    Raises:
        ValueError: the surcharge is not finite, or the tax ratio is negative.
    """

    per_kwh: float = 0.0
    """Grid fees, levies and taxes per kilowatt-hour, in the currency of the prices."""
    tax_ratio: float = 0.0
    """Tax on the sum, such as 0.19."""

    def __post_init__(self) -> None:
        if not isfinite(self.per_kwh):
            raise ValueError(f"the surcharge {self.per_kwh} per kWh is not a finite number")
        if not 0 <= self.tax_ratio < 10:
            raise ValueError(f"the tax ratio {self.tax_ratio} is not between 0 and 10")

    def paid(self, per_kwh: float) -> float:
        """Return what is paid for a kilowatt-hour at a market price; it may be negative."""
        return (per_kwh + self.per_kwh) * (1 + self.tax_ratio)

    def on_series(self, prices: PriceSeries) -> PriceSeries:
        """Return the series with the price paid instead of market prices."""
        points = tuple(
            PricePoint(p.start, p.end, None if p.per_kwh is None else self.paid(p.per_kwh))
            for p in prices.points
        )
        return replace(prices, points=points)

    def on_forecast(self, forecast: PriceForecast) -> PriceForecast:
        """Return the forecast of the price paid; errors grow by the tax and not by the fees."""
        week = forecast.with_week
        return replace(
            forecast,
            price_per_kwh=tuple(self.paid(value) for value in forecast.price_per_kwh),
            spread_per_kwh=tuple(value * (1 + self.tax_ratio) for value in forecast.spread_per_kwh),
            per_gram=None
            if forecast.per_gram is None
            else tuple(value * (1 + self.tax_ratio) for value in forecast.per_gram),
            with_week=None if week is None else self.on_forecast(week),
        )
