"""Proxy between an operator and an API server that fails by seed, in every way that a network has.

A request is delayed, lost before or after its effect, sent twice, answered in part, or answered
with an error of its own. A watch is cut within a line, tells a line twice, or says that its version
is gone. What the API server does is real; once `is_honest` is set, nothing is changed any more.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

PASSED_ON = ("Content-Type", "Accept", "User-Agent")
ERRORS = {
    409: ("Conflict", "the object has been modified"),
    429: ("TooManyRequests", "too many requests"),
    500: ("InternalError", "etcdserver: request timed out"),
}
READ_FAULTS = ("delay", "lost", "unanswered", "cut", 429, 500)
WRITE_FAULTS = (*READ_FAULTS, "twice", 409)
WATCH_FAULTS = ("cut", "twice", "silent", 410)
SILENT_SECONDS = 3.0


class FaultProxy:
    """Forwards to `server`; every `1 / share`-th request fails."""

    def __init__(
        self,
        server: str,
        seed: int,
        *,
        share: float = 0.3,
        tls: SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.is_honest = False
        self.faults: Counter[str] = Counter()
        """What was done, and how often."""
        self._server, self._tls, self._headers = server, tls, dict(headers or {})
        self._dice = random.Random(seed)
        self._share = share
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen on loopback; yields the address."""
        site = web.Application(client_max_size=64 * 1024 * 1024)
        site.add_routes([web.route("*", "/{path:.*}", self._answer)])
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.1)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            self._session = session
            await runner.setup()
            place = web.TCPSite(runner, "127.0.0.1", 0)
            await place.start()
            assert place._server is not None
            port = place._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                await runner.cleanup()

    def _fault(self, choices: tuple[Any, ...]) -> Any:
        """Return what happens to a request; `None` for nothing."""
        if self.is_honest or self._dice.random() >= self._share:
            return None
        fault = self._dice.choice(choices)
        self.faults[str(fault)] += 1
        return fault

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(request, self._fault(WATCH_FAULTS))
        fault = self._fault(READ_FAULTS if request.method == "GET" else WRITE_FAULTS)
        if fault in ERRORS:
            return _error(fault)
        if fault == "delay":
            await asyncio.sleep(self._dice.uniform(0.1, 2.0))
        if fault == "lost":
            return _hang_up(request)
        status, headers, body = await self._forward(request)
        if fault == "twice":
            status, headers, body = await self._forward(request)
        if fault == "unanswered":
            return _hang_up(request)
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2] if fault == "cut" else body)
        return _hang_up(request, response) if fault == "cut" else response

    async def _forward(self, request: web.Request) -> tuple[int, dict[str, str], bytes]:
        async with self._sent(request) as answer:
            return answer.status, _passed_on(answer.headers), await answer.read()

    @asynccontextmanager
    async def _sent(self, request: web.Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Pass a request on; yields the answer."""
        assert self._session is not None
        answer = await self._session.request(
            request.method,
            URL(self._server + request.raw_path, encoded=True),
            data=await request.read() or None,
            headers={**_passed_on(request.headers), **self._headers},
            ssl=self._tls if self._tls is not None else True,
        )
        try:
            yield answer
        finally:
            answer.close()

    async def _watch(self, request: web.Request, fault: str | int | None) -> web.StreamResponse:
        async with self._sent(request) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
            await response.prepare(request)
            if fault == 410:
                gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}'
                await response.write(gone + b"\n")
                return response
            if fault == "silent":
                await asyncio.sleep(SILENT_SECONDS)
                return _hang_up(request, response)
            left = self._dice.randrange(1, 8)
            async for line in answer.content:
                left -= 1
                if fault == "cut" and left == 0:
                    await response.write(line[: len(line) // 2])
                    return _hang_up(request, response)
                await response.write(line)
                if fault == "twice":
                    await response.write(line)
            return response


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in PASSED_ON if name in headers}


def _error(code: int) -> web.Response:
    reason, message = ERRORS[code]
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    headers = {"Retry-After": "1"} if code == 429 else {}
    return web.json_response({**body, "code": code}, status=code, headers=headers)


def _hang_up(
    request: web.Request, response: web.StreamResponse | None = None
) -> web.StreamResponse:
    """Close the connection in the middle of whatever was said."""
    if request.transport is not None:
        request.transport.abort()
    return response if response is not None else web.Response(status=502)
