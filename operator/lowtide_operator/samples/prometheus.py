"""Raw samples from Prometheus, with the times at which they were stored.

Only an instant query with a range selector returns the samples themselves; a range query returns
values carried forward to its steps. Answers are bounded.
"""

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from lowtide import names
from lowtide.energy.samples import Series, StoredSample
from lowtide.grid.refusals import BODY_MAX_BYTES, stated_reason
from lowtide.trainingjob.conditions import Reason
from lowtide.units import parse_timestamp
from lowtide_operator.bounded_body import bounded_body
from lowtide_operator.sample_settings import PrometheusSettings
from lowtide_operator.samples.exporter_page import COUNTERS
from lowtide_operator.samples.source import (
    SamplesUnavailableError,
    Selector,
    TooManySamplesError,
)

JOULES_SO_FAR: Final = (
    "sum by (namespace, pod_uid) "
    "(max by (namespace, pod_uid, container, component, part, method, quality) ({}))"
)
"""Joules of every pod: one of several replicas (max), all components of a pod (sum)."""
TOO_MUCH: Final = 422
"""Status of an answer to a query that is understood and cannot be carried out: too many samples."""

NOTHING_SAID: Final = frozenset({"unauthorized", "forbidden", "401 unauthorized", "403 forbidden"})
"""Words of a refusal that say no more than its status."""


_Labels = tuple[tuple[str, str], ...]


class PrometheusError(SamplesUnavailableError):
    """Prometheus gave no usable answer; the message is one sentence."""

    reason = Reason.PROMETHEUS_UNAVAILABLE


