"""A Prometheus query as a source: intensity that somebody already exports.

Past values come from a range query, so 14 days in Prometheus are enough for a profile. A forecast
can come from series that carry the lead time as a label, such as
`carbon_intensity_forecast{location="de",time="+00:30"}`. A gap in scraping stays a gap, and a
value that does not move for more than three slots is taken for an exporter that repeats its last
answer: the fourth slot and those after it are missing. HTTP API: https://prometheus.io/docs
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from string import Template
from typing import Final, Literal

from pydantic import BaseModel

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, NotOffered
from lowtide.grid.providers.answers import JSON, joined, parsed, spans
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue
from lowtide.grid.series import IntensitySeries, Point

UNCHANGED_SLOTS_MAX: Final = 3
POINTS_MAX: Final = 10_000
"""Prometheus answers a range query with at most 11,000 points."""
LEAD: Final = re.compile(r"\+?(\d{1,3}):([0-5]\d)")


class _Range(BaseModel):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Instant(BaseModel):
    metric: dict[str, str]
    value: tuple[float, str]


class _Matrix(BaseModel):
    result: list[_Range]


class _Vector(BaseModel):
    result: list[_Instant]


class _RangeAnswer(BaseModel):
    status: Literal["success"]
    data: _Matrix


class _InstantAnswer(BaseModel):
    status: Literal["success"]
    data: _Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusProvider(ServiceProvider):
    """Provider for one Prometheus server.

    In `query` and `forecast_query`, `$zone` stands for the zone's code, escaped for a label value
    in double quotes. The value at the beginning of a slot counts for the slot; take means in the
    query itself.
    """

    query: str
    step: timedelta
    forecast_query: str | None = None
    lead_label: str = "time"
    credential: Credential | None = None

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        """Return the forecast series by their lead time, counted from the slot of `now`.

        Raises:
            NotOffered: no forecast query is configured.
        """
        if self.forecast_query is None:
            raise NotOffered("no forecast query is configured for Prometheus")
        params = {
            "query": self._filled(self.forecast_query, zone),
            "time": str(now.timestamp()),
        }
        answer = parsed(
            _InstantAnswer,
            self._get("/api/v1/query", zone, params),
            source=self.client.name,
            zone=zone,
        )
        begin = _floor(now, self.step)
        # A vector has no order of its own, so sorting hides nothing here.
        readings = sorted(
            (
                RawValue(begin + self._lead(one.metric), _number(one.value[1]))
                for one in answer.data.result
            ),
            key=lambda reading: reading.start,
        )
        series = self.origin.series(zone, readings, step=self.step, fetched_at=now)
        return checked_forecast(series, now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        """Return the query's values at the beginning of every slot."""
        query = self._filled(self.query, zone)
        begin = _floor(start, self.step)
        readings = joined(
            self._range(query, zone, first, last)
            for first, last in spans(begin, end, POINTS_MAX * self.step)
        )
        series = self.origin.series(zone, readings, step=self.step)
        moving = replace(series, points=without_repetition(series.points))
        return checked_actuals(moving, start, end)

    def _range(self, query: str, zone: str, start: datetime, end: datetime) -> list[RawValue]:
        params = {
            "query": query,
            "start": str(start.timestamp()),
            "end": str((end - timedelta(seconds=1)).timestamp()),
            "step": str(self.step.total_seconds()),
        }
        answer = parsed(
            _RangeAnswer,
            self._get("/api/v1/query_range", zone, params),
            source=self.client.name,
            zone=zone,
        )
        if len(answer.data.result) > 1:
            raise BadAnswer(
                f"the Prometheus query for zone {zone} matches {len(answer.data.result)} series: "
                "narrow it to one"
            )
        values = answer.data.result[0].values if answer.data.result else []
        return [RawValue(_time(seconds), _number(text)) for seconds, text in values]

    def _get(self, path: str, zone: str, params: Mapping[str, str]) -> object:
        headers = {"Accept": JSON}
        if self.credential is not None:
            headers["Authorization"] = f"Bearer {self.credential.read()}"
        content, _ = self.client.get_json(path, params=params, headers=headers, zone=zone)
        return content

    def _filled(self, query: str, zone: str) -> str:
        code = self.code_of(zone)
        escaped = code.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return Template(query).safe_substitute(zone=escaped)

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


def _floor(moment: datetime, step: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (moment - epoch) // step * step


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadAnswer("Prometheus sent a time that is none") from None


def _number(text: str) -> float | None:
    """Return a sample's value; `NaN` (also a staleness marker) is missing."""
    try:
        return float(text)
    except ValueError:
        return None
