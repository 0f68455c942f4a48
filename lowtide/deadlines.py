"""Sessions of `requests` in which every exchange ends by one deadline.

A read timeout of `requests` starts anew with every byte, so a peer that drips its headers would
hold a thread for hours. The sockets of these sessions give each read only what is left.
"""

import ssl
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from lowtide.timed_sockets import PlainSocket, TlsSocket


def session_until(until: float) -> requests.Session:
    """Return a session whose exchanges all end at `until`, monotonic seconds."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _TimedAdapter(until))
    return session


class _TimedAdapter(HTTPAdapter):
    """Adapter whose connections end by one deadline, through a proxy too."""

    def __init__(self, until: float) -> None:
        self._classes = _pool_classes(until)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_tls_context(), **options)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=_tls_context(), **options)
        manager.pool_classes_by_scheme = self._classes
        return manager


def _tls_context() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = TlsSocket
    return context


def _pool_classes(until: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Return the kinds of connection pools whose sockets end at `until`."""

    class TimedConnection(HTTPConnection):
        def _new_conn(self) -> Any:
            return _timed(super()._new_conn(), until)

    class TimedTlsConnection(HTTPSConnection):
        def _new_conn(self) -> Any:
            return _timed(super()._new_conn(), until)

        def connect(self) -> None:
            super().connect()
            if isinstance(self.sock, TlsSocket):
                self.sock.until = until

    class TimedPool(urllib3.HTTPConnectionPool):
        ConnectionCls = TimedConnection

    class TimedTlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TimedTlsConnection

    return {"http": TimedPool, "https": TimedTlsPool}


def _timed(plain: Any, until: float) -> PlainSocket:
    """Return a connected socket as a timed one."""
    timeout = plain.gettimeout()
    timed = PlainSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
    timed.settimeout(timeout)
    timed.until = until
    return timed
