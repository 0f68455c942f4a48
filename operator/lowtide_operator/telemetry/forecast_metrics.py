"""Metrics of the forecasts in use: what was expected, kept by Prometheus for those who ask later.

With them it can be said afterwards what a plan of that time could have known. Labels are bounded:
the hours ahead are `HOURS_AHEAD`, counted from the present hour of the clock, which is 0.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from lowtide import names
from lowtide.grid.forecast import Forecast
from lowtide_operator.schedule.zones import Zone

HOURS_AHEAD: Final = 72
_LABELS: Final = ("zone", "signal", "factor", "ahead_hours")


def forecast_families(
    zones: Mapping[str, Zone], now: datetime, default_zone: str | None
) -> Iterator[Metric]:
    """Yield the families about the forecasts of all zones, and which zone is the default.

    An hour that is not known has no sample.
    """
    default = GaugeMetricFamily(
        names.METRIC_DEFAULT_ZONE,
        "Always 1; the zone of jobs that name none, and of all pods in the recording rules",
        labels=["zone"],
    )
    if default_zone is not None:
        default.add_metric([default_zone], 1)
    expected = GaugeMetricFamily(
        names.METRIC_FORECAST,
        "Intensity that plans expect, mean of the hour that begins this many hours after the "
        "present hour",
        labels=_LABELS,
    )
    spread = GaugeMetricFamily(
        names.METRIC_FORECAST_SPREAD,
        "One standard deviation of the error of that expectation",
        labels=_LABELS,
    )
    for name, zone in zones.items():
        forecast = None if zone.known is None else zone.known.forecast
        if forecast is None:
            continue
        labels = [name, str(forecast.signal), str(forecast.factor)]
        for ahead, (value, error) in enumerate(hourly(forecast, now)):
            expected.add_metric([*labels, str(ahead)], value)
            spread.add_metric([*labels, str(ahead)], error)
    yield from (default, expected, spread)


def hourly(forecast: Forecast, now: datetime) -> Iterator[tuple[float, float]]:
    """Yield mean intensity and spread of each hour from the present one on, as far as it is known.

    Of the present hour only the slots that the forecast holds count.
    """
    step = timedelta(seconds=forecast.slot_seconds)
    first = now.replace(minute=0, second=0, microsecond=0)
    for ahead in range(HOURS_AHEAD):
        start = first + timedelta(hours=ahead)
        end = start + timedelta(hours=1)
        low = max(0, (start - forecast.start) // step)
        high = min(len(forecast.grams_per_kwh), -((forecast.start - end) // step))
        if high <= low or (ahead and forecast.end < end):
            return
        count = high - low
        yield (
            sum(forecast.grams_per_kwh[low:high]) / count,
            sum(forecast.spread_grams_per_kwh[low:high]) / count,
        )
