"""A Prometheus query as a source: intensity that somebody already exports.

Past values come from a range query, so 14 days in Prometheus are enough for a profile. A forecast
can come from series that carry the lead time as a label, such as
`carbon_intensity_forecast{location="de",time="+00:30"}`. A gap in scraping stays a gap, and a
value that does not move for more than three slots is taken for an exporter that repeats its last
answer: the fourth slot and those after it are missing, unless the settings say that a constant is
possible. Series that differ only in `is_estimated`, as grid-intensity's exporter gives them, are
one series. HTTP API: https://prometheus.io/docs
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from string import Template
from typing import Final, Literal

from pydantic import BaseModel

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, NoData, NotOffered
from lowtide.grid.providers.answers import JSON, joined, parsed, spans
from lowtide.grid.providers.base import checked_actuals, checked_forecast
from lowtide.grid.providers.service import ServiceProvider
from lowtide.grid.raw_values import RawValue
from lowtide.grid.series import IntensitySeries, Point

UNCHANGED_SLOTS_MAX: Final = 3
POINTS_MAX: Final = 10_000
"""Prometheus answers a range query with at most 11,000 points."""
ESTIMATED_LABEL: Final = "is_estimated"
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
    """Label that holds the lead time."""
    constant_possible: bool = False
    """Whether a value that does not move can be true."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every query."""
    credential: Credential | None = None
    """Bearer token, where the server wants one."""

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
        return _one_series(answer.data.result, zone)

    def _get(self, path: str, zone: str, params: Mapping[str, str]) -> object:
        headers = {**self.headers, "Accept": JSON}
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


def _one_series(found: Sequence[_Range], zone: str) -> list[RawValue]:
    """Return the values of one series, which may come in two parts: estimated and final ones.

    Raises:
        BadAnswer: the series differ in anything else than `is_estimated`.
    """
    labels = [
        {name: text for name, text in one.metric.items() if name != ESTIMATED_LABEL}
        for one in found
    ]
    if any(other != labels[0] for other in labels[1:]):
        names = sorted({n for a, b in pairwise(labels) for n, _ in a.items() ^ b.items()})
        raise BadAnswer(
            f"the Prometheus query for zone {zone} matches {len(found)} series, which differ in "
            f"{', '.join(names)[:80]}: narrow it to one, or join them with "
            f"avg without ({', '.join(names)[:80]})"
        )
    values: dict[datetime, RawValue] = {}
    # Final values come last and replace estimates of the same time.
    for one in sorted(found, key=lambda one: one.metric.get(ESTIMATED_LABEL) != "true"):
        estimated = one.metric.get(ESTIMATED_LABEL) == "true"
        for value in [RawValue(_time(at), _number(text), estimated) for at, text in one.values]:
            if value.start not in values or values[value.start].estimated > estimated:
                values[value.start] = value
    return list(values.values()) if len(found) < 2 else sorted(values.values(), key=_start)


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


def _start(value: RawValue) -> datetime:
    return value.start


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
