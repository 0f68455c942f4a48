"""Server of the metrics page.

The one that `prometheus_client` starts looks for its end twice a second, and a stop of the operator
waits for it.
"""

import asyncio
import socket
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from lowtide_operator.telemetry.gate import MetricsGate, behind

END_POLL_SECONDS: Final = 0.1


class _SilentHandler(WSGIRequestHandler):
    """Handler that logs no request."""

    def log_message(self, *_: Any, **__: Any) -> None:
        """Log nothing."""


class _Ipv6Server(ThreadingWSGIServer):
    """Server of both families, on a machine whose sockets take both."""

    address_family = socket.AF_INET6


def serve_metrics(
    port: int, registry: CollectorRegistry, gate: MetricsGate | None = None
) -> tuple[WSGIServer, Thread]:
    """Serve the metrics page on all addresses; a pod of an IPv6 cluster has no IPv4 one.

    With a gate, call it in the gate's event loop.

    Raises:
        OSError: the port is taken.
    """
    page = make_wsgi_app(registry)
    if gate is not None:
        page = behind(gate, page, asyncio.get_running_loop())
    both = socket.has_dualstack_ipv6()
    kind, everywhere = (_Ipv6Server, "::") if both else (ThreadingWSGIServer, "0.0.0.0")
    server = make_server(everywhere, port, page, kind, _SilentHandler)
    thread = Thread(target=server.serve_forever, args=(END_POLL_SECONDS,), daemon=True)
    thread.start()
    return server, thread
