"""HTTP server of /metrics, /healthz and /readyz.

A scrape renders the present snapshot and asks no device. The text of a tick is rendered once and
kept, so a storm of scrapes costs one rendering. There are `_CONNECTIONS_MAX` places; when all are
taken, a new connection takes the place of the oldest: a proper client is done in milliseconds, so
the oldest is one that drips, and no number of such connections keeps a probe or a scrape out.
"""

import contextlib
import errno
import gzip
import hmac
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from lowtide_exporter.page.collector import SnapshotCollector
from lowtide_exporter.page.exposition import TextWriter
from lowtide_exporter.page.secrets import Credentials, RenewedFile, load_certificate
from lowtide_exporter.page.snapshot import Snapshot
from lowtide_exporter.settings import ExporterSettings

_log = logging.getLogger(__name__)

_CONNECTIONS_MAX: Final = 32
_IDLE_SECONDS: Final = 15.0
_DROP_SECONDS: Final = 1.0
"""A thread whose connection was hung up ends in less."""
_KEPT_MAX_SECONDS: Final = 5.0
_NO_SUCH_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class Renderer:
    """Renders what `take` returns, at most once per tick and format.

    A page must not look current once ticks have stopped: after `_KEPT_MAX_SECONDS` it is rendered
    anew, with ages that have grown.
    """

    def __init__(
        self,
        take: Callable[[], Snapshot],
        tick: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = take
        self._tick = tick
        self._clock = clock
        self._registry = CollectorRegistry()
        self._registry.register(SnapshotCollector(take))
        self._writer = TextWriter()
        self._lock = threading.Lock()
        self._kept: dict[tuple[bool, bool], tuple[int, float, bytes]] = {}

    def render(self, accept: str, names: list[str], compress: bool) -> tuple[str, bytes]:
        """Return content type and body in the format that `accept` asks for.

        `names` restricts the page to these metrics, as the client library's own server does; an
        empty list means all.
        """
        encoder, content_type = choose_encoder(accept)
        if names:
            body = encoder(self._registry.restricted_registry(names))
            return content_type, gzip.compress(body, 1) if compress else body
        openmetrics = content_type.startswith("application/openmetrics-text")
        with self._lock:
            tick, now = self._tick(), self._clock()
            kept = self._kept.get((openmetrics, compress))
            if kept is None or kept[0] != tick or now - kept[1] > _KEPT_MAX_SECONDS:
                body = self._writer.write(self._take(), openmetrics=openmetrics)
                kept = (tick, now, gzip.compress(body, 1) if compress else body)
                self._kept[openmetrics, compress] = kept
        return content_type, kept[2]


class ExporterServer(ThreadingHTTPServer):
    """Serves one node's metrics."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, settings: ExporterSettings, renderer: Renderer, is_ready: Callable[[], bool]
    ) -> None:
        self.renderer = renderer
        self.is_ready = is_ready
        self.credentials = Credentials(settings.basic_auth_file)
        self._places = threading.BoundedSemaphore(_CONNECTIONS_MAX)
        self._open: dict[int, socket.socket] = {}
        self._open_lock = threading.Lock()
        self._certificate: RenewedFile | None = None
        self._listen(settings.listen_address, settings.port)
        if settings.tls_certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._certificate = load_certificate(
                context, settings.tls_certificate, settings.tls_key
            )
            # The handshake belongs in the connection's own thread, not in accept().
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def _listen(self, address: str, port: int) -> None:
        """Bind to an address, or to all without one; a node may have only one of the families.

        Raises:
            OSError: the port is taken, or the address is not this node's.
        """
        for host in [address] if address else ["::", "0.0.0.0"]:
            self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                super().__init__((host, port), _Handler)
            except OSError as error:
                if address or host != "::" or error.errno not in _NO_SUCH_FAMILY:
                    raise
            else:
                return

    def server_bind(self) -> None:
        """Bind for both families where the address has none; ask no name server for our name."""
        if self.address_family == socket.AF_INET6 and self.server_address[0] == "::":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, under the renewed certificate if it has changed."""
        if self._certificate is not None:
            self._certificate.renew()
        return super().get_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection once it has a place."""
        while not self._places.acquire(blocking=False):
            self._drop_oldest()
            if self._places.acquire(timeout=_DROP_SECONDS):
                break
        with self._open_lock:
            self._open[id(request)] = request
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection in its thread."""
        try:
            request.settimeout(_IDLE_SECONDS)
            super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.pop(id(request), None)
            self._places.release()

    def _drop_oldest(self) -> None:
        """Hang up the connection that has been open longest, which ends its thread."""
        with self._open_lock:
            if self._open:
                oldest = self._open.pop(next(iter(self._open)))
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(oldest, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a broken connection quietly: a scraper that hangs up is not our fault."""
        _log.debug("connection from %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: ExporterServer
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/healthz":
            self._answer(HTTPStatus.OK, b"ok\n")
        elif path == "/readyz":
            ready = self.server.is_ready()
            status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, b"ready\n" if ready else b"no reading yet\n")
        elif path == "/metrics":
            self._metrics()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"try /metrics\n")

    def _metrics(self) -> None:
        if not self._is_allowed():
            self._answer(
                HTTPStatus.UNAUTHORIZED,
                b"user and password needed\n",
                {"WWW-Authenticate": 'Basic realm="lowtide"'},
            )
            return
        compress = "gzip" in self.headers.get("Accept-Encoding", "")
        names = parse_qs(urlsplit(self.path).query).get("name[]", [])
        accept = self.headers.get("Accept", "")
        kind, body = self.server.renderer.render(accept, names, compress)
        extra = {"Content-Encoding": "gzip"} if compress else {}
        self._answer(HTTPStatus.OK, body, extra, kind)

    def _is_allowed(self) -> bool:
        wanted = self.server.credentials.header
        if wanted is None:
            return True
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        return hmac.compare_digest(given, wanted)

    def _answer(
        self,
        status: HTTPStatus,
        body: bytes,
        headers: dict[str, str] | None = None,
        kind: str = "text/plain; charset=utf-8",
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - inherited name
        _log.debug(format, *arguments)
