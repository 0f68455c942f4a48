"""Exchange with an HTTP peer that ends by one deadline, however slowly its bytes drip.

Connection, handshake, headers, chunk sizes and body alike get only what is left of the time
(`lowtide.timed_sockets`).
"""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final
from urllib.parse import urlsplit

from lowtide.meters.errors import SourceError
from lowtide.timed_sockets import PlainSocket, TlsSocket, seconds_left

_PORTS: Final = {"http": 80, "https": 443}


def open_url(
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    ca_file: str | None = None,
) -> http.client.HTTPResponse:
    """Return the open answer of a GET; whatever reads it must end within `seconds` from now.

    Redirects are not followed. The caller closes the answer.

    Raises:
        OSError, http.client.HTTPException: the peer is missing, or does not answer in time.
        SourceError: the file of authorities, or the address, cannot be used.
    """
    until = time.monotonic() + seconds
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise SourceError(f"{url!r} is not an http address")
    port = parts.port or _PORTS[parts.scheme]
    connected = _connect(parts.hostname, port, until)
    try:
        if parts.scheme == "https":
            connected = _secure(connected, parts.hostname, ca_file, until)
        connection = http.client.HTTPConnection(parts.hostname, port)
        connection.sock = connected
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Connection": "close", **(headers or {})})
        answer = connection.getresponse()
    except BaseException:
        connected.close()
        raise
    connected.close()  # the answer goes on reading from it, and closes it in the end
    return answer


def fetch(
    url: str,
    *,
    seconds: float,
    bytes_max: int,
    headers: Mapping[str, str] | None = None,
    ca_file: str | None = None,
) -> bytes:
    """Return what a GET answers.

    Raises:
        SourceError: no whole answer came in time, it is too long, or the peer refused.
    """
    try:
        with closing(open_url(url, seconds=seconds, headers=headers, ca_file=ca_file)) as answer:
            if answer.status != http.HTTPStatus.OK:
                raise SourceError(f"answered {answer.status} {answer.reason}")
            body = answer.read(bytes_max + 1)
            if answer.length and len(body) <= bytes_max:
                raise SourceError(f"the answer ends {answer.length} bytes early")
    except TimeoutError:
        raise SourceError(f"no whole answer in {seconds:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(str(error) or repr(error)) from None
    if len(body) > bytes_max:
        raise SourceError(f"the answer is longer than {bytes_max} bytes")
    return body


def _connect(host: str, port: int, until: float) -> Any:
    """Return a timed socket that is connected to the first address that answers."""
    last: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        connected = PlainSocket(family, kind, protocol)
        connected.until = until
        try:
            connected.settimeout(seconds_left(until))
            connected.connect(address)
        except OSError as error:
            connected.close()
            last = error
        else:
            return connected
    raise last


def _secure(plain: Any, host: str, ca_file: str | None, until: float) -> Any:
    """Return the socket with TLS; the handshake is done."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SourceError(f"CA file {ca_file} cannot be used: {error}") from None
    context.sslsocket_class = TlsSocket
    secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    assert isinstance(secured, TlsSocket)
    secured.until = until
    secured.settimeout(seconds_left(until))
    secured.do_handshake()
    return secured
