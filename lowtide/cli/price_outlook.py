"""Price forecasts on the command line, from a file of published prices.

A replay of the past sees what a day-ahead market had published by then: at noon (UTC) the prices
of the next day. Otherwise everything in the file counts as published.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from lowtide.backtest.price_files import read_prices
from lowtide.backtest.pricing import PUBLICATION_HOUR
from lowtide.planning.errors import BacktestError
from lowtide.prices.forecast import PriceForecast
from lowtide.prices.fusion import IntensityBeside, forecast_prices


def prices_at(
    path: Path | None,
    now: datetime,
    intensity: IntensityBeside | None,
    *,
    replayed: bool,
    utc: bool,
) -> PriceForecast | None:
    """Return the prices in a file as they were known at `now`, on the slots of the intensity.

    `utc` says that times without an offset are UTC. `None` without a file, without an intensity,
    and where the file says nothing about the time.
    """
    if path is None or intensity is None:
        return None
    try:
        prices = read_prices(path, times_are_utc=utc)
    except (BacktestError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if replayed:
        until = published_until(now)
        prices = replace(prices, points=tuple(p for p in prices.points if p.start < until))
    forecast = intensity.forecast
    slots = round(24 / forecast.slot_hours) if forecast.hours_per_slot else None
    return forecast_prices(now, prices, slots_per_day=slots, intensity=intensity)


def published_until(now: datetime) -> datetime:
    """Return the end of the day-ahead prices known at a time."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=2 if now.astimezone(UTC).hour >= PUBLICATION_HOUR else 1)
