"""The grid as the operator knows it: one forecast and the seen intensity per zone, cached.

Providers block, so they are asked in threads of their own pool (the default pool also resolves
names for the event loop). A failing provider changes what is known about a zone, never whether
the operator runs: the last forecast is kept for a bounded time, then there is none, and the
reason is in the condition ForecastAvailable of every job.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.errors import GridError, NotOffered
from lowtide.grid.fusion import HISTORY_DAYS, fuse
from lowtide.grid.providers.base import Provider
from lowtide.grid.providers.factory import Throttles, build_provider
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.grid.settings import ZoneSettings
from lowtide.planning.types import Forecast, Source
from lowtide.trainingjob.spec import Grid
from lowtide_operator.conditions import Reason, shortened
from lowtide_operator.observation import ForecastView
from lowtide_operator.settings import Settings

LOG: Final = logging.getLogger(__name__)
THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class ZoneNews:
    """What one fetch of a zone brought; `reason` and `message` say why there is no forecast."""

    forecast: IntensitySeries | None
    actual: IntensitySeries | None
    reason: str = ""
    message: str = ""


class Zone:
    """One zone: its providers in order of preference, and what they have said so far."""

    def __init__(self, name: str, settings: ZoneSettings, providers: tuple[Provider, ...]) -> None:
        self.name = name
        self.settings = settings
        self._providers = providers
        self.seen: IntensitySeries | None = None
        self.forecast: Forecast | None = None
        self.provider_series: IntensitySeries | None = None
        self.fetched_at: datetime | None = None
        self.reason: str = Reason.FORECAST_PENDING
        self.message = ""
        self.failures = 0

    @property
    def signal(self) -> Signal:
        """What the zone's intensity describes."""
        return self.settings.signal

    @property
    def has_provider_forecast(self) -> bool:
        """Whether a provider's forecast is in use."""
        return self.forecast is not None and Source.PROVIDER in self.forecast.sources

    @property
    def forecast_made_at(self) -> datetime | None:
        """When the forecast in use was made, or fetched where its provider does not say."""
        series = self.provider_series
        return None if series is None else series.generated_at or series.fetched_at

    def intensity_at(self, moment: datetime) -> float | None:
        """Return the intensity now, seen or else expected, in g/kWh."""
        for series in (self.seen, self.provider_series):
            value = None if series is None else series.at(moment)
            if value is not None:
                return value
        return None

    def ask(self, now: datetime) -> ZoneNews:
        """Return what the providers say now; blocks, for a worker thread."""
        reason, message = str(Reason.NO_PROVIDER), f"zone {self.name} has no forecast provider"
        forecast = None
        for provider in self._providers:
            try:
                forecast = provider.forecast(self.name, now)
                break
            except NotOffered:
                continue
            except GridError as error:
                if reason == Reason.NO_PROVIDER:
                    reason, message = error.reason, str(error)
        since = now - timedelta(days=HISTORY_DAYS) if self.seen is None else now - _OVERLAP
        return ZoneNews(forecast, self._actual(since, now), reason, message)

    def between(self, start: datetime, end: datetime) -> IntensitySeries | None:
        """Return the intensity seen in `[start, end)`, asked anew; blocks, for a worker thread."""
        fresh = self._actual(start, end)
        if self.seen is None:
            return fresh
        return self.seen if fresh is None else self.seen.merged(fresh)

    def _actual(self, start: datetime, end: datetime) -> IntensitySeries | None:
        for provider in self._providers:
            try:
                return provider.actuals(self.name, start, end)
            except GridError as error:
                if not isinstance(error, NotOffered):
                    LOG.warning("zone %s: %s", self.name, error)
        return None

    def learn(self, news: ZoneNews, now: datetime) -> bool:
        """Take the news in; return whether jobs of this zone should be planned again."""
        if news.actual is not None:
            self.seen = news.actual if self.seen is None else self.seen.merged(news.actual)
        changed = self.fetched_at is None or (news.forecast is None) != (self.failures > 0)
        if news.forecast is not None:
            changed |= news.forecast.generated_at != getattr(
                self.provider_series, "generated_at", None
            )
            self.provider_series = news.forecast
            self.failures = 0
            self.reason, self.message = str(Reason.FORECAST_IN_USE), ""
        else:
            self.failures += 1
            self.reason, self.message = news.reason, news.message
        self.fetched_at = now
        return changed


_OVERLAP: Final = timedelta(hours=48)
"""Newest actual values are corrected for a day or two, so they are asked for again."""