class Prometheus:
    """Queries against one Prometheus; the session belongs to the caller."""

    def __init__(self, session: aiohttp.ClientSession, settings: PrometheusSettings) -> None:
        self._session = session
        self._settings = settings
        self._trusted: ssl.SSLContext | None = None

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return the raw samples of `selector` that were stored in `(start, end]`.

        Long ranges are fetched in chunks; a sample on a seam counts once.

        Raises:
            PrometheusError: there is no usable answer.
        """
        found: defaultdict[_Labels, dict[float, float]] = defaultdict(dict)
        for first, last in _chunks(start, end, self._settings.chunk_seconds):
            # A selector may or may not include its left edge (Prometheus 3 or 2), so chunks
            # overlap by a second and equal times are one sample.
            seconds = int((last - first).total_seconds()) + 1
            body = await self._query(f"{self._of_exporters(selector).promql}[{seconds}s]", last)
            # A thread, because an answer may hold ten thousands of samples.
            is_steady = selector.metric not in COUNTERS
            for labels, values in await asyncio.to_thread(_series_in, body, is_steady=is_steady):
                found[labels].update(values)
        return await asyncio.to_thread(_sorted_series, found)

    async def pod_joules(self, at: datetime) -> Mapping[tuple[str, str], float]:
        """Return the joules that pods have used so far, by namespace and uid, with one query.

        Raises:
            PrometheusError: there is no usable answer.
        """
        everything = self._of_exporters(Selector(names.METRIC_POD_ENERGY)).promql
        body = await self._query(JOULES_SO_FAR.format(everything), at)
        return await asyncio.to_thread(_joules_in, body)

    async def started_at(self) -> datetime | None:
        """Return when this Prometheus began to run; `None` if it does not say.

        Raises:
            PrometheusError: it does not answer.
        """
        _, body = await self._ask("GET", "/api/v1/status/runtimeinfo")
        try:
            return parse_timestamp(json.loads(body)["data"]["startTime"])
        except (KeyError, TypeError, ValueError):
            return None

    def _of_exporters(self, selector: Selector) -> Selector:
        """Return the selector for targets that are exporters, as far as the settings name them."""
        return replace(selector, equal={**self._settings.exporter_labels, **selector.equal})

    async def _query(self, query: str, at: datetime) -> bytes:
        """Return the body of a good answer.

        Raises:
            PrometheusError: there is none.
            TooManySamplesError: it would be too large.
        """
        form = {"query": query, "time": f"{at.timestamp():.3f}"}
        status, body = await self._ask("POST", "/api/v1/query", form)
        if status == TOO_MUCH:
            raise TooManySamplesError(f"Prometheus answered {status}: {_reason_in(body)}")
        if status != 200:
            raise PrometheusError(f"Prometheus answered {status}: {_reason_in(body)}")
        return body

    async def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the body of an answer.

        Raises:
            PrometheusError: there is none in time, it is too large, or access is refused.
        """
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        headers = self._headers()
        sent = headers.get("Authorization", "").split()
        try:
            async with self._session.request(
                method,
                f"{self._settings.url}{path}",
                data=form,
                headers=headers,
                ssl=self._authority(),
                timeout=timeout,
                # A redirect could carry the token to another host.
                allow_redirects=False,
            ) as answer:
                if answer.status in (401, 403):
                    said = stated_reason(await answer.content.read(BODY_MAX_BYTES), secrets=sent)
                    raise PrometheusError(self._refusal(answer.status, said))
                return answer.status, await self._bounded(answer)
        except TimeoutError:
            raise PrometheusError(
                f"Prometheus gave no answer within {self._settings.timeout_seconds:g} s"
            ) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise PrometheusError(
                "the certificate of Prometheus is not trusted: name the file of its authority in "
                f"prometheus.caFile ({error.certificate_error})"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise PrometheusError(f"Prometheus cannot be reached: {error}") from None

    def _headers(self) -> dict[str, str]:
        """Return headers and token; a Secret's file is read each time, because it is replaced."""
        headers = dict(self._settings.headers)
        if self._settings.token_file is None:
            return headers
        try:
            token = self._settings.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise PrometheusError(
                f"prometheus.tokenFile {self._settings.token_file} cannot be read: {reason}"
            ) from None
        return {**headers, "Authorization": f"Bearer {token}"}

    def _authority(self) -> ssl.SSLContext | bool:
        """Return the authority for certificates: the named file, else the system's own."""
        if self._settings.ca_file is None:
            return True
        if self._trusted is None:
            try:
                self._trusted = ssl.create_default_context(cafile=str(self._settings.ca_file))
            except OSError as error:
                raise PrometheusError(
                    f"prometheus.caFile {self._settings.ca_file} cannot be used: "
                    f"{error.strerror or error}"
                ) from None
        return self._trusted

    def _refusal(self, status: int, said: str) -> str:
        token = self._settings.token_file
        advice = "name the file of a token in prometheus.tokenFile"
        if token is not None:
            advice = f"it refuses the token in {token}"
        elif said and said.lower() not in NOTHING_SAID:
            advice = f"{said} (a tenant or another header goes into prometheus.headers)"
        return f"Prometheus answered {status}: {advice}"

    async def _bounded(self, answer: aiohttp.ClientResponse) -> bytes:
        limit = self._settings.maximum_body_bytes
        body = await bounded_body(answer, limit)
        if body is None:
            raise TooManySamplesError(
                f"Prometheus' answer is larger than {limit} bytes: raise "
                "prometheus.maximumBodyBytes if that is right"
            )
        return body


def _chunks(
    start: datetime, end: datetime, longest_seconds: float
) -> Iterator[tuple[datetime, datetime]]:
    step = timedelta(seconds=longest_seconds)
    first = start
    while first < end:
        last = min(first + step, end)
        yield first, last
        first = last


@contextmanager
def _understood() -> Iterator[None]:
    """Read a part of an answer.

    Raises:
        PrometheusError: the part does not have the form that Prometheus documents.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise PrometheusError(
            f"Prometheus answered with series of an unknown form: {str(error)[:200]!r}"
        ) from None


def _result(body: bytes) -> list[Any]:
    try:
        document = json.loads(body)
        if document["status"] == "success":
            result: list[Any] = document["data"]["result"]
            if isinstance(result, list):
                return result
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise PrometheusError(f"Prometheus answered 200: {_reason_in(body)}")


def _reason_in(body: bytes) -> str:
    """Return the words of an unsuccessful answer."""
    try:
        document = json.loads(body)
        reason = f"{document.get('errorType', 'error')}: {document.get('error', '')}"
    except (AttributeError, ValueError):
        reason = "the answer is not that of a Prometheus"
    return " ".join(reason.split())[:300]


def _series_in(body: bytes, *, is_steady: bool) -> list[tuple[_Labels, dict[float, float]]]:
    """Return labels and values of the series of an answer.

    Of a steady value, a gauge that says the same for days, only the changes are kept.
    """
    found = []
    for series in _result(body):
        with _understood():
            labels = tuple(sorted(series["metric"].items()))
            values = [(float(at), float(value)) for at, value in series["values"]]
            if is_steady:
                pairs = zip([None, *values], values, strict=False)
                values = [new for old, new in pairs if old is None or old[1] != new[1]]
            found.append((labels, dict(values)))
    return found


def _sorted_series(found: Mapping[_Labels, Mapping[float, float]]) -> tuple[Series, ...]:
    return tuple(
        Series(dict(labels), tuple(StoredSample(at, samples[at]) for at in sorted(samples)))
        for labels, samples in found.items()
    )


def _joules_in(body: bytes) -> dict[tuple[str, str], float]:
    values = {}
    for series in _result(body):
        with _understood():
            labels = series["metric"]
            pod = labels.get("namespace", ""), labels.get("pod_uid", "")
            values[pod] = float(series["value"][1])
    return values
