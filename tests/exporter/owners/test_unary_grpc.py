"""gRPC over a unix socket: what the other side sends is an answer or an error, and in time."""

import socket
import struct
import threading
from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide_exporter.owners.unary_grpc import RpcError, UnaryClient

METHOD = "/test.Echo/Say"
OK = [("grpc-status", "0")]


def framed(message: bytes, *, is_compressed: bool = False) -> bytes:
    """Return a message as gRPC frames it."""
    return struct.pack(">BI", is_compressed, len(message)) + message


class ScriptedServer:
    """Accepts connections in turn and lets the next step of a script have each."""

    def __init__(self, path, *steps: Callable[[socket.socket], None]) -> None:
        self.accepted = 0
        self._steps = steps
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(60)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for step in self._steps:
            connection, _ = self._listener.accept()
            connection.settimeout(60)
            self.accepted += 1
            with connection:
                step(connection)

    def close(self) -> None:
        """Wait for the script's end."""
        self._thread.join(240)
        self._listener.close()


@pytest.fixture
def serve(tmp_path):
    """Start a scripted server and return it with a client of it."""
    started = []

    def start(*steps, **options):
        path = tmp_path / f"{len(started)}.sock"
        server = ScriptedServer(path, *steps)
        client = UnaryClient(str(path), answer_max_bytes=1000, **options)
        started.append((server, client))
        return server, client

    yield start
    for server, client in started:
        client.close()
        server.close()


def send_all(connection: socket.socket, data: bytes) -> None:
    """Send what the client may no longer want."""
    try:
        connection.sendall(data)
    except ConnectionError:
        return


def answering(body, *, calls=1, status="200", trailers=OK, goes_away=False):
    """Return a step that answers `calls` calls with `body` over real HTTP/2, then closes."""

    def step(connection: socket.socket) -> None:
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        left = calls
        while left and (data := connection.recv(65536)):
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = dict(event.headers)
                    assert headers[b":path"] == METHOD.encode()
                    assert headers[b"te"] == b"trailers"
                if isinstance(event, StreamEnded):
                    left -= 1
                    http.send_headers(event.stream_id, [(":status", status)])
                    http.send_data(event.stream_id, body, end_stream=not trailers)
                    if trailers:
                        http.send_headers(event.stream_id, trailers, end_stream=True)
                    if goes_away:
                        http.close_connection()
            send_all(connection, http.data_to_send())

    return step


def silent(connection: socket.socket) -> None:
    """Read until the client gives up."""
    while connection.recv(65536):
        pass


def test_an_answer_is_the_message_without_its_frame(serve):
    """Two calls share a connection."""
    server, client = serve(answering(framed(b"tide"), calls=2))

    assert [client.call(METHOD, b"", 5) for _ in range(2)] == [b"tide", b"tide"]
    assert server.accepted == 1


def test_a_connection_closed_between_two_calls_is_replaced(serve):
    """A restart of the server between two questions costs no question."""
    _, client = serve(answering(framed(b"first")), answering(framed(b"second")))

    assert client.call(METHOD, b"", 5) == b"first"
    assert client.call(METHOD, b"", 5) == b"second"


def test_a_server_that_goes_away_is_not_asked_again_there(serve):
    """After GOAWAY the next call has a connection of its own."""
    server, client = serve(answering(framed(b"a"), goes_away=True), answering(framed(b"b")))

    assert client.call(METHOD, b"", 5) == b"a"
    assert client.call(METHOD, b"", 5) == b"b"
    assert server.accepted == 2


def test_a_server_that_always_closes_is_an_error(serve):
    """One new connection is tried, not more."""

    def close_at_once(connection):
        connection.recv(10)

    _, client = serve(close_at_once)

    with pytest.raises(RpcError, match="UNAVAILABLE: the connection was closed"):
        client.call(METHOD, b"", 5)


def test_a_missing_socket_is_named(tmp_path):
    """The path in the message is what the operator of the node has to look at."""
    client = UnaryClient(str(tmp_path / "absent.sock"), answer_max_bytes=10)

    with pytest.raises(RpcError, match=r"UNAVAILABLE: .*absent\.sock"):
        client.call(METHOD, b"", 5)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (answering(framed(b"x" * 2000)), "RESOURCE_EXHAUSTED: the answer is longer than 1000"),
        (answering(framed(b"x", is_compressed=True)), "INTERNAL: the answer is compressed"),
        (answering(b"\0\0"), "INTERNAL: the answer ends after 2 bytes"),
        (answering(framed(b"tide")[:-1]), "INTERNAL: the answer has 3 bytes and announces 4"),
        (answering(b"no", status="404", trailers=None), "UNKNOWN: HTTP status 404 without"),
        (
            answering(b"", trailers=[("grpc-status", "8"), ("grpc-message", "slow%20down")]),
            "RESOURCE_EXHAUSTED: slow down",
        ),
        (answering(b"", trailers=[("grpc-status", "²")]), "UNKNOWN"),
        (answering(b"", trailers=[("grpc-status", "99")]), "UNKNOWN"),
    ],
)
def test_a_malformed_answer_is_an_error_with_its_reason(serve, step, reason):
    """Bad frames, bad statuses and refusals each say what they are."""
    _, client = serve(step)

    with pytest.raises(RpcError, match=reason):
        client.call(METHOD, b"", 5)


def test_a_refused_call_keeps_the_connection(serve):
    """A refusal is an answer."""
    refusal = answering(b"", calls=2, trailers=[("grpc-status", "14")])
    server, client = serve(refusal)

    for _ in range(2):
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            client.call(METHOD, b"", 5)

    assert server.accepted == 1


def test_a_silent_server_is_given_up_at_the_deadline(serve):
    """The next call does not wait for the old answer: it has a connection of its own."""
    _, client = serve(silent, answering(framed(b"late")))

    with pytest.raises(RpcError, match=r"DEADLINE_EXCEEDED: no whole answer in 0\.1 s"):
        client.call(METHOD, b"", 0.1)
    assert client.call(METHOD, b"", 5) == b"late"


def test_a_server_that_keeps_talking_is_given_up_at_the_deadline(serve):
    """Bytes that come in do not extend the time: the clock passes a second with each read."""

    def ping_for_ever(connection):
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        try:
            while True:
                http.ping(b"8 bytes.")
                connection.sendall(http.data_to_send())
                http.receive_data(connection.recv(65536))
        except OSError:
            return

    seconds = iter(range(1000))
    _, client = serve(ping_for_ever, clock=lambda: float(next(seconds)))

    with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
        client.call(METHOD, b"", 20)


SERVER_PREFACE = bytes.fromhex("000000040000000000")
"""An empty SETTINGS frame."""


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=100),
        st.binary(max_size=100).map(lambda data: SERVER_PREFACE + data),
        st.builds(
            lambda kind, flags, stream, data: (
                SERVER_PREFACE
                + struct.pack(">I", len(data))[1:]
                + bytes([kind, flags])
                + struct.pack(">I", stream)
                + data
            ),
            st.integers(0, 12),
            st.integers(0, 255),
            st.sampled_from([0, 1, 2, 3]),
            st.binary(max_size=40),
        ),
    )
)
def test_no_bytes_crash_the_client(data):
    """Whatever a server sends, a call ends with an answer or an error of its own kind."""
    ours, theirs = socket.socketpair()
    client = UnaryClient("never.sock", answer_max_bytes=1000)
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        client._connect = lambda deadline: _connected(client, ours)
        with pytest.raises(RpcError):
            client.call(METHOD, b"", 5)


def _connected(client, ours):
    client._http.initiate_connection()
    return ours
