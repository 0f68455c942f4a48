"""Prices that need no network: a CSV file, or the tariff of a contract."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from lowtide.grid.watched_file import WatchedFile
from lowtide.prices.files import read_prices
from lowtide.prices.providers.base import checked_prices, require_currency
from lowtide.prices.series import PriceSeries
from lowtide.prices.tariff import Tariff


class FilePrices:
    """Provider for one CSV file; see `lowtide.prices.files` for its columns."""

    def __init__(
        self, path: Path, *, zone: str, currency: str, times_are_utc: bool = False
    ) -> None:
        """Remember where the file is; it is read at the first question, so it may come later."""

        def read(lines: Iterable[str]) -> PriceSeries:
            return read_prices(
                lines, zone=zone, source=f"file ({path.name})", times_are_utc=times_are_utc
            )

        self.currency = currency
        self._file = WatchedFile(path, read, "file of prices")

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics; its series name the file too."""
        return "file"

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return the prices of the file."""
        prices = self._file.content()
        require_currency(prices.currency, self.currency, source=prices.source, zone=zone)
        return checked_prices(prices, start, end)


class TariffPrices:
    """Provider for a tariff, which is known for all times."""

    def __init__(self, tariff: Tariff) -> None:
        """Take the tariff of the settings."""
        self._tariff = tariff

    @property
    def name(self) -> str:
        """The provider's kind in settings and metrics."""
        return "tariff"

    def published(self, zone: str, start: datetime, end: datetime) -> PriceSeries:
        """Return the tariff's prices."""
        return self._tariff.series(zone, self.name, start, end)
