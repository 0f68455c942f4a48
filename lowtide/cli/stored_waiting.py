"""Intensity, prices and forecasts of a report of the past, all of one zone, from Prometheus."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from lowtide.accounts.past_forecasts import history_forecasts
from lowtide.accounts.waiting import Assumptions, ForecastAt
from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError
from lowtide.cli.stored_forecasts import RecordedForecasts
from lowtide.cli.stored_usage import PodChoice, floor_of, read_intensity, read_prices, read_zone
from lowtide.energy.profile import Span
from lowtide.grid.overhead import with_overhead
from lowtide.grid.series import IntensitySeries
from lowtide.prices.series import PriceSeries

HISTORY: Final = timedelta(days=30)
"""Intensity before the report, from which the zone's own profile is made."""
GRID_STEP: Final = 900
"""Slots of the intensity in seconds: jobs are planned to the quarter hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPast:
    """What the grid did, and what was expected of it."""

    intensity: IntensitySeries | None
    """Seen intensity of the time and after it, with the data centre's overhead."""
    prices: PriceSeries | None
    """Prices of the time."""
    forecast_at: ForecastAt
    """Forecast that was known at a time."""
    forecasts: str
    """Where that comes from, in words."""
    assumed: Assumptions
    """Time, longest wait, and until when the intensity is known."""


def grid_past(
    prometheus: PrometheusApi,
    choice: PodChoice,
    *,
    zone: str | None,
    max_delay: timedelta,
    pue: float | None,
    now: datetime | None = None,
) -> GridPast:
    """Return what is stored about the grid; what is missing is told on standard error.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    until = floor_of(min(now or datetime.now(UTC), _after(choice, max_delay)), GRID_STEP)
    until = max(until, choice.window.end)
    assumed = Assumptions(window=choice.window, max_delay=max_delay, now=until)
    before = floor_of(choice.window.start - HISTORY, GRID_STEP)
    intensity, prices = None, None
    forecast_at, words = history_forecasts(None), "no forecast"
    try:
        place = zone or read_zone(prometheus, choice.window)
        whole = Span(before, floor_of(until, GRID_STEP))
        intensity = read_intensity(prometheus, place, whole, GRID_STEP)
        intensity = _with_tail(intensity, prometheus, place, choice)
        prices = read_prices(prometheus, place, choice.window, choice.step_seconds)
        recorded = RecordedForecasts(prometheus, place, choice.window)
        if recorded.hours:
            forecast_at, words = recorded.at, "with the forecasts of its time"
        else:
            forecast_at = history_forecasts(intensity)
            words = "with the zone's own profile, because no forecast was stored"
    except PrometheusApiError as error:
        click.echo(f"note: {error}", err=True)
    return GridPast(
        intensity=with_overhead(intensity, pue),
        prices=prices,
        forecast_at=forecast_at,
        forecasts=words,
        assumed=assumed,
    )


def _with_tail(
    slots: IntensitySeries | None, prometheus: PrometheusApi, zone: str, choice: PodChoice
) -> IntensitySeries | None:
    """Return the slots with the finer values of a last, unfinished one, for what ran just now."""
    end, step = choice.window.end, choice.step_seconds
    start = max(floor_of(end, GRID_STEP), choice.window.start)
    if start >= end or (slots is not None and slots.points and slots.points[-1].end > start):
        return slots
    tail = read_intensity(prometheus, zone, Span(start, end), step)
    if slots is None or tail is None or (tail.signal, tail.factor) != (slots.signal, slots.factor):
        return slots or tail
    return replace(slots, points=(*slots.points, *tail.points))


def _after(choice: PodChoice, max_delay: timedelta) -> datetime:
    """Return when every run of the time could have ended, if it had waited as long as it may."""
    return choice.window.end + max_delay + timedelta(seconds=choice.window.duration_seconds)
