"""Everything known about one zone's prices, kept up to date.

A published price is final, so what was received once stays valid: after an outage the prices that
are already known carry on to their end, and the forecast takes over there. Providers are asked in
the settings' order; the first one whose prices reach the present counts. `refresh` asks the
network (from a worker thread); the rest is pure.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from lowtide.grid.errors import Failure, GridError
from lowtide.grid.fusion import HORIZON_DAYS
from lowtide.grid.pauses import FailurePauses
from lowtide.grid.providers.factory import Throttles
from lowtide.prices.book import PriceBook
from lowtide.prices.forecast import PriceForecast
from lowtide.prices.fusion import IntensityBeside, forecast_prices
from lowtide.prices.providers.base import PriceProvider
from lowtide.prices.providers.factory import build_price_provider
from lowtide.prices.series import PriceSeries
from lowtide.prices.settings import ZonePriceSettings
from lowtide.prices.surcharge import Surcharge

PAST_DAYS: Final = 57
"""Days asked for at first: eight weeks for the course of the week, and one for a late start."""
OVERLAP: Final = timedelta(days=1)
"""Time that is asked for again, so that a day published in parts becomes whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceState:
    """What is known of a zone's prices at one moment."""

    zone: str
    """Lowtide's name of the zone."""
    currency: str
    """ISO 4217 code."""
    market: PriceSeries | None
    """Published prices, without fees and taxes; `None` where none is known."""
    provider: str | None
    """Label of the provider that published them."""
    failures: tuple[Failure, ...]
    """Providers that could not answer, preferred first."""
    surcharge: Surcharge
    """Fees and taxes on top."""
    slots_per_day: int | None = None
    """Slots that make a day of the data; `None`: those of 24 hours."""

    def forecast(
        self, now: datetime, *, intensity: IntensityBeside | None = None
    ) -> PriceForecast | None:
        """Return what a kilowatt-hour costs from `now` on, fees and taxes included.

        Give the zone's intensity to plan by both: prices are put on its slots, and what is not
        published follows it. `None`: no price is known at all.
        """
        if self.market is None:
            return None
        forecast = forecast_prices(
            now,
            self.market,
            slots_per_day=self.slots_per_day,
            intensity=intensity,
        )
        return None if forecast is None else self.surcharge.on_forecast(forecast)

    def paid_between(self, start: datetime, end: datetime) -> PriceSeries | None:
        """Return what a kilowatt-hour cost in `[start, end)`, fees and taxes included."""
        return (
            None
            if self.market is None
            else self.surcharge.on_series(self.market.between(start, end))
        )


@dataclass(frozen=True, slots=True)
class PriceSource:
    """A provider in a zone's chain, with its label and how long an answer is reused."""

    label: str
    provider: PriceProvider
    refresh: timedelta


class ZonePrices:
    """One zone's providers and what they published; safe to use from several threads."""

    def __init__(
        self,
        zone: str,
        currency: str,
        sources: Sequence[PriceSource],
        *,
        book: PriceBook,
        surcharge: Surcharge | None = None,
        slots_per_day: int | None = None,
    ) -> None:
        """Join the parts; the sources are in order of preference."""
        self.zone = zone
        self.currency = currency
        self.sources = tuple(sources)
        self._book = book
        self._surcharge = surcharge or Surcharge()
        self._slots_per_day = slots_per_day
        self._asked_at: dict[str, datetime] = {}
        self._pauses = {one.label: FailurePauses(one.refresh) for one in sources}
        self._lock = threading.Lock()

    def refresh(self, now: datetime) -> PriceState:
        """Return the state at `now`, after asking for whatever is due. Raises nothing of its own.

        Providers that fail are named in the state; what they published before stays in use.
        """
        failures: list[Failure] = []
        fallback: tuple[str, PriceSeries] | None = None
        with self._lock:
            for source in self.sources:
                try:
                    self._ask_if_due(source, now)
                except GridError as error:
                    failures.append(Failure(source.label, error.reason, str(error)))
                known = self._book.of(self.zone, source.label, self.currency)
                if known is not None and known.at(now) is not None:
                    return self._state(source.label, known, failures)
                if fallback is None and known is not None:
                    fallback = source.label, known
        label, known = fallback or (None, None)
        return self._state(label, known, failures)

    def _ask_if_due(self, source: PriceSource, now: datetime) -> None:
        known = self._book.of(self.zone, source.label, self.currency)
        asked = self._asked_at.get(source.label)
        if asked is None and known is not None:
            asked = known.fetched_at
        if asked is not None and timedelta(0) <= now - asked < source.refresh:
            return
        pauses = self._pauses[source.label]
        pauses.raise_if_paused(self.zone, now)
        start = now - PAST_DAYS * self._day(known)
        if known is not None and known.points and known.points[0].start <= start + OVERLAP:
            start = max(start, min(now, known.known_until(start + OVERLAP)) - OVERLAP)
        end = now + HORIZON_DAYS * timedelta(days=1)
        try:
            fresh = source.provider.published(self.zone, start, end)
        except GridError as error:
            pauses.begin(self.zone, now, error)
            raise
        self._asked_at[source.label] = now
        self._book.add(source.label, _fetched(fresh, now))

    def _day(self, known: PriceSeries | None) -> timedelta:
        """Return the length of the data's day: 24 h, or less in an accelerated replay."""
        if self._slots_per_day is None or known is None or not known.points:
            return timedelta(days=1)
        return self._slots_per_day * (known.points[0].end - known.points[0].start)

    def _state(
        self, label: str | None, market: PriceSeries | None, failures: Sequence[Failure]
    ) -> PriceState:
        return PriceState(
            zone=self.zone,
            currency=self.currency,
            market=market,
            provider=label,
            failures=tuple(failures),
            surcharge=self._surcharge,
            slots_per_day=self._slots_per_day,
        )


def _fetched(prices: PriceSeries, now: datetime) -> PriceSeries:
    return PriceSeries(prices.zone, prices.source, prices.points, prices.currency, fetched_at=now)


def build_prices(
    zones: Mapping[str, ZonePriceSettings],
    *,
    folder: Path | None = None,
    throttles: Throttles | None = None,
) -> dict[str, ZonePrices]:
    """Return the prices of the zones that the settings describe.

    `folder` keeps what was published over restarts; without it prices last as long as the process.
    `throttles` is shared with the providers of intensity, so that a host has one limit. Nothing is
    asked yet.
    """
    shared = throttles or Throttles()
    book = PriceBook(folder)
    return {
        zone: ZonePrices(
            zone,
            settings.currency,
            _sources(zone, settings, shared),
            book=book,
            surcharge=settings.surcharge,
            slots_per_day=settings.slots_per_day,
        )
        for zone, settings in zones.items()
    }


def _sources(zone: str, settings: ZonePriceSettings, throttles: Throttles) -> list[PriceSource]:
    """Return the providers in order; the second one of a kind is called `kind-2`, and so on."""
    sources: list[PriceSource] = []
    for one in settings.providers:
        provider = build_price_provider(
            one, zone=zone, currency=settings.currency, throttles=throttles
        )
        same = sum(source.provider.name == provider.name for source in sources)
        label = provider.name if same == 0 else f"{provider.name}-{same + 1}"
        sources.append(PriceSource(label, provider, timedelta(seconds=one.refresh_seconds)))
    return sources
