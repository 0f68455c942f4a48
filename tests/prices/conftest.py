"""A scripted HTTP server for price providers."""

from collections.abc import Iterator

import pytest
from standins.grid.scripted import ScriptedServer


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
