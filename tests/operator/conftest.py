"""Fixtures for the operator's tests: views for pure decisions, and a running operator."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import TestServer
from standins.kubernetes import fake_api

from lowtide_operator.main import serve
from lowtide_operator.settings import OperatorSettings

TEMPLATE: dict[str, Any] = {
    "spec": {"template": {"spec": {"containers": [{"name": "train", "image": "trainer"}]}}}
}

QUICK: dict[str, Any] = {
    "schedule": {"startLatencySeconds": 0, "marginSeconds": 0, "forecastPatienceSeconds": 5},
    "measurement": {"pollSeconds": 0.1, "settleSeconds": 1},
    "cluster": {"podPollSeconds": 0.2, "runningLookSeconds": 0.5},
    "queue": {"workers": 4, "backoffFirstSeconds": 0.05},
    "prometheus": {"scrapeIntervalSeconds": 1},
    "forecast": {"refreshSeconds": 0.5, "retrySeconds": 0.1},
    "server": {"metricsPort": 0, "healthPort": 0},
}


@pytest.fixture
def no_log() -> Iterator[None]:
    """Leave out what an operator says of deaths and faults; a broken promise tells its story."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def training_job() -> Callable[..., dict[str, Any]]:
    """Return a maker of TrainingJob manifests; keywords are fields of the spec."""

    def make(name: str = "net", **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"template": TEMPLATE, **spec}}

    return make


@pytest.fixture
async def api() -> AsyncIterator[Any]:
    """A fake API server that is listening; its address is in `url`."""
    fake = fake_api.FakeApi()
    async with TestServer(fake.app()) as server:
        fake.url = str(server.make_url("")).rstrip("/")
        yield fake


@pytest.fixture
def kubeconfig(api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that leads to the fake API server; `KUBECONFIG` names it."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": api.url}}],
        "users": [{"name": "fake", "user": {"token": "token"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def quick_settings() -> Callable[..., OperatorSettings]:
    """Return a maker of settings that wait seldom; keywords are their sections."""

    def make(**sections: Any) -> OperatorSettings:
        document = {
            **QUICK,
            **{
                name: {**QUICK.get(name, {}), **value} if isinstance(value, dict) else value
                for name, value in sections.items()
            },
        }
        return OperatorSettings.model_validate(document)

    return make


@pytest.fixture
def operator(
    kubeconfig: Path, quick_settings: Callable[..., OperatorSettings]
) -> Callable[..., Any]:
    """Return a context manager that runs the real operator against the fake API server."""

    @asynccontextmanager
    async def run(**sections: Any) -> AsyncIterator[asyncio.Task[None]]:
        # A thread with a loop of its own, as in production: what holds it up does not hold up
        # the test's server.
        stop = threading.Event()
        program = serve(quick_settings(**sections), stop=stop)
        task = asyncio.create_task(asyncio.to_thread(asyncio.run, program))
        try:
            yield task
        finally:
            stop.set()
            async with asyncio.timeout(120):
                await task

    return run


@pytest.fixture
def zone_of(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a maker of a zone from a function of the seconds from now: its g/kWh.

    The trace has slots of one second from a minute ago on; a day of its pattern has 60 slots, so
    that the forecast stays short. Made again, it is another trace in the same file.
    """

    def make(intensity: Callable[[int], float], *, name: str = "XX") -> dict[str, Any]:
        now = datetime.now(UTC).replace(microsecond=0)
        lines = ["time,g_per_kwh,forecast"]
        for second in range(-60, 340):
            value = intensity(second)
            moment = now + timedelta(seconds=second)
            lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{value},{value}")
        path = tmp_path / f"{name}.csv"
        whole = path.with_suffix(".new")
        whole.write_text("\n".join(lines) + "\n")
        whole.replace(path)
        provider = {"kind": "file", "path": str(path), "refreshSeconds": 1}
        return {name: {"slotsPerDay": 60, "providers": [provider]}}

    return make


@pytest.fixture
def zones(zone_of: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return a maker of a zone whose intensity falls from 300 to 100 g/kWh after some seconds.

    Called again with 0, the clean hours are there now: a test that sees a job wait first does not
    depend on how fast it is.
    """

    def make(clean_after_seconds: float) -> dict[str, Any]:
        return zone_of(lambda second: 300 if second < clean_after_seconds else 100)

    return make
