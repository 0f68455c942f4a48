"""Intensity, prices and forecasts of a zone for reports of the past, from Prometheus or a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from lowtide.accounts.past_forecasts import history_forecasts
from lowtide.accounts.waiting import Assumptions
from lowtide.accounts.zone_past import ZonePast
from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError
from lowtide.cli.stored_forecasts import RecordedForecasts
from lowtide.cli.stored_usage import PodChoice, floor_of, read_intensity, read_prices, read_zone
from lowtide.energy.profile import Span
from lowtide.grid.overhead import with_overhead
from lowtide.grid.raw_values import points_of
from lowtide.grid.series import AverageSeries, IntensitySeries
from lowtide.grid.trace import GridTrace
from lowtide.prices.series import PriceSeries

HISTORY: Final = timedelta(days=30)
"""Intensity before the report, from which the zone's own profile is made."""
GRID_STEP: Final = 900
"""Slots of the intensity in seconds: jobs are planned to the quarter hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridQuestion:
    """What a look at the past asks of the grid."""

    choice: PodChoice
    """Pods and time."""
    max_delay: timedelta
    """Longest wait that is assumed."""
    pue: float | None = None
    """Overhead of the data centre that all grams carry."""
    traces: Mapping[str, GridTrace] = field(default_factory=dict)
    """Recorded intensity by zone, which is taken instead of what the operator recorded."""
    prices: Mapping[str | None, PriceSeries] = field(default_factory=dict)
    """Prices by zone from files, which are taken instead of what the operator recorded; those of
    `None` are of every zone that has none of its own."""

    def prices_of(self, zone: str) -> PriceSeries | None:
        """Return the prices that a file gives of a zone."""
        given = self.prices.get(zone) or self.prices.get(None)
        return None if given is None else replace(given, zone=zone)


def assumptions_of(asked: GridQuestion, now: datetime | None = None) -> Assumptions:
    """Return what is assumed of every run, at a time or now."""
    choice = asked.choice
    after = choice.window.end + asked.max_delay
    after += timedelta(seconds=choice.window.duration_seconds)
    until = floor_of(min(now or datetime.now(UTC), after), GRID_STEP)
    until = max(until, choice.window.end)
    return Assumptions(window=choice.window, max_delay=asked.max_delay, now=until)


def default_zone(prometheus: PrometheusApi, asked: GridQuestion) -> str | None:
    """Return the zone of workloads that name none; told on standard error where none is known.

    It is that of the operator's settings, else the only one that has an intensity, else that of
    the only trace.
    """
    try:
        return read_zone(prometheus, asked.choice.window)
    except PrometheusApiError as error:
        if len(asked.traces) == 1:
            return next(iter(asked.traces))
        click.echo(f"note: {error}", err=True)
        return None


def zone_past(
    prometheus: PrometheusApi, asked: GridQuestion, zone: str | None, assumed: Assumptions
) -> ZonePast:
    """Return what is known about the grid of a zone; what is missing is told on standard error."""
    intensity = None
    prices = None if zone is None else asked.prices_of(zone)
    forecast_at, words = history_forecasts(None), "no forecast"
    choice = asked.choice
    before = floor_of(choice.window.start - HISTORY, GRID_STEP)
    whole = Span(before, floor_of(assumed.now, GRID_STEP))
    trace = None if zone is None else asked.traces.get(zone)
    try:
        if zone is not None and trace is not None:
            intensity = _of_trace(zone, trace, whole)
            forecast_at = history_forecasts(intensity)
            words = "with the zone's own profile, because a trace has no forecasts of its time"
        elif zone is not None:
            intensity = read_intensity(prometheus, zone, whole, GRID_STEP)
            intensity = _with_tail(intensity, prometheus, zone, choice)
            recorded = RecordedForecasts(prometheus, zone, choice.window)
            forecast_at, words = recorded.at, "with the forecasts of its time"
            if not recorded.hours:
                forecast_at = history_forecasts(intensity)
                words = "with the zone's own profile, because no forecast was stored"
        if zone is not None and prices is None:
            prices = _recorded_prices(prometheus, zone, choice, assumed)
    except PrometheusApiError as error:
        click.echo(f"note: zone {zone}: {error}", err=True)
    return ZonePast(
        zone=zone,
        intensity=with_overhead(intensity, asked.pue),
        prices=prices,
        forecast_at=forecast_at,
        forecasts=words,
    )


def _recorded_prices(
    prometheus: PrometheusApi, zone: str, choice: PodChoice, assumed: Assumptions
) -> PriceSeries | None:
    """Return the prices that the operator recorded, also of the hours that a run could wait for."""
    until = max(floor_of(assumed.now, choice.step_seconds), choice.window.end)
    return read_prices(prometheus, zone, Span(choice.window.start, until), choice.step_seconds)


def _of_trace(zone: str, trace: GridTrace, span: Span) -> IntensitySeries:
    """Return the part of a trace that a report needs; average intensity.

    Raises:
        click.ClickException: the trace says nothing about this time.
    """
    points = tuple(
        point
        for point in points_of(trace.actuals(), source=zone)
        if point.end > span.start and point.start < span.end
    )
    if not points:
        raise click.ClickException(
            f"the trace of zone {zone} says nothing about the time of the report, which ends "
            f"{span.end:%Y-%m-%d %H:%M} UTC"
        )
    series = AverageSeries(zone=zone, source="from a file", points=points)
    return replace(series, factor=trace.factor)


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
