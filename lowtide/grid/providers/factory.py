"""Factory of providers from settings; the only place that knows all of them.

Clients of one host share one throttle, so that ten zones do not ask ten times as often as the
service allows.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, TypedDict, assert_never
from urllib.parse import urlsplit

from lowtide.grid.provider_settings import (
    CarbonAwareSdkSettings,
    ElectricityMapsSettings,
    EndpointSettings,
    EnergyChartsSettings,
    EntsoESettings,
    FileSettings,
    NesoSettings,
    PrometheusProviderSettings,
    ProviderSettings,
    WattTimeSettings,
)
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.base import Provider
from lowtide.grid.providers.carbon_aware_sdk import CarbonAwareSdk
from lowtide.grid.providers.electricity_maps import ElectricityMaps
from lowtide.grid.providers.energy_charts import EnergyCharts
from lowtide.grid.providers.entsoe import EntsoE
from lowtide.grid.providers.entsoe_mix import DIRECT_GRAMS_PER_KWH
from lowtide.grid.providers.file import FileProvider
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.neso import Neso
from lowtide.grid.providers.prometheus import PrometheusProvider
from lowtide.grid.providers.prometheus_queries import PrometheusQueries
from lowtide.grid.providers.throttle import Throttle
from lowtide.grid.providers.watttime import Session, WattTime
from lowtide.grid.series import Signal
from lowtide.grid.trace import Replay

TITLES: Final[Mapping[str, str]] = {
    "carbon-aware-sdk": "Carbon Aware SDK",
    "electricity-maps": "Electricity Maps",
    "energy-charts": "Energy-Charts",
    "entsoe": "ENTSO-E",
    "neso": "NESO",
    "prometheus": "Prometheus",
    "watttime": "WattTime",
}
REMARKS: Final[Mapping[str, str]] = {"entsoe": "derived"}
"""Remark beside the name in the source of a kind's series."""
CALLS_PER_MINUTE: Final[Mapping[str, int]] = {
    "entsoe": 200,  # 400 lead to a ban of ten minutes
    "watttime": 300,  # 3000 in five minutes are allowed
}
CALLS_PER_MINUTE_DEFAULT: Final = 60
BODY_MAX_BYTES: Final[Mapping[str, int]] = {"entsoe": 16 * 1024 * 1024}
BODY_MAX_BYTES_DEFAULT: Final = 8 * 1024 * 1024


class Throttles:
    """One throttle per host, made when first asked for."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_host: dict[str, Throttle] = {}

    def of(self, url: str, calls_per_minute: int) -> Throttle:
        """Return the throttle of the URL's host."""
        host = urlsplit(url).netloc
        return self._by_host.setdefault(host, Throttle(calls_per_minute, 60.0))


class _Common(TypedDict):
    """What every provider that is asked over HTTP is built with."""

    client: HttpClient
    origin: Origin
    zone_codes: Mapping[str, str]


def build_provider(
    settings: ProviderSettings,
    *,
    zone: str,
    signal: Signal,
    started: datetime,
    throttles: Throttles | None = None,
) -> Provider:
    """Return the provider that the settings describe, for one zone.

    `started` is when a replay begins that does not name a time itself. Nothing is asked or read
    yet, so an unreachable service or a missing file is not an error here.
    """
    if isinstance(settings, FileSettings):
        return _file(settings, zone, signal, started)
    common: _Common = {
        "client": client_of(settings.kind, settings, throttles or Throttles()),
        "origin": origin_of(settings, signal),
        "zone_codes": {} if settings.zone is None else {zone: settings.zone},
    }
    match settings:
        case NesoSettings():
            return Neso(**common)
        case EnergyChartsSettings():
            return EnergyCharts(**common)
        case CarbonAwareSdkSettings():
            return CarbonAwareSdk(**common)
        case ElectricityMapsSettings():
            return ElectricityMaps(
                **common,
                credential=settings.credential,
                horizon_hours=settings.horizon_hours,
                granularity=settings.temporal_granularity,
            )
        case WattTimeSettings():
            session = Session(common["client"], settings.username, settings.credential)
            return WattTime(**common, session=session, horizon_hours=settings.horizon_hours)
        case EntsoESettings():
            return EntsoE(
                **common,
                credential=settings.credential,
                factors_grams_per_kwh={**DIRECT_GRAMS_PER_KWH, **settings.factors_grams_per_kwh},
            )
        case PrometheusProviderSettings():
            return PrometheusProvider(
                **common,
                queries=PrometheusQueries(
                    client=common["client"],
                    step=timedelta(seconds=settings.step_seconds),
                    headers=settings.headers,
                    credential=settings.credential,
                ),
                query=settings.query,
                forecast_query=settings.forecast_query,
                lead_label=settings.lead_label,
                constant_possible=settings.constant_possible,
            )
    assert_never(settings)


def origin_of(settings: ProviderSettings, signal: Signal, remark: str = "") -> Origin:
    """Return what is true of every value of the provider that the settings describe."""
    zero_possible = settings.zero_possible
    return Origin(
        name=settings.kind,
        signal=signal,
        factor=settings.factor,
        zero_possible=signal is Signal.MARGINAL if zero_possible is None else zero_possible,
        remark=remark or REMARKS.get(settings.kind, ""),
    )


def client_of(
    kind: str, settings: EndpointSettings, throttles: Throttles, *, title: str = ""
) -> HttpClient:
    """Return the client of a service; those of one host share a limit."""
    return HttpClient(
        name=title or TITLES[kind],
        base_url=settings.url,
        read_seconds=settings.timeout_seconds,
        total_seconds=2 * settings.timeout_seconds,
        body_max_bytes=BODY_MAX_BYTES.get(kind, BODY_MAX_BYTES_DEFAULT),
        throttle=throttles.of(settings.url, CALLS_PER_MINUTE.get(kind, CALLS_PER_MINUTE_DEFAULT)),
    )


def _file(settings: FileSettings, zone: str, signal: Signal, started: datetime) -> FileProvider:
    replay = None
    if settings.replay is not None:
        replay = Replay(
            settings.replay.trace_start,
            settings.replay.wall_start or started,
            settings.replay.speed,
        )
    return FileProvider(
        settings.path,
        zone=zone,
        origin=origin_of(settings, signal),
        unit=settings.unit,
        times_are_utc=settings.times_are_utc,
        replay=replay,
    )
