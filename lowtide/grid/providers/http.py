"""HTTP client of all providers: one deadline, bounded bodies, few retries.

Every request has a connect and a read time-out, one deadline for all that follows from it
(`lowtide.deadlines`), a limit on the size of its answer, and at most one retry. Redirects are
followed on the same origin only, so that a credential never leaves for another host. Environment
proxies are respected, `.netrc` is not. Errors carry neither query nor headers, because an ENTSO-E
token sits in the query, and of a body only the reason that the service states (see `refusals`).
"""

import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3

import lowtide
from lowtide.deadlines import session_until
from lowtide.grid.errors import BadAnswer, GridError, RateLimited, Unauthorized, Unavailable
from lowtide.grid.providers.throttle import Throttle
from lowtide.grid.refusals import BODY_MAX_BYTES, stated_reason
from lowtide.timed_sockets import seconds_left

STAND_IN_SERVER: Final = "lowtide-grid-standin"
"""Product name in the Server header of the project's stand-in; its series are labelled as such."""

REDIRECTS_MAX: Final = 3
RETRY_AFTER_MAX_SECONDS: Final = 10.0
CHUNK_BYTES: Final = 65536
SECRET_NAME: Final = re.compile("token|key|secret|password")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A successful answer: body, and whether the project's own stand-in gave it."""

    body: bytes
    status: int
    is_stand_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpClient:
    """GET requests below one base URL."""

    name: str
    """What error messages call the service."""
    base_url: str
    """Address that every path is appended to."""
    connect_seconds: float = 5.0
    """Longest time for a connection."""
    read_seconds: float = 15.0
    """Longest silence while reading."""
    total_seconds: float = 30.0
    """Longest time for one exchange as a whole, whatever arrives."""
    body_max_bytes: int = 8 * 1024 * 1024
    """A larger answer is refused."""
    retry_pause_seconds: float = 1.0
    """Pause before the one retry, scaled by `uniform(0.5, 1.5)`."""
    throttle: Throttle = field(default_factory=Throttle.unlimited)
    """Limit on the requests to this host."""
    sleep: Callable[[float], None] = time.sleep
    """Waits; replaced in tests."""
    uniform: Callable[[float, float], float] = random.uniform
    """Draws the scale of the pause; replaced in tests."""

    def get_json(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        zone: str,
    ) -> tuple[object, bool]:
        """Return the decoded JSON of `path` and whether a stand-in answered.

        Raises:
            GridError: see `get`; `BadAnswer` also for anything that is not JSON.
        """
        answer = self.get(path, params=params, headers=headers, zone=zone)
        if answer.status == 204:
            return None, answer.is_stand_in
        if answer.body.lstrip()[:1] == b"<":
            raise BadAnswer(f"{self.name} answered zone {zone} with a web page instead of JSON")
        try:
            return json.loads(answer.body), answer.is_stand_in
        except (ValueError, RecursionError):
            problem = BadAnswer(f"{self.name} answered zone {zone} with something that is not JSON")
        raise problem

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        zone: str,
    ) -> HttpAnswer:
        """Return the answer to a GET of `path`, retried once where that can help.

        Raises:
            Unauthorized: 401 or 403, never retried.
            RateLimited: 429, even after a pause of up to 10 s; or our own limit is used up.
            Unavailable: no connection, time-out, 5xx.
            BadAnswer: another status, too large, or a redirect to another origin.
        """
        url = self.base_url.rstrip("/") + path
        try:
            return self._attempt(url, params, headers, zone)
        except (RateLimited, Unavailable) as first:
            pause = self._pause_before_retry(first)
            if pause is None:
                raise
        self.sleep(pause)
        return self._attempt(url, params, headers, zone)

    def _pause_before_retry(self, error: GridError) -> float | None:
        """Return how long to wait before the one retry, or `None` where it makes no sense.

        Time-outs are not retried: a worker thread would hang twice as long for little hope.
        Neither is 501, which says that the service will never do this.
        """
        if error.status == 501 or (error.status is None and not isinstance(error, _Disconnected)):
            return None
        jitter = self.retry_pause_seconds * self.uniform(0.5, 1.5)
        asked = error.retry_after_seconds
        if asked is None:
            return jitter
        return asked + jitter if asked <= RETRY_AFTER_MAX_SECONDS else None

    def _attempt(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        zone: str,
    ) -> HttpAnswer:
        self.throttle.take(self.name)
        problem: GridError
        try:
            return self._follow(url, params, headers, zone)
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
            problem = Unavailable(f"{self.name} did not answer in time for zone {zone}")
        except (requests.ConnectionError, urllib3.exceptions.HTTPError, OSError):
            problem = _Disconnected(f"{self.name} cannot be reached for zone {zone}")
        except requests.RequestException as error:
            problem = BadAnswer(
                f"{self.name} cannot be asked for zone {zone}: {type(error).__name__}"
            )
        # Raised here and not in the handlers: the original holds the URL with its query, and a
        # logged traceback would print it as context.
        raise problem

    def _follow(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        zone: str,
    ) -> HttpAnswer:
        give_up_at = time.monotonic() + self.total_seconds
        for _ in range(REDIRECTS_MAX + 1):
            # A session per request: a kept connection may be closed by the server just when it is
            # used again, and requests are minutes apart anyway.
            left = seconds_left(give_up_at)
            with (
                _session(give_up_at) as session,
                session.get(
                    url,
                    params=dict(params or {}),
                    headers=dict(headers or {}),
                    timeout=(min(self.connect_seconds, left), min(self.read_seconds, left)),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                if not response.is_redirect:
                    self._check_status(response, zone, _secrets(params, headers))
                    body = self._read(response, zone)
                    return HttpAnswer(body, response.status_code, _is_stand_in(response))
                target = urljoin(url, response.headers["Location"])
            if _origin(target) != _origin(url):
                raise BadAnswer(
                    f"{self.name} redirected to another host, which is not followed "
                    "(the credential would go there)"
                )
            url, params = target, None
        raise BadAnswer(f"{self.name} redirected more than {REDIRECTS_MAX} times")

    def _read(self, response: requests.Response, zone: str) -> bytes:
        parts, size = [], 0
        while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
            size += len(part)
            if size > self.body_max_bytes:
                raise BadAnswer(
                    f"{self.name} answered zone {zone} with more than {self.body_max_bytes} bytes"
                )
            parts.append(part)
        return b"".join(parts)

    def _check_status(self, response: requests.Response, zone: str, secrets: Sequence[str]) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        message = f"{self.name} answered {status} for zone {zone}"
        reason = stated_reason(_first_bytes(response), secrets=secrets)
        if reason:
            message += f": {reason}"
        if status in (401, 403):
            raise Unauthorized(message, status=status)
        if status == 429:
            raise RateLimited(message, status=status, retry_after_seconds=_retry_after(response))
        if status >= 500:
            raise Unavailable(message, status=status, retry_after_seconds=_retry_after(response))
        raise BadAnswer(message, status=status)


class _Disconnected(Unavailable):
    """No connection, or a broken one: worth one retry, unlike a time-out."""


def _secrets(
    params: Mapping[str, str] | None, headers: Mapping[str, str] | None
) -> tuple[str, ...]:
    """Return the values sent that must never be shown: headers and named parameters."""
    sent = [
        part
        for name, value in (headers or {}).items()
        if name.lower() != "accept"
        for part in (value, *value.split())
    ]
    sent += [value for name, value in (params or {}).items() if SECRET_NAME.search(name.lower())]
    return tuple(sent)


def _first_bytes(response: requests.Response) -> bytes:
    """Return the beginning of an error's body, as much as one read gives; empty where it fails."""
    try:
        return bytes(response.raw.read1(BODY_MAX_BYTES, decode_content=True))
    except (urllib3.exceptions.HTTPError, OSError):
        return b""


def _session(until: float) -> requests.Session:
    session = session_until(until)
    session.auth = _no_credentials
    session.headers["User-Agent"] = f"lowtide/{lowtide.__version__}"
    return session


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking for a password in `.netrc`."""
    return request


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts: SplitResult = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def _is_stand_in(response: requests.Response) -> bool:
    return response.headers.get("Server", "").startswith(STAND_IN_SERVER)


def _retry_after(response: requests.Response) -> float | None:
    """Return the Retry-After header in seconds (RFC 9110, section 10.2.3), if it is usable."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
