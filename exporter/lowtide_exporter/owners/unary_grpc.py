"""Unary gRPC calls on a unix socket: one connection, one call at a time, no threads.

gRPC's own library keeps threads that wake up some fifty times a second while nothing is asked,
which cost more than everything else the exporter does (docs/decisions/kubelet-over-h2.md).
HTTP/2 is the work of the library h2; here is what gRPC adds to it. A call ends by its deadline,
whatever the other side sends.

Source: gRPC over HTTP2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import socket
import struct
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

_READ_BYTES: Final = 1 << 16
_PREFIX: Final = struct.Struct(">BI")
"""What precedes each message: whether it is compressed, and its length."""
_CONFIGURATION: Final = H2Configuration(
    client_side=True,
    header_encoding=None,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
)
"""Headers sent are constants, and three received are read as bytes: no pass over them pays."""
_STATUS_NAMES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)


class RpcError(Exception):
    """A call failed; `status` is gRPC's name of the reason."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message[:200]}")
        self.status = status


class _ConnectionLostError(Exception):
    """The other side has closed the connection, or is about to."""


class _Http(H2Connection):
    """One HTTP/2 connection that lasts for weeks: what it remembers of old calls stays small."""

    MAX_CLOSED_STREAMS = 16


@dataclass(slots=True)
class _Answer:
    """What has come of the call with this stream number; `is_last` on its connection."""

    stream: int
    http_status: str = ""
    status: str = ""
    message: str = ""
    body: bytearray = field(default_factory=bytearray)
    is_complete: bool = False
    is_last: bool = False

    def take(self, event: Event) -> None:
        """Add what `event` says of this call; events of the connection say nothing of it.

        Raises:
            RpcError: the server gave the call up.
        """
        if getattr(event, "stream_id", None) != self.stream:
            return
        if isinstance(event, ResponseReceived | TrailersReceived):
            self._take_headers(event.headers)
        elif isinstance(event, DataReceived):
            self.body += event.data
        elif isinstance(event, StreamReset):
            raise RpcError("UNAVAILABLE", f"the call was reset with error {event.error_code}")
        elif isinstance(event, StreamEnded):
            self.is_complete = True

    def _take_headers(self, headers: Iterable[tuple[Any, Any]]) -> None:
        for name, value in headers:
            text = bytes(value).decode(errors="replace")
            if name == b":status":
                self.http_status = text
            elif name == b"grpc-status":
                self.status = text
            elif name == b"grpc-message":
                self.message = urllib.parse.unquote(text)

    def read(self) -> bytes:
        """Return the message of a complete answer.

        Raises:
            RpcError: the call failed, or its answer is not one plain message.
        """
        if self.status != "0":
            raise self._failure()
        found = len(self.body) - _PREFIX.size
        if found < 0:
            raise RpcError("INTERNAL", f"the answer ends after {len(self.body)} bytes")
        is_compressed, size = _PREFIX.unpack_from(self.body)
        if is_compressed:
            raise RpcError("INTERNAL", "the answer is compressed, which was not offered")
        if size != found:
            raise RpcError("INTERNAL", f"the answer has {found} bytes and announces {size}")
        return bytes(memoryview(self.body)[_PREFIX.size :])

    def _failure(self) -> RpcError:
        if not self.status:
            return RpcError("UNKNOWN", f"HTTP status {self.http_status} without a gRPC status")
        is_known = self.status.isdecimal() and int(self.status) < len(_STATUS_NAMES)
        return RpcError(_STATUS_NAMES[int(self.status)] if is_known else "UNKNOWN", self.message)


class UnaryClient:
    """Calls methods of the server on a unix socket; connects, and reconnects, when it must.

    For one thread, and for methods that only read: a call whose connection turns out to be closed
    is made once more on a new one. Answers of over `answer_max_bytes` are refused.
    """

    def __init__(
        self,
        socket_path: str,
        *,
        answer_max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket_path = socket_path
        self._answer_max_bytes = answer_max_bytes
        self._clock = clock
        self._socket: socket.socket | None = None
        self._http = _Http()

    def call(self, method: str, request: bytes, timeout_seconds: float) -> bytes:
        """Return the answer of `method` ("/package.Service/Method").

        Raises:
            RpcError: the call failed or did not end in time; the next one may work.
        """
        deadline = self._clock() + timeout_seconds
        was_connected = self._socket is not None
        try:
            try:
                answer = self._exchange(method, request, deadline)
            except _ConnectionLostError:
                self.close()
                if not was_connected:
                    raise
                answer = self._exchange(method, request, deadline)
        except BaseException as error:
            self.close()
            raise self._describe(error, timeout_seconds) from None
        return answer.read()

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _describe(self, error: BaseException, timeout_seconds: float) -> BaseException:
        """Return the error to raise in place of what went wrong on the connection."""
        if isinstance(error, _ConnectionLostError):
            return RpcError("UNAVAILABLE", "the connection was closed during the call")
        if isinstance(error, TimeoutError):
            return RpcError("DEADLINE_EXCEEDED", f"no whole answer in {timeout_seconds:g} s")
        if isinstance(error, OSError):
            return RpcError("UNAVAILABLE", f"{self._socket_path}: {error}")
        if isinstance(error, H2Error):
            return RpcError("INTERNAL", f"the answer is not HTTP/2: {error}")
        return error

    def _exchange(self, method: str, request: bytes, deadline: float) -> _Answer:
        """Send one call and read until its answer is complete."""
        connected = self._socket or self._connect(deadline)
        http = self._http
        answer = _Answer(http.get_next_available_stream_id())
        http.send_headers(answer.stream, _headers(method))
        http.send_data(answer.stream, _PREFIX.pack(False, len(request)) + request, end_stream=True)
        try:
            while not answer.is_complete:
                self._flush(connected, deadline)
                connected.settimeout(self._seconds_left(deadline))
                self._take(connected.recv(_READ_BYTES), answer)
        except ConnectionError:
            raise _ConnectionLostError from None
        try:
            self._flush(connected, deadline)
        except OSError:  # the answer is complete; only the connection is of no further use
            self.close()
        if answer.is_last:
            self.close()
        return answer

    def _flush(self, connected: socket.socket, deadline: float) -> None:
        """Send what HTTP/2 has to say."""
        if outgoing := self._http.data_to_send():
            connected.settimeout(self._seconds_left(deadline))
            connected.sendall(outgoing)

    def _take(self, received: bytes, answer: _Answer) -> None:
        """Add what came in to the answer and give room for as much to the server."""
        if not received:
            raise _ConnectionLostError
        for event in self._http.receive_data(received):
            answer.take(event)
            if isinstance(event, ConnectionTerminated):
                answer.is_last = True
            elif isinstance(event, DataReceived) and event.flow_controlled_length:
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if answer.is_last and not answer.is_complete:
            raise _ConnectionLostError
        if len(answer.body) > self._answer_max_bytes + _PREFIX.size:
            raise RpcError(
                "RESOURCE_EXHAUSTED", f"the answer is longer than {self._answer_max_bytes} bytes"
            )

    def _connect(self, deadline: float) -> socket.socket:
        self._socket = connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.settimeout(self._seconds_left(deadline))
        connected.connect(self._socket_path)
        self._http = _Http(_CONFIGURATION)
        self._http.initiate_connection()
        return connected

    def _seconds_left(self, deadline: float) -> float:
        seconds = deadline - self._clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds


def _headers(method: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
