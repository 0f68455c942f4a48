"""A scripted HTTP server for provider tests, and the grid stand-in as a process."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from standins.grid.scripted import ScriptedServer

from lowtide.grid.errors import GridError, NotOffered
from lowtide.grid.providers.base import checked_actuals
from lowtide.grid.series import IntensitySeries, Point, Signal, series_type

STAND_IN = Path(__file__).parents[1] / "standins" / "grid" / "server.py"


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
        with urlopen(Request(f"{self.url}/control", data=body), timeout=60) as answer:
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
        assert process.wait(60) == 0
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
