"""From settings to providers; the only place that knows all of them.

Clients of one host share one throttle, so that ten zones do not ask ten times as often as the
service allows.
"""

from datetime import datetime
from typing import Final, assert_never
from urllib.parse import urlsplit

from lowtide.grid.providers.base import Provider
from lowtide.grid.providers.electricity_maps import ElectricityMaps
from lowtide.grid.providers.file import FileProvider
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.throttle import Throttle
from lowtide.grid.series import Signal
from lowtide.grid.settings import ElectricityMapsSettings, FileSettings, ProviderSettings
from lowtide.grid.trace import Replay

CALLS_PER_MINUTE: Final = {"electricity-maps": 60}
"""What is asked of a service at most, over all zones."""


class Throttles:
    """One throttle per host, made when first asked for."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_host: dict[str, Throttle] = {}

    def of(self, url: str, calls_per_minute: int) -> Throttle:
        """Return the throttle of the URL's host."""
        host = urlsplit(url).netloc
        return self._by_host.setdefault(host, Throttle(calls_per_minute, 60.0))


def build_provider(
    settings: ProviderSettings,
    *,
    zone: str,
    signal: Signal,
    started: datetime,
    throttles: Throttles | None = None,
) -> Provider:
    """Return the provider that the settings describe, for one zone.

    `started` is when a replay begins that names no time of its own. Nothing is asked or read yet,
    so an unreachable service or a missing file is no error here.
    """
    shared = throttles or Throttles()
    zero_possible = (
        settings.zero_possible if settings.zero_possible is not None else signal is Signal.MARGINAL
    )
    match settings:
        case FileSettings():
            return _file(settings, zone, signal, started, zero_possible)
        case ElectricityMapsSettings():
            return ElectricityMaps(
                client=_client("Electricity Maps", settings, shared),
                credential=settings.credential,
                zone_codes={zone: settings.zone or zone},
                horizon_hours=settings.horizon_hours,
                granularity=settings.temporal_granularity,
                factor=settings.factor,
                zero_possible=zero_possible,
            )
    assert_never(settings)


def _client(title: str, settings: ElectricityMapsSettings, throttles: Throttles) -> HttpClient:
    return HttpClient(
        name=title,
        base_url=settings.url,
        read_seconds=settings.timeout_seconds,
        total_seconds=2 * settings.timeout_seconds,
        throttle=throttles.of(settings.url, CALLS_PER_MINUTE[settings.kind]),
    )


def _file(
    settings: FileSettings, zone: str, signal: Signal, started: datetime, zero_possible: bool
) -> FileProvider:
    replay = settings.replay
    return FileProvider(
        settings.path,
        zone=zone,
        signal=signal,
        factor=settings.factor,
        unit=settings.unit,
        times_are_utc=settings.times_are_utc,
        replay=None
        if replay is None
        else Replay(replay.trace_start, replay.wall_start or started, replay.speed),
        zero_possible=zero_possible,
    )
