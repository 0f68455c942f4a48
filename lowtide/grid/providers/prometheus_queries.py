"""Queries to a Prometheus server: values on slots, whatever they mean.

HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/. The value at the beginning of
a slot counts for the slot; take means in the query itself. Series that differ only in
`is_estimated`, as grid-intensity's exporter gives them, are one series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from string import Template
from typing import Final, Literal

from pydantic import BaseModel

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer
from lowtide.grid.providers.answers import JSON, joined, parsed, spans
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.raw_values import RawValue

POINTS_MAX: Final = 10_000
"""Prometheus answers a range query with at most 11,000 points."""
ESTIMATED_LABEL: Final = "is_estimated"


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
class PrometheusQueries:
    """One Prometheus server, asked about zones.

    In a query, `$zone` stands for the zone's code, escaped for a label value in double quotes.
    """

    client: HttpClient
    step: timedelta
    """Length of a slot."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every query."""
    credential: Credential | None = None
    """Bearer token, where the server wants one."""

    def over(
        self, query: str, zone: str, code: str, start: datetime, end: datetime
    ) -> list[RawValue]:
        """Return the query's value at the beginning of every slot that overlaps `[start, end)`.

        Raises:
            GridError: as for every exchange; `BadAnswer` where it matches more than one series.
        """
        begin = floor(start, self.step)
        return joined(
            self._range(filled(query, code), zone, first, last)
            for first, last in spans(begin, end, POINTS_MAX * self.step)
        )

    def at(
        self, query: str, zone: str, code: str, moment: datetime
    ) -> list[tuple[Mapping[str, str], float | None]]:
        """Return labels and value of every series of the query at `moment`.

        Raises:
            GridError: as for every exchange.
        """
        params = {"query": filled(query, code), "time": str(moment.timestamp())}
        content = self._get("/api/v1/query", zone, params)
        answer = parsed(_InstantAnswer, content, source=self.client.name, zone=zone)
        return [(one.metric, _number(one.value[1])) for one in answer.data.result]

    def _range(self, query: str, zone: str, start: datetime, end: datetime) -> list[RawValue]:
        params = {
            "query": query,
            "start": str(start.timestamp()),
            "end": str((end - timedelta(seconds=1)).timestamp()),
            "step": str(self.step.total_seconds()),
        }
        content = self._get("/api/v1/query_range", zone, params)
        answer = parsed(_RangeAnswer, content, source=self.client.name, zone=zone)
        return _one_series(answer.data.result, zone)

    def _get(self, path: str, zone: str, params: Mapping[str, str]) -> object:
        headers = {**self.headers, "Accept": JSON}
        if self.credential is not None:
            headers["Authorization"] = f"Bearer {self.credential.read()}"
        content, _ = self.client.get_json(path, params=params, headers=headers, zone=zone)
        return content


def filled(query: str, code: str) -> str:
    """Return the query with the zone's code, which cannot leave its label value."""
    escaped = code.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return Template(query).safe_substitute(zone=escaped)


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the beginning of the slot that contains `moment`."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (moment - epoch) // step * step


def _one_series(found: Sequence[_Range], zone: str) -> list[RawValue]:
    """Return the values of one series, which may come in two parts: estimated and final ones.

    Raises:
        BadAnswer: the series differ in anything but `is_estimated`.
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


def _start(value: RawValue) -> datetime:
    return value.start


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadAnswer("Prometheus sent a malformed time") from None


def _number(text: str) -> float | None:
    """Return a sample's value; `NaN` (also a staleness marker) is missing."""
    try:
        return float(text)
    except ValueError:
        return None
