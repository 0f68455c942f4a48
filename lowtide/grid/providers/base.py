"""Interface of a source of carbon intensity, whatever its protocol.

A provider turns foreign answers into series of one signal and one zone, and nothing else: it does
not cache, does not choose between sources, does not fill gaps and reads no clock. Whatever a
provider returns has passed `checked_forecast` or `checked_actuals`, so callers may rely on it:
every value is finite and plausible or missing, and at least one is known.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from lowtide.grid.errors import NoData, StaleAnswer
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.units import format_duration, format_time_column

FORECAST_MAX_AGE: Final = timedelta(hours=24)
"""A forecast that was generated longer ago is dropped: the weather it assumed is over."""

SeriesT = TypeVar("SeriesT", bound=IntensitySeries)


class Provider(Protocol):
    """One source of carbon intensity. Calls block; use them from worker threads.

    Implementations are safe to call from several threads at once.
    """

    @property
    def name(self) -> str:
        """The provider's name for people and metrics, for example `electricity-maps`."""
        ...

    @property
    def signal(self) -> Signal:
        """What the provider's values describe."""
        ...

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return expected intensity from the slot that contains `now` onwards, g/kWh.

        Raises:
            NotOffered: this provider has no forecasts.
            GridError: it has, and could not give one; the subclass says why.
        """
        ...

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return what is known of the intensity in the slots that overlap `[start, end)`, g/kWh.

        Values that may still change are marked `estimated`. Callers pass an `end` that is not in
        the future, which a replayed trace would otherwise reveal.

        Raises:
            NotOffered: this provider has no actual values.
            GridError: it has, and could not give any; the subclass says why.
        """
        ...


def checked_forecast(series: SeriesT, now: datetime) -> SeriesT:
    """Return `series` without the slots that are over at `now`.

    Raises:
        StaleAnswer: it was generated more than `FORECAST_MAX_AGE` before `now`, or ends before it.
        NoData: no value is known.
    """
    made = series.generated_at
    if made is not None and now - made > FORECAST_MAX_AGE:
        age = format_duration((now - made).total_seconds())
        raise StaleAnswer(
            f"the forecast of {series.source} for zone {series.zone} was made {age} ago; "
            f"it is not used after {format_duration(FORECAST_MAX_AGE.total_seconds())}"
        )
    if series.points and series.points[-1].end <= now:
        raise StaleAnswer(
            f"the forecast of {series.source} for zone {series.zone} ended at "
            f"{format_time_column(series.points[-1].end)}, before now"
        )
    ahead = replace(series, points=tuple(point for point in series.points if point.end > now))
    _require_value(ahead, "forecast")
    return ahead


def checked_actuals(series: SeriesT, start: datetime, end: datetime) -> SeriesT:
    """Return the points of `series` that overlap `[start, end)`.

    Raises:
        NoData: no value is known among them.
    """
    asked = series.between(start, end)
    _require_value(asked, "intensity")
    return asked


def _require_value(series: IntensitySeries, what: str) -> None:
    if all(point.grams_per_kwh is None for point in series.points):
        raise NoData(
            f"{series.source} has no usable {what} for zone {series.zone}: "
            f"{len(series.points)} points, all of them missing, zero or negative"
            if series.points
            else f"{series.source} has no {what} for zone {series.zone} at this time"
        )
