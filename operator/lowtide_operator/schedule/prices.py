"""Prices of the grid zones: what was last known of each, and the forecast that plans use.

They are refreshed in the background, and fused on the slots of the zone's intensity forecast. A
failing provider changes what is known about a zone's prices, never whether the operator runs.
What was published stays valid without it, because a published price is final.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from lowtide.prices.forecast import PriceForecast
from lowtide.prices.fusion import IntensityBeside
from lowtide.prices.series import PriceSeries
from lowtide.prices.zone import PriceState, ZonePrices, build_prices
from lowtide_operator.settings import OperatorSettings

LOG: Final = logging.getLogger(__name__)


class Prices:
    """Prices of all zones of the settings that have some."""

    def __init__(
        self,
        settings: OperatorSettings,
        *,
        clock: Callable[[], datetime],
        pool: ThreadPoolExecutor,
        intensity_of: Callable[[str], IntensityBeside | None],
    ) -> None:
        """Build the providers; `pool` has the threads that they are asked from.

        `intensity_of` returns the newest intensity of a zone, which prices go beside.
        """
        self._settings = settings
        self._clock = clock
        self._pool = pool
        folder = settings.history_directory
        self._zones: Mapping[str, ZonePrices] = build_prices(
            settings.prices, folder=None if folder is None else folder / "prices"
        )
        self._intensity_of = intensity_of
        self.known: dict[str, PriceState] = {}
        self.forecasts: dict[str, PriceForecast] = {}
        self.on_news: Callable[[str], None] = lambda zone: None

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones that have prices, by name."""
        return tuple(self._zones)

    async def follow(self, zone: str) -> None:
        """Refresh one zone again and again until cancelled; providers keep their own pace."""
        while True:
            await self.refresh(zone)
            await asyncio.sleep(self._settings.forecast.refresh_seconds)

    async def refresh(self, zone: str) -> None:
        """Ask for whatever is due, and remember what is known then."""
        loop = asyncio.get_running_loop()
        told = self._told(zone)
        try:
            async with asyncio.timeout(self._settings.forecast.fetch_timeout_seconds):
                state = await loop.run_in_executor(
                    self._pool, self._zones[zone].refresh, self._clock()
                )
        except TimeoutError:
            LOG.warning("prices of zone %s: the providers take too long; the last ones stay", zone)
            return
        except Exception:
            # A fault of one provider must not stop the other zones, nor the operator.
            LOG.exception("prices of zone %s: refreshing failed in an unforeseen way", zone)
            return
        before = self.known.get(zone)
        for failure in state.failures:
            if before is None or failure not in before.failures:
                LOG.warning("prices of zone %s: %s", zone, failure.message)
        self.known[zone] = state
        await self.fuse(zone)
        if told != self._told(zone):
            self.on_news(zone)

    async def fuse(self, zone: str) -> None:
        """Make the zone's price forecast anew, as its slots and those of the intensity go on."""
        state = self.known.get(zone)
        if state is None:
            return
        loop = asyncio.get_running_loop()
        try:
            fused = await loop.run_in_executor(
                self._pool, _fused, state, self._intensity_of(zone), self._clock()
            )
        except Exception:
            # Prices that cannot be forecast count as unknown; plans go on by carbon alone.
            LOG.exception("prices of zone %s: no forecast can be made of them", zone)
            fused = None
        if fused is None:
            self.forecasts.pop(zone, None)
        elif self.forecasts.get(zone) != fused:
            self.forecasts[zone] = fused

    def trouble(self, zone: str) -> str | None:
        """Return why there is no price forecast of a zone, `None` where there is one."""
        if zone in self.forecasts:
            return None
        if zone not in self._zones:
            return f"zone {zone} has no prices in the operator's settings"
        state = self.known.get(zone)
        if state is None:
            return f"the prices of zone {zone} are not known yet"
        return state.failures[0].message if state.failures else f"no price of {zone} is published"

    def is_pending(self, zone: str) -> bool:
        """Return whether a zone's providers have never answered, well or badly."""
        return zone in self._zones and zone not in self.known

    def paid_between(self, zone: str, start: datetime, end: datetime) -> PriceSeries | None:
        """Return what a kilowatt-hour cost in `[start, end)`, fees and taxes included."""
        state = self.known.get(zone)
        return None if state is None else state.paid_between(start, end)

    def _told(self, zone: str) -> tuple[object, ...]:
        """Return what plans depend on, besides the passing of time."""
        forecast, state = self.forecasts.get(zone), self.known.get(zone)
        return (
            None if forecast is None else (forecast.source, forecast.published_until),
            state is None,
            self.trouble(zone),
        )


def _fused(
    state: PriceState, intensity: IntensityBeside | None, now: datetime
) -> PriceForecast | None:
    """Return the price forecast of a zone, on the slots of its intensity where those are known."""
    return state.forecast(now, intensity=intensity)
