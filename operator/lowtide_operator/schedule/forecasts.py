"""Forecasts of the grid zones: one state and one fused forecast per zone, cached.

Providers block, so zones are asked in a thread pool of their own (the default pool also resolves
names for the event loop). A failing provider changes what is known about a zone, never whether
the operator runs; the reason is in the condition ForecastAvailable of every job.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.errors import Failure
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import IntensitySeries
from lowtide.grid.zone import build_zones
from lowtide.prices.fusion import IntensityBeside
from lowtide.prices.series import PriceSeries
from lowtide.trainingjob.conditions import Reason, shortened
from lowtide.trainingjob.spec import Grid
from lowtide_operator.decision.observation import ForecastView, ZoneOutlook
from lowtide_operator.schedule.overheads import Overheads
from lowtide_operator.schedule.prices import Prices
from lowtide_operator.schedule.zones import Known, Zone
from lowtide_operator.settings import OperatorSettings

LOG: Final = logging.getLogger(__name__)
THREADS: Final = 4


class Forecasts:
    """All zones of the settings and their prices, refreshed in the background.

    `on_news`, set by the caller, is called with a zone's name when its jobs should be planned
    again.
    """

    def __init__(self, settings: OperatorSettings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._started = clock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="grid")
        self.on_news: Callable[[str], None] = lambda zone: None
        grids = build_zones(
            settings.zones, started=self._started, folder=settings.history_directory
        )
        self.prices = Prices(settings, clock=clock, pool=self._pool, intensity_of=self.beside)
        self.prices.on_news = lambda zone: self.on_news(zone)
        self._outlooks: dict[str, ZoneOutlook] = {}
        self.overheads = Overheads(self._pool)
        self.zones: Mapping[str, Zone] = {name: Zone(grid) for name, grid in grids.items()}

    async def run(self) -> None:
        """Refresh every zone again and again until cancelled."""
        async with asyncio.TaskGroup() as group:
            # Without any zone there is nothing to follow, and no reason to end.
            group.create_task(asyncio.Event().wait())
            for name, zone in self.zones.items():
                group.create_task(self._follow(name, zone))
            for name in self.prices.zones:
                group.create_task(self.prices.follow(name))

    async def _follow(self, name: str, zone: Zone) -> None:
        tries = 0
        between = timedelta(seconds=self._settings.forecast.compare_seconds)
        compare_at = self._clock()
        while True:
            await self._refresh(name, zone)
            if self._clock() >= compare_at:
                compare_at = self._clock() + between
                await self._compare(name, zone)
            tries = 0 if zone.has_provider_forecast else tries + 1
            wait = self._settings.forecast.refresh_seconds
            if tries:
                retry = self._settings.forecast.retry_seconds * 2.0 ** min(tries - 1, 16)
                wait = min(wait, retry)
            await asyncio.sleep(wait)

    async def _refresh(self, name: str, zone: Zone) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.forecast.fetch_timeout_seconds):
                news = await loop.run_in_executor(self._pool, zone.ask, self._clock())
        except TimeoutError:
            # The thread goes on and ends with its provider's own timeout.
            LOG.warning("zone %s: its providers take too long; the last state is used", name)
            return
        except Exception:
            # A fault of one provider must not stop the other zones, nor the operator.
            LOG.exception("zone %s: refreshing failed in an unforeseen way", name)
            return
        before = () if zone.known is None else zone.known.state.failures
        for failure in news.state.failures:
            if failure not in before:
                LOG.warning("zone %s: %s", name, failure.message)
        is_news = zone.learn(news)
        await self.prices.fuse(name)
        if is_news:
            self.on_news(name)

    async def _compare(self, name: str, zone: Zone) -> None:
        before = zone.provider_order
        try:
            async with asyncio.timeout(self._settings.forecast.fetch_timeout_seconds):
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._pool, zone.compare, self._clock())
        except TimeoutError:
            LOG.warning(
                "zone %s: comparing its providers takes too long; it is tried again later", name
            )
        except Exception:
            # Scores are worth having; a fault in them must not stop the forecasts.
            LOG.exception("zone %s: comparing its providers failed in an unforeseen way", name)
        if zone.provider_order != before:
            order = ", ".join(zone.provider_order)
            LOG.info(
                "zone %s: by what their forecasts would have saved, asked first: %s", name, order
            )

    def newest(self, zone: str) -> Forecast | None:
        """Return the forecast of a zone as it is now, if there is one."""
        found = self.zones.get(zone)
        return None if found is None or found.known is None else found.known.forecast

    def beside(self, zone: str) -> IntensityBeside | None:
        """Return the intensity that prices of a zone follow, if it is known."""
        found = self.zones.get(zone)
        if found is None or found.known is None or found.known.forecast is None:
            return None
        return IntensityBeside(found.known.state.actual, found.known.forecast)

    def outlook(self, zone: str | None) -> ZoneOutlook | None:
        """Return what jobs of a zone are planned by; the same object until a part of it changes."""
        forecast = None if zone is None else self.newest(zone)
        if zone is None or forecast is None:
            return None
        prices, known = self.prices.forecasts.get(zone), self._outlooks.get(zone)
        if known is None or known.forecast is not forecast or known.prices is not prices:
            known = self._outlooks[zone] = ZoneOutlook(forecast, prices)
        return known

    def view(self, grid: Grid) -> ForecastView:
        """Return what is known about the grid of a job."""
        name = grid.zone or self._settings.zone_of_unmarked_jobs
        if name is None:
            message = "neither the job nor the settings name a grid zone: it runs by policy"
            return ForecastView(status="False", reason=Reason.NO_ZONE, message=message)
        zone = self.zones.get(name)
        if zone is None:
            known = ", ".join(sorted(self.zones)) or "none"
            return _refused(
                Reason.UNKNOWN_ZONE,
                f"spec.grid.zone {name} is not in the operator's settings (known: {known})",
            )
        signal = zone.grid.signal
        if grid.signal is not None and grid.signal is not signal:
            return _refused(
                Reason.SIGNAL_MISMATCH,
                f"spec.grid.signal is {grid.signal}, zone {name} has {signal} intensity: the two "
                "are never mixed; leave spec.grid.signal out or choose another zone",
            )
        patience = timedelta(seconds=self._settings.schedule.forecast_patience_seconds)
        until = self._started + patience
        view = ForecastView(
            zone=name,
            signal=signal,
            prices=self.prices.forecasts.get(name),
            price_trouble=self.prices.trouble(name),
            prices_pending_until=until if self.prices.is_pending(name) else None,
        )
        if zone.known is None:
            return replace(view, pending_until=until)
        return _view_of(zone.known, view, from_provider=zone.has_provider_forecast)

    async def seen_between(
        self, zone: str, start: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the intensity of a zone in `[start, end)`, estimates marked, or `None`."""
        found = self.zones.get(zone)
        if found is None:
            return None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.forecast.fetch_timeout_seconds):
                return await loop.run_in_executor(
                    self._pool, found.intensity_between, start, end, self._clock()
                )
        except TimeoutError:
            LOG.warning("zone %s: its providers take too long to say what was", zone)
            return None

    def paid_between(self, zone: str, start: datetime, end: datetime) -> PriceSeries | None:
        """Return what a kilowatt-hour of a zone cost in `[start, end)`, or `None`."""
        return self.prices.paid_between(zone, start, end)

    def close(self) -> None:
        """Let the threads end; those that wait for a provider end with its timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _refused(reason: Reason, message: str) -> ForecastView:
    return ForecastView(status="False", reason=reason, message=message, fault=reason)


def _view_of(known: Known, view: ForecastView, *, from_provider: bool) -> ForecastView:
    """Return the view of a zone that was asked: which forecast is in use, or why there is none."""
    failures, forecast = known.state.failures, known.forecast
    if from_provider and not known.state.is_old:
        message = _fallback_words(failures, known.state.provider)
        return replace(
            view,
            forecast=forecast,
            status="True",
            reason=Reason.FORECAST_IN_USE,
            message=message,
        )
    reason, message = str(Reason.NO_PROVIDER), f"zone {known.state.zone} has no forecast provider"
    if failures:
        reason, message = failures[0].reason, failures[0].message
    if from_provider:
        message += "; the last forecast is used meanwhile"
    elif forecast is not None and Source.PROFILE in forecast.sources:
        message += "; planning with the zone's own profile meanwhile"
    return replace(
        view, forecast=forecast, status="False", reason=reason, message=shortened(message)
    )


def _fallback_words(failures: tuple[Failure, ...], provider: str | None) -> str:
    if not failures:
        return ""
    return shortened(f"{failures[0].message}; {provider} is used instead")
