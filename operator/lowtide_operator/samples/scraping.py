"""Scraping of the exporters by the operator itself, for small clusters without Prometheus.

Every address of one host name (a headless Service) is an exporter, so the operator needs no right
in the cluster for it. Each exporter is asked separately, with a limit of time and bytes: one that
hangs, floods or answers nonsense harms no other. Nothing is computed here; the samples go into a
store that is read by the same code as Prometheus.
"""

import asyncio
import base64
import functools
import logging
import socket
import sqlite3
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp

from lowtide.energy.samples import Series
from lowtide.trainingjob.conditions import Reason
from lowtide_operator.bounded_body import bounded_body
from lowtide_operator.sample_settings import ScrapingSettings
from lowtide_operator.samples.exporter_page import Known, Page, PageError, parse_page
from lowtide_operator.samples.source import SamplesUnavailableError, Selector
from lowtide_operator.samples.store import SampleStore

LOG: Final = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Exporters asked at the same time."""
EXPORTERS_MAX: Final = 256
"""Addresses beyond this number are not asked: such a cluster needs Prometheus."""
PRUNE_SECONDS: Final = 600.0

_Answer = TypeVar("_Answer")


class ExportersError(SamplesUnavailableError):
    """No exporter answers, or samples cannot be kept; the message is one sentence."""

    reason = Reason.EXPORTERS_UNAVAILABLE


@dataclass(slots=True)
class ExporterState:
    """Last good page of one exporter, and its last failure."""

    pod_joules: Mapping[tuple[str, str], float] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    failure: str | None = None


class Exporters:
    """Scraper of all exporters and source of their samples; belongs to one event loop."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: ScrapingSettings,
        store: SampleStore,
        clock: Callable[[], datetime],
        resolve: Callable[[str, int], Awaitable[list[str]]] | None = None,
    ) -> None:
        assert settings.url is not None
        self._resolve = resolve or _addresses_of
        self._session = session
        self._settings = settings
        self._store = store
        self._clock = clock
        self._parts = urlsplit(settings.url)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._awake_since: datetime | None = None
        self._failure = "no exporter has been asked yet"
        self._pruned_at: float | None = None
        self.exporters: dict[str, ExporterState] = {}

    async def run(self) -> None:
        """Scrape at the interval until cancelled; a late round is not repeated."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.scrape()
            due = max(due + self._settings.scrape_interval_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def scrape(self) -> None:
        """Ask every exporter once; failures are logged when they begin and when they end."""
        try:
            addresses = await self._addresses()
        except TimeoutError:
            limit = self._settings.timeout_seconds
            self._fall_asleep(f"{self._parts.hostname} was not looked up within {limit:g} s")
            return
        except OSError as error:
            self._fall_asleep(f"{self._parts.hostname} has no address: {error}")
            return
        for gone in self.exporters.keys() - set(addresses):
            del self.exporters[gone]
        began = self._clock()
        await asyncio.gather(*(self._scrape_one(address) for address in addresses))
        failures = [state.failure for state in self.exporters.values() if state.failure is not None]
        if len(failures) == len(self.exporters):
            self._fall_asleep(failures[0] if failures else "the host name has no address")
        elif self._awake_since is None:
            self._awake_since = began
        await self._prune()

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return the stored samples of a selector in `(start, end]`.

        Raises:
            ExportersError: the store cannot be read.
        """
        return await self._stored(
            lambda: self._store.read(selector, start.timestamp(), end.timestamp())
        )

    async def started_at(self) -> datetime | None:
        """Return since when at least one exporter has answered without a break.

        Raises:
            ExportersError: no exporter answers now.
        """
        if self._awake_since is None:
            raise ExportersError(f"no exporter answers: {self._failure}")
        return self._awake_since

    async def pod_joules(self, at: datetime) -> Mapping[tuple[str, str], float]:
        """Return the joules of the pods on the last good pages, by namespace and uid."""
        joules: dict[tuple[str, str], float] = {}
        for state in self.exporters.values():
            for pod, value in state.pod_joules.items():
                joules[pod] = max(value, joules.get(pod, 0.0))
        return joules

    async def _addresses(self) -> list[str]:
        """Return every address of the host name, as `address:port`.

        Raises:
            TimeoutError: the name service does not answer in time.
            OSError: the name does not resolve.
        """
        port = self._parts.port or (443 if self._parts.scheme == "https" else 80)
        async with asyncio.timeout(self._settings.timeout_seconds):
            found = await self._resolve(self._parts.hostname or "", port)
        addresses = sorted({_authority(address, port) for address in found})
        if len(addresses) > EXPORTERS_MAX:
            LOG.warning("%d exporters: only %d are asked", len(addresses), EXPORTERS_MAX)
        return addresses[:EXPORTERS_MAX]

    async def _scrape_one(self, address: str) -> None:
        state = self.exporters.setdefault(address, ExporterState())
        try:
            async with self._places:
                text = await self._fetch(address)
                at = self._clock()
                page = await asyncio.to_thread(parse_page, text, state.known)
                await self._keep(page, address, at)
        except (ExportersError, PageError) as error:
            if state.failure is None:
                LOG.warning("exporter %s: %s", address, error)
            state.failure = str(error)
            return
        if state.failure is not None:
            LOG.info("exporter %s answers again", address)
        state.failure, state.pod_joules, state.known = None, page.pod_joules, page.known

    async def _keep(self, page: Page, address: str, at: datetime) -> None:
        await self._stored(
            lambda: self._store.add(page, instance=address, at_seconds=at.timestamp())
        )

    async def _fetch(self, address: str) -> str:
        """Return an exporter's page.

        Raises:
            ExportersError: the page does not come in time, is too large, or is not text.
        """
        limit = self._settings.timeout_seconds
        url = f"{self._parts.scheme}://{address}{self._parts.path or '/metrics'}"
        try:
            async with self._session.get(
                url,
                headers=self._headers(),
                timeout=aiohttp.ClientTimeout(total=limit),
                allow_redirects=False,
                **self._tls(),
            ) as answer:
                if answer.status != 200:
                    raise ExportersError(f"it answered {answer.status} {answer.reason}")
                return (await self._bounded(answer)).decode()
        except TimeoutError:
            raise ExportersError(f"no answer within {limit:g} s") from None
        except (aiohttp.ClientError, OSError, UnicodeDecodeError) as error:
            raise ExportersError(f"it cannot be scraped: {error}") from None

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
        if self._parts.hostname:
            headers["Host"] = self._parts.netloc
        if self._settings.credentials_file is not None:
            line = _read(self._settings.credentials_file)
            headers["Authorization"] = "Basic " + base64.b64encode(line.encode()).decode()
        return headers

    def _tls(self) -> dict[str, Any]:
        """Return the TLS options: every address shows the certificate of the host name."""
        if self._parts.scheme != "https":
            return {}
        context = _trusted(self._settings.ca_file, _changed_at(self._settings.ca_file))
        return {"ssl": context, "server_hostname": self._parts.hostname}

    async def _bounded(self, answer: aiohttp.ClientResponse) -> bytes:
        limit = self._settings.maximum_body_bytes
        body = await bounded_body(answer, limit)
        if body is None:
            raise ExportersError(
                f"its page is larger than {limit} bytes: raise exporters.maximumBodyBytes if that "
                "is right"
            )
        return body

    def _fall_asleep(self, failure: str) -> None:
        if self._awake_since is not None or failure != self._failure:
            LOG.warning("no exporter answers: %s", failure)
        self._awake_since, self._failure = None, failure

    async def _prune(self) -> None:
        now = self._clock().astimezone(UTC).timestamp()
        if self._pruned_at is not None and now < self._pruned_at + PRUNE_SECONDS:
            return
        self._pruned_at = now
        try:
            await self._stored(lambda: self._store.prune(now))
        except ExportersError as error:
            LOG.warning("old samples are not removed: %s", error)

    async def _stored(self, action: Callable[[], _Answer]) -> _Answer:
        """Run an action on the store in a thread: a disk may be slow."""
        try:
            return await asyncio.to_thread(action)
        except sqlite3.Error as error:
            raise ExportersError(f"samples cannot be kept or read: {error}") from None


async def _addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host name.

    Raises:
        OSError: the name has no address.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[4][0]) for place in found]


@functools.lru_cache(maxsize=1)
def _trusted(authority: Path | None, _changed_at_ns: int) -> ssl.SSLContext:
    """Return the authority for certificates, made once for each version of the file.

    A new one for every scrape would prevent connections from being reused.
    """
    return ssl.create_default_context(cafile=None if authority is None else str(authority))


def _changed_at(file: Path | None) -> int:
    """Return when a file was changed, in nanoseconds; 0 without a file.

    Raises:
        OSError: the file does not exist.
    """
    return 0 if file is None else file.stat().st_mtime_ns


def _authority(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _read(path: Path) -> str:
    """Return the line of a credentials file; read each time, because Secrets change in place.

    Raises:
        ExportersError: the file cannot be read, or holds no `user:password`.
    """
    try:
        line = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ExportersError(f"exporters.credentialsFile {path}: {error.strerror}") from None
    if ":" not in line:
        raise ExportersError(f"exporters.credentialsFile {path} must hold `user:password`")
    return line
