"""Power, energy, epochs and accuracy of running jobs, as Prometheus knows them now.

For live views; figures of record come from the operator, which integrates raw samples. No
user-supplied text ever reaches a query. A Prometheus that does not answer is not an error here:
the readings are then unknown, and the view says so.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import requests

from lowtide import names
from lowtide.deadlines import session_until
from lowtide.grid.series import (
    AverageSeries,
    Factor,
    IntensitySeries,
    MarginalSeries,
    Point,
    Signal,
)
from lowtide.grid.timed import SeriesError
from lowtide.report.live import LiveReading

POD_NAME: Final = re.compile(r"^(?P<job>.+)-[0-9]+(-[0-9]+)?-[a-z0-9]{5}$")
"""`<trainingjob>-<attempt>[-<index>]-<five characters>`, as the Job controller names pods."""

LATEST_TIME: Final = 253402300799.0
"""The last second of the year 9999."""
LARGEST_VALUE: Final = 1e100
"""Far above any energy; sums and percentages of such values stay finite."""
CURVE_POINTS: Final = 120
SERIES: Final[Mapping[str, type[IntensitySeries]]] = {
    Signal.AVERAGE: AverageSeries,
    Signal.MARGINAL: MarginalSeries,
}

FACTORS: Final = {str(factor): factor for factor in Factor}

Samples = tuple[Mapping[str, str], list[tuple[float, float]]]
"""Labels of a series, and its (Unix time, value) pairs."""

Key = tuple[str, str]
"""Namespace and name of a TrainingJob."""


class PrometheusApiError(Exception):
    """Prometheus gave no usable answer; the message says what it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusApi:
    """One Prometheus server."""

    url: str
    timeout_seconds: float = 5.0
    token_file: Path | None = None
    """File with a bearer token, read at every request; absent: none is sent."""
    ca_file: Path | None = None
    """File with the certificates that https is checked against; absent: those of the system."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request, such as X-Scope-OrgID for Mimir."""

    def vector(
        self, query: str, *, at: float | None = None
    ) -> list[tuple[Mapping[str, str], float]]:
        """Return labels and value of each series of an instant query, now or at a Unix time.

        Raises:
            PrometheusApiError: no answer in time, an error, or not a vector.
        """
        form = {"query": query} if at is None else {"query": query, "time": f"{at:.3f}"}
        result = self._ask("query", form)
        try:
            found = [
                (_labels(entry["metric"]), _samples([entry["value"]])) for entry in result["result"]
            ]
            return [(labels, value) for labels, samples in found for _, value in samples]
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise PrometheusApiError(
                f"Prometheus did not answer with a vector: {error!r:.200}"
            ) from error

    def matrix(self, query: str, *, start: float, end: float, step_seconds: int) -> list[Samples]:
        """Return labels and (Unix time, value) pairs of each series of a range query.

        Raises:
            PrometheusApiError: no answer in time, an error, or not a matrix.
        """
        form = {
            "query": query,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": str(step_seconds),
        }
        result = self._ask("query_range", form)
        try:
            return [
                (_labels(entry["metric"]), _samples(entry["values"])) for entry in result["result"]
            ]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise PrometheusApiError(
                f"Prometheus did not answer with a matrix: {error!r:.200}"
            ) from error

    def metric_names(self, *, start: float, end: float) -> frozenset[str]:
        """Return the names of Lowtide's metrics that have samples between two Unix times.

        Raises:
            PrometheusApiError: no answer in time, or an error.
        """
        form = {
            "match[]": '{__name__=~"(.+:)?lowtide_.+"}',
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
        }
        found = self._ask("label/__name__/values", form, method="GET")
        if not isinstance(found, list):
            raise PrometheusApiError("Prometheus did not answer with a list of names")
        return frozenset(map(str, found))

    def _ask(self, route: str, form: Mapping[str, str], *, method: str = "POST") -> Any:
        """Return the data of the answer of a route of the query API."""
        headers = dict(self.headers)
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {_token(self.token_file)}"
        if self.ca_file is not None and not self.ca_file.is_file():
            raise PrometheusApiError(f"certificate file {self.ca_file} is not there")
        try:
            with session_until(time.monotonic() + self.timeout_seconds) as session:
                answer = session.request(
                    method,
                    f"{self.url.rstrip('/')}/api/v1/{route}",
                    # Some proxies limit the length of an address, so a long query is in the body.
                    data=form if method == "POST" else None,
                    params=form if method == "GET" else None,
                    headers=headers,
                    timeout=(self.timeout_seconds, self.timeout_seconds),
                    verify=True if self.ca_file is None else str(self.ca_file),
                )
            body = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise PrometheusApiError(_refusal(self, answer.status_code)) from error
        except requests.exceptions.SSLError as error:
            raise PrometheusApiError(
                f"{self.url} shows a certificate that is not trusted: name the file of its "
                "authority with --prometheus-ca-file"
            ) from error
        except requests.exceptions.RequestException as error:
            raise PrometheusApiError(
                f"{self.url} does not answer: {type(error).__name__}"
            ) from error
        if not isinstance(body, dict) or body.get("status") != "success":
            reason = body.get("error") if isinstance(body, dict) else body
            raise PrometheusApiError(f"Prometheus refused the query: {reason!s:.200}")
        try:
            return body["data"]
        except KeyError as error:
            raise PrometheusApiError("Prometheus answered without data") from error


