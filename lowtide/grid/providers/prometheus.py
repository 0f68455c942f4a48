"""A Prometheus query as a source: intensity that an exporter already gives.

Past values come from a range query, so 14 days in Prometheus are enough for a profile. A forecast
can come from series that carry the lead time as a label, such as
`carbon_intensity_forecast{location="de",time="+00:30"}`. A gap in scraping stays a gap, and a
value that does not move for more than three slots is taken for an exporter that repeats its last
answer: the fourth slot and those after it are missing, unless the settings say that a constant is
possible.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.errors import BadAnswer, NoData, NotOffered
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.prometheus_queries import PrometheusQueries, floor
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue
from lowtide.grid.series import IntensitySeries, Point

UNCHANGED_SLOTS_MAX: Final = 3
LEAD: Final = re.compile(r"\+?(\d{1,3}):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusProvider(ServiceProvider):
    """Provider for one Prometheus server; in queries, `$zone` stands for the zone's code."""

    queries: PrometheusQueries
    query: str
    """PromQL of one series of intensity."""
    forecast_query: str | None = None
    """PromQL of one series per lead time."""
    lead_label: str = "time"
    """Label that holds the lead time."""
    constant_possible: bool = False
    """Whether a value that does not move can be true."""

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return the forecast series by their lead time, counted from the slot of `now`.

        Raises:
            NotOffered: no forecast query is configured.
        """
        if self.forecast_query is None:
            raise NotOffered("no forecast query is configured for Prometheus")
        begin = floor(now, self.queries.step)
        found = self.queries.at(self.forecast_query, zone, self.code_of(zone), now)
        # A vector has no order of its own, so sorting hides nothing here.
        values = sorted(
            (RawValue(begin + self._lead(metric), value) for metric, value in found),
            key=lambda value: value.start,
        )
        series = self.origin.series(zone, values, step=self.queries.step, fetched_at=now)
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the query's values at the beginning of every slot."""
        values = self.queries.over(self.query, zone, self.code_of(zone), start, end)
        series = self.origin.series(zone, values, step=self.queries.step)
        if not self.constant_possible:
            moving = replace(series, points=without_repetition(series.points))
            self._refuse_standstill(zone, series.between(start, end), moving.between(start, end))
            series = moving
        return checked_actuals(series, start, end)

    def _refuse_standstill(self, zone: str, seen: IntensitySeries, moving: IntensitySeries) -> None:
        """Raise `NoData` where all that is known has stood still for too long."""
        known = [p.grams_per_kwh for p in seen.points if p.grams_per_kwh is not None]
        if known and all(point.grams_per_kwh is None for point in moving.points):
            raise NoData(
                f"{self.client.name} has one constant value for zone {zone}, {known[-1]:g} g/kWh "
                f"in each of {len(known)} slots, as an exporter that repeats its last answer "
                "would: set constantPossible if it is true"
            )

    def _lead(self, metric: Mapping[str, str]) -> timedelta:
        text = metric.get(self.lead_label, "")
        match = LEAD.fullmatch(text)
        if match is None:
            raise BadAnswer(
                f"the Prometheus forecast has {self.lead_label}={text[:20]!r}, not a lead time "
                "such as +00:30"
            )
        return timedelta(hours=int(match[1]), minutes=int(match[2]))


def without_repetition(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points with everything missing that repeats one value for too long."""
    kept: list[Point] = []
    unchanged, last = 0, None
    for point in points:
        value = point.grams_per_kwh
        unchanged = unchanged + 1 if value is not None and value == last else 1
        last = value
        suspect = unchanged > UNCHANGED_SLOTS_MAX
        kept.append(replace(point, grams_per_kwh=None) if suspect else point)
    return tuple(kept)
