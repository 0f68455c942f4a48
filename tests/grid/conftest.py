"""A scripted HTTP server for provider tests, and the grid stand-in as a process."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from lowtide.grid.errors import GridError, NotOffered
from lowtide.grid.providers.base import checked_actuals
from lowtide.grid.series import IntensitySeries, Point, Signal, series_type

STAND_IN = Path(__file__).parents[1] / "standins" / "grid" / "server.py"


@dataclass
class Reply:
    """What the scripted server answers once; `raw` is sent as it is instead of `content`.

    `delay` holds the answer back until it is set, `drip_seconds` pauses after every byte of it,
    `drop` closes the connection instead.
    """

    content: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay: threading.Event | None = None
    drop: bool = False
    drip_seconds: float | None = None


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class ScriptedServer:
    """A real HTTP server on loopback that gives the replies of a list, the last one for ever."""

    reply = Reply

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def gives(self, *replies: Reply) -> None:
        """Set the replies of the coming requests; the last one is repeated."""
        self.replies = list(replies)
        self.asked.clear()

    def gives_json(self, content: object, **more: object) -> None:
        """Answer every coming request with `content` as JSON."""
        self.gives(Reply(content, **more))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append(Asked(parts.path, query, headers))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.delay is not None:
            reply.delay.wait(10)
        handler.close_connection = True
        if reply.drop:
            return
        body = reply.raw if reply.raw is not None else json.dumps(reply.content).encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            if reply.drip_seconds is None:
                handler.wfile.write(body)
                return
            for byte in body:
                handler.wfile.write(bytes([byte]))
                if self.closing.wait(reply.drip_seconds):
                    return

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a proxy of the machine away from loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server for one test."""
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@dataclass(frozen=True)
class StandIn:
    """The running stand-in: its address and its slots."""

    url: str
    slot_seconds: float
    token: str
    pid: int

    def control(self, mode: str | None = None) -> dict[str, object]:
        """Set a mode, if given, and return mode and request counts."""
        body = None if mode is None else json.dumps({"mode": mode}).encode()
        with urlopen(Request(f"{self.url}/control", data=body), timeout=5) as answer:
            return json.load(answer)


def write_trace(path: Path, *, days: int, start: datetime) -> Path:
    """Write an hourly trace: actual = 200 + 10 x hour of day + day, forecast = actual + 5."""
    lines = ["time,actual_g_per_kwh,day_ahead_forecast_g_per_kwh"]
    for hour in range(days * 24):
        moment = start + timedelta(hours=hour)
        actual = 200 + 10 * moment.hour + hour // 24
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{actual},{actual + 5}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The stand-in over 30 days of a closed-form trace, 15 days in, one slot every 60 s."""
    folder = tmp_path_factory.mktemp("standin")
    trace = write_trace(folder / "T.csv", days=30, start=datetime(2021, 7, 1, tzinfo=UTC))
    command = [sys.executable, str(STAND_IN), "--trace", str(trace), "--zone", "DE"]
    command += ["--start", "2021-07-16T00:00Z", "--slot-seconds", "60", "--port", "0"]
    command += ["--token", "secret-token", "--pid-file", str(folder / "pid")]
    command += ["--slow-seconds", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (folder / "pid").read_text() == f"{process.pid}\n"
        yield StandIn(ready["url"], 60.0, "secret-token", process.pid)
        process.terminate()
        assert process.wait(10) == 0
    assert not (folder / "pid").exists()


@pytest.fixture
def healthy_stand_in(stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in in mode ok, before and after the test."""
    stand_in.control("ok")
    yield stand_in
    stand_in.control("ok")


class FakeProvider:
    """A provider that gives prepared series or errors, and counts its questions."""

    def __init__(self, name: str = "fake", signal: Signal = Signal.AVERAGE) -> None:
        self.name = name
        self.signal = signal
        self.expected: IntensitySeries | GridError = NotOffered("no forecasts")
        self.seen: IntensitySeries | GridError = NotOffered("no actual values")
        self.forecasts_asked = 0
        self.actuals_asked: list[tuple[datetime, datetime]] = []

    def forecast(self, zone: str, now: datetime) -> IntensitySeries:
        self.forecasts_asked += 1
        if isinstance(self.expected, GridError):
            raise self.expected
        return replace(self.expected, fetched_at=now)

    def actuals(self, zone: str, start: datetime, end: datetime) -> IntensitySeries:
        self.actuals_asked.append((start, end))
        if isinstance(self.seen, GridError):
            raise self.seen
        return checked_actuals(self.seen, start, end)


@pytest.fixture
def fake() -> type[FakeProvider]:
    """The class of providers that do as they are told."""
    return FakeProvider


@pytest.fixture
def hourly() -> Callable[..., IntensitySeries]:
    """Make an hourly series from its first moment and its values."""

    def make(
        start: datetime,
        values: Sequence[float | None],
        *,
        signal: Signal = Signal.AVERAGE,
        zone: str = "DE",
        source: str = "fake",
        step: timedelta = timedelta(hours=1),
        estimated: bool = False,
        **more: datetime | None,
    ) -> IntensitySeries:
        points = tuple(
            Point(start + i * step, start + (i + 1) * step, value, estimated)
            for i, value in enumerate(values)
        )
        return series_type(signal)(zone=zone, source=source, points=points, **more)

    return make
