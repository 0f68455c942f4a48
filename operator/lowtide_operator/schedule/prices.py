"""Prices of the grid zones: what was last known of each, refreshed in the background.

A failing provider changes what is known about a zone's prices, never whether the operator runs.
What was published stays valid without it, because a published price is final.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

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
    ) -> None:
        """Build the providers; `pool` has the threads that they are asked from."""
        self._settings = settings
        self._clock = clock
        self._pool = pool
        folder = settings.history_directory
        self._zones: Mapping[str, ZonePrices] = build_prices(
            settings.prices, folder=None if folder is None else folder / "prices"
        )
        self.known: dict[str, PriceState] = {}

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
