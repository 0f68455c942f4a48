"""Gate before the metrics page: the API server says whose token may read it.

A verdict is kept for a minute, so that a scrape costs no request. While the API server gives no
answer, one who was let in lately stays in: its outage is when the page is needed. Tokens are kept
as hashes, a limited number of them, and few are reviewed at a time.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from lowtide_operator.cluster.errors import ClusterError

LOG: Final = logging.getLogger(__name__)
FRESH_SECONDS: Final = 60.0
"""A right that is withdrawn ends after so long."""
STALE_SECONDS: Final = 600.0
"""How long a reader stays in while the API server gives no answer."""
DEADLINE_SECONDS: Final = 5.0
"""Longest wait for a verdict, its turn included; half of the usual timeout of a scrape."""
AT_ONCE: Final = 2
"""Tokens that are reviewed at the same time."""
TOKENS_MAX: Final = 256
TOKEN_MAX_LENGTH: Final = 16_384

Answer = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    status: HTTPStatus
    at: float


class MetricsGate:
    """Verdicts about tokens; `review` asks the API server, `clock` is monotonic seconds.

    Belongs to one event loop.
    """

    def __init__(
        self, review: Callable[[str], Awaitable[bool | None]], clock: Callable[[], float]
    ) -> None:
        self._review = review
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._verdicts: dict[bytes, _Verdict] = {}

    async def status_for(self, authorization: str) -> HTTPStatus:
        """Return 200 for a header that may read the page, else 401, 403, or 503 for no verdict."""
        kind, _, token = authorization.partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token or len(token) > TOKEN_MAX_LENGTH:
            return HTTPStatus.UNAUTHORIZED
        known = hashlib.sha256(token.encode(errors="replace")).digest()
        before = self._verdicts.get(known)
        if before is not None and self._clock() < before.at + FRESH_SECONDS:
            return before.status
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._places:
                allowed = await self._review(token)
        except (ClusterError, TimeoutError) as error:
            LOG.warning("a reader of the metrics page cannot be reviewed: %s", error or "no answer")
            if before is None or self._clock() >= before.at + STALE_SECONDS:
                return HTTPStatus.SERVICE_UNAVAILABLE
            return before.status
        status = HTTPStatus.OK if allowed else HTTPStatus.FORBIDDEN
        self._keep(known, HTTPStatus.UNAUTHORIZED if allowed is None else status)
        return self._verdicts[known].status

    def _keep(self, known: bytes, status: HTTPStatus) -> None:
        """Keep a verdict; of too many the oldest goes, one that lets in last."""
        self._verdicts.pop(known, None)
        if len(self._verdicts) >= TOKENS_MAX:
            refused = (k for k, v in self._verdicts.items() if v.status is not HTTPStatus.OK)
            del self._verdicts[next(refused, next(iter(self._verdicts)))]
        self._verdicts[known] = _Verdict(status, self._clock())


def behind(gate: MetricsGate, page: Answer, loop: asyncio.AbstractEventLoop) -> Answer:
    """Return a WSGI application that shows `page` to those whom the gate lets in.

    It is called in the threads of a server; the gate is asked in its own event loop.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        header = str(environ.get("HTTP_AUTHORIZATION", ""))
        asked = asyncio.run_coroutine_threadsafe(gate.status_for(header), loop)
        try:
            status = asked.result(DEADLINE_SECONDS + 1)
        except (TimeoutError, CancelledError):
            # The event loop is late or gone.
            asked.cancel()
            status = HTTPStatus.SERVICE_UNAVAILABLE
        if status is HTTPStatus.OK:
            return page(environ, start_response)
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        if status is HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", "Bearer"))
        start_response(f"{status.value} {status.phrase}", headers)
        return [f"{REASONS[status]}\n".encode()]

    return answer


REASONS: Final = {
    HTTPStatus.UNAUTHORIZED: "a bearer token that the API server knows is needed",
    HTTPStatus.FORBIDDEN: "the token's owner may not get the path /metrics: bind a ClusterRole "
    "with nonResourceURLs [/metrics] and the verb get to it",
    HTTPStatus.SERVICE_UNAVAILABLE: "the API server did not say whether the token may read this",
}