class Forecasts:
    """All zones of the settings, fetched in the background.

    `on_news`, set by the caller, is called with a zone's name when its jobs should be planned
    again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.on_news: Callable[[str], None] = lambda zone: None
        self._started = clock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="grid")
        throttles = Throttles()
        self.zones: Mapping[str, Zone] = {
            name: Zone(
                name,
                zone,
                tuple(
                    build_provider(
                        provider,
                        zone=name,
                        signal=zone.signal,
                        started=self._started,
                        throttles=throttles,
                    )
                    for provider in zone.providers
                ),
            )
            for name, zone in settings.zones.items()
        }

    async def run(self) -> None:
        """Fetch every zone again and again until cancelled."""
        async with asyncio.TaskGroup() as group:
            # Without any zone there is nothing to follow, and still no reason to end.
            group.create_task(asyncio.Event().wait())
            for zone in self.zones.values():
                group.create_task(self._follow(zone))

    async def _follow(self, zone: Zone) -> None:
        limits = self._settings.forecast
        while True:
            await self.refresh(zone)
            wait = limits.refresh_seconds
            if zone.failures:
                wait = min(wait, limits.retry_seconds * 2.0 ** min(zone.failures - 1, 16))
            await asyncio.sleep(wait)

    async def refresh(self, zone: Zone) -> None:
        """Fetch one zone now."""
        now = self._clock()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.forecast.fetch_timeout_seconds):
                news = await loop.run_in_executor(self._pool, zone.ask, now)
        except TimeoutError:
            news = ZoneNews(None, None, "Unavailable", f"the providers of zone {zone.name} hang")
        except Exception:
            # A fault in one provider must not stop the others, nor the operator.
            LOG.exception("zone %s: a provider failed in an unforeseen way", zone.name)
            news = ZoneNews(None, None, "GridError", f"a provider of zone {zone.name} failed")
        if news.forecast is None and news.message:
            LOG.warning("zone %s: %s", zone.name, news.message)
        if zone.learn(news, now):
            self.on_news(zone.name)
        self._fuse(zone)

    def _fuse(self, zone: Zone) -> None:
        now = self._clock()
        provider = zone.provider_series
        if provider is not None and provider.fetched_at is not None:
            age = (now - provider.fetched_at).total_seconds()
            if age > self._settings.forecast.maximum_age_seconds:
                provider = None
        zone.forecast = fuse(
            now,
            zone.seen,
            provider,
            generated_at=None if provider is None else provider.generated_at,
            slots_per_day=zone.settings.slots_per_day,
        )

    def view(self, grid: Grid) -> ForecastView:
        """Return what is known about the grid of a job."""
        name = grid.zone or self._settings.zone_of_unmarked_jobs
        if name is None:
            message = "neither the job nor the settings name a grid zone: it runs by policy"
            return ForecastView(status="False", reason=Reason.NO_ZONE, message=message)
        zone = self.zones.get(name)
        if zone is None:
            known = ", ".join(sorted(self.zones)) or "none"
            message = f"spec.grid.zone {name} is not in the operator's settings (known: {known})"
            return ForecastView(
                status="False",
                reason=Reason.UNKNOWN_ZONE,
                message=message,
                fault=Reason.UNKNOWN_ZONE,
            )
        if grid.signal is not None and grid.signal is not zone.signal:
            message = (
                f"spec.grid.signal is {grid.signal}, zone {name} has {zone.signal} intensity: "
                "the two are never mixed; leave spec.grid.signal out or choose another zone"
            )
            return ForecastView(
                zone=name,
                status="False",
                reason=Reason.SIGNAL_MISMATCH,
                message=message,
                fault=Reason.SIGNAL_MISMATCH,
            )
        return self._view_of(zone)

    def _view_of(self, zone: Zone) -> ForecastView:
        view = ForecastView(zone=zone.name, signal=zone.signal)
        if zone.fetched_at is None:
            patience = timedelta(seconds=self._settings.schedule.forecast_patience_seconds)
            return replace(view, pending_until=self._started + patience)
        forecast = zone.forecast
        from_provider = zone.has_provider_forecast
        if zone.failures == 0 and from_provider:
            return replace(view, forecast=forecast, status="True", reason=Reason.FORECAST_IN_USE)
        message = zone.message
        if from_provider:
            message += "; the last forecast is used meanwhile"
        elif forecast is not None and Source.PROFILE in forecast.sources:
            message += "; planning with the zone's own profile meanwhile"
        return replace(
            view, forecast=forecast, status="False", reason=zone.reason, message=shortened(message)
        )

    async def seen_between(
        self, zone: str, start: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the intensity seen in a zone in `[start, end)`, or `None` if there is none."""
        found = self.zones.get(zone)
        if found is None:
            return None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.forecast.fetch_timeout_seconds):
                return await loop.run_in_executor(self._pool, found.between, start, end)
        except TimeoutError:
            return found.seen

    def close(self) -> None:
        """Let the threads end; those that wait for a provider end with its timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)