def readings(prometheus: PrometheusApi, *, rate_seconds: int) -> dict[Key, LiveReading]:
    """Return the latest readings of every training job that Prometheus has seen.

    Args:
        prometheus: the server to ask.
        rate_seconds: over how long power is averaged; at least four scrape intervals.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """

    def by_job(expression: str, combine: Callable[[Iterable[float]], float]) -> dict[Key, float]:
        values: dict[Key, list[float]] = {}
        for labels, value in prometheus.vector(f"sum by (namespace, pod) ({expression})"):
            pod = POD_NAME.match(labels.get("pod", ""))
            if pod and math.isfinite(value):
                values.setdefault((labels.get("namespace", ""), pod["job"]), []).append(value)
        return {key: combine(found) for key, found in values.items()}

    energy = by_job(names.METRIC_POD_ENERGY, sum)
    power = by_job(f"rate({names.METRIC_POD_ENERGY}[{rate_seconds}s])", sum)
    # A resumed job has one pod per attempt; the latest one has come furthest.
    epochs = by_job(names.METRIC_TRAINER_EPOCHS, max)
    planned = by_job(names.METRIC_TRAINER_EPOCHS_PLANNED, max)
    accuracy = by_job(names.METRIC_TRAINER_ACCURACY, max)
    return {
        key: LiveReading(
            power_watts=power.get(key),
            energy_joules=energy.get(key),
            epochs=epochs.get(key),
            epochs_planned=planned.get(key),
            accuracy_ratio=accuracy.get(key),
        )
        for key in energy.keys() | epochs.keys()
    }


def intensities(
    prometheus: PrometheusApi, *, start: datetime, end: datetime
) -> tuple[IntensitySeries, ...]:
    """Return the intensity that the operator recorded between two times.

    Zones, signals and the emissions that their factors include are curves of their own.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    step = max(1, round((end - start).total_seconds() / CURVE_POINTS))
    width = timedelta(seconds=step)
    # Counted back from the end: a curve of hours must show an operator that began a minute ago.
    # From a whole second, because Prometheus may round a fraction past the end.
    end = end.replace(microsecond=0)
    start = end - (end - start) // width * width
    # Two operators of one zone, or a restarted one, would otherwise be two curves.
    query = "max by (zone, signal, factor) (lowtide_operator_intensity_grams_per_kwh)"
    found = []
    for labels, samples in prometheus.matrix(
        query, start=start.timestamp(), end=end.timestamp(), step_seconds=step
    ):
        kind = SERIES.get(labels.get("signal", ""))
        if kind is None:
            continue
        moments = [(datetime.fromtimestamp(at, UTC), value) for at, value in samples]
        points = tuple(Point(at, at + width, value) for at, value in moments)
        try:
            found.append(
                kind(
                    zone=labels.get("zone", ""),
                    source="prometheus",
                    points=points,
                    factor=FACTORS.get(labels.get("factor", ""), Factor.UNKNOWN),
                )
            )
        except SeriesError as error:
            raise PrometheusApiError(f"Prometheus did not answer with a curve: {error}") from error
    return tuple(found)


def _labels(metric: Any) -> Mapping[str, str]:
    """Return the labels of a series.

    Raises:
        TypeError: they are not texts by name.
    """
    if not isinstance(metric, dict) or not all(isinstance(v, str) for v in metric.values()):
        raise TypeError("labels are not texts")
    return metric


def _samples(values: Any) -> list[tuple[float, float]]:
    """Return the finite samples of a series; in Prometheus, NaN stands for no value.

    Raises:
        TypeError, ValueError, OverflowError: they are not pairs of a time and a number in order.
    """
    pairs = [(float(at), float(value)) for at, value in values]
    if not all(0 <= at <= LATEST_TIME for at, _ in pairs):
        raise ValueError("a time is out of range")
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(pairs)):
        raise ValueError("times do not increase")
    finite = [(at, value) for at, value in pairs if math.isfinite(value)]
    if any(abs(value) > LARGEST_VALUE for _, value in finite):
        raise ValueError("a value is out of range")
    return finite


def _refusal(server: PrometheusApi, status: int) -> str:
    """Return a sentence for an answer that is not JSON."""
    if status in (401, 403) and server.token_file is None:
        return f"{server.url} answered {status} without JSON: give --prometheus-token-file"
    if status in (401, 403):
        return (
            f"{server.url} answered {status} without JSON: "
            f"it refuses the token in {server.token_file}"
        )
    return f"{server.url} answered {status} without JSON"


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PrometheusApiError(f"token file {path}: {error.strerror or error}") from error
