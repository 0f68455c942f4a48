"""Options that name a file of each zone, such as `--trace DE=de.csv`."""

from pathlib import Path

import click

from lowtide.backtest.price_files import read_prices
from lowtide.planning.errors import BacktestError
from lowtide.prices.series import PriceSeries


def zone_file(option: str, text: str) -> tuple[str, Path]:
    """Return zone and file of ZONE=FILE.

    Raises:
        click.UsageError: there is no zone, or no such file.
    """
    zone, mark, name = text.partition("=")
    if not zone or not mark or not Path(name).is_file():
        raise click.UsageError(f"{option} {text}: give ZONE=FILE with a file that exists")
    return zone, Path(name)


def price_file(text: str) -> tuple[str | None, PriceSeries]:
    """Return zone and prices of ZONE=FILE, or of FILE; without a zone they are of every zone.

    Raises:
        click.UsageError: there is no such file.
        click.ClickException: it holds no prices.
    """
    zone, path = (None, Path(text)) if Path(text).is_file() else zone_file("--prices", text)
    try:
        return zone, read_prices(path)
    except (BacktestError, OSError) as error:
        raise click.ClickException(str(error)) from error
