"""The metrics page is shown to those whom the API server lets read it, and costs it little."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from standins.ports import free_port

from lowtide_operator.cluster.errors import UnreachableError
from lowtide_operator.telemetry import gate as gates
from lowtide_operator.telemetry.gate import MetricsGate


class Reviewer:
    """An API server's verdicts, and a clock."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.verdicts: dict[str, bool | None] = {"prometheus": True, "tenant": False}
        self.is_away = False
        self.hangs = False
        self.now = 0.0
        self.at_once = self.most = 0

    async def review(self, token: str) -> bool | None:
        """Answer, or fail as told."""
        self.asked.append(token)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0))
        finally:
            self.at_once -= 1
        if self.is_away:
            raise UnreachableError("the API server cannot be reached")
        return self.verdicts.get(token)


@pytest.fixture
def reviewer() -> Reviewer:
    """What the gate asks."""
    return Reviewer()


@pytest.fixture
def gate(reviewer: Reviewer) -> MetricsGate:
    """A gate that knows no token yet."""
    return MetricsGate(reviewer.review, lambda: reviewer.now)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer prometheus", HTTPStatus.OK),
        ("bearer  prometheus ", HTTPStatus.OK),
        ("Bearer tenant", HTTPStatus.FORBIDDEN),
        ("Bearer stranger", HTTPStatus.UNAUTHORIZED),
        ("Basic cHJvbWV0aGV1cw==", HTTPStatus.UNAUTHORIZED),
        ("Bearer ", HTTPStatus.UNAUTHORIZED),
        ("", HTTPStatus.UNAUTHORIZED),
        ("Bearer " + "x" * 20_000, HTTPStatus.UNAUTHORIZED),
    ],
)
async def test_only_a_reader_is_let_in(gate: MetricsGate, header: str, status: HTTPStatus) -> None:
    """A known token without the right is forbidden; everything else is unknown."""
    assert await gate.status_for(header) is status


async def test_a_verdict_holds_for_a_minute(gate: MetricsGate, reviewer: Reviewer) -> None:
    """A right that is withdrawn ends with it; scrapes in between ask nothing."""
    for _ in range(5):
        assert await gate.status_for("Bearer prometheus") is HTTPStatus.OK
        reviewer.now += 10
    assert reviewer.asked == ["prometheus"]
    reviewer.verdicts["prometheus"] = False
    reviewer.now = 60
    assert await gate.status_for("Bearer prometheus") is HTTPStatus.FORBIDDEN


async def test_an_outage_of_the_api_server_shuts_out_no_known_reader_for_ten_minutes(
    gate: MetricsGate, reviewer: Reviewer
) -> None:
    """Its alerts need the page; a token that was never let in stays outside."""
    await gate.status_for("Bearer prometheus")
    reviewer.is_away = True
    reviewer.now = 599
    assert await gate.status_for("Bearer prometheus") is HTTPStatus.OK
    assert await gate.status_for("Bearer tenant") is HTTPStatus.SERVICE_UNAVAILABLE
    reviewer.now = 600
    assert await gate.status_for("Bearer prometheus") is HTTPStatus.SERVICE_UNAVAILABLE


async def test_a_flood_of_tokens_is_bounded_and_ends_by_one_deadline(
    gate: MetricsGate, reviewer: Reviewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are reviewed at a time, the others wait no longer than the deadline."""
    await gate.status_for("Bearer prometheus")
    monkeypatch.setattr(gates, "DEADLINE_SECONDS", 0.05)
    reviewer.hangs = True
    floods = [gate.status_for(f"Bearer {number}") for number in range(100)]
    assert set(await asyncio.gather(*floods)) == {HTTPStatus.SERVICE_UNAVAILABLE}
    assert reviewer.most == gates.AT_ONCE
    reviewer.hangs = False
    monkeypatch.undo()
    for number in range(2 * gates.TOKENS_MAX):
        assert await gate.status_for(f"Bearer {number}") is HTTPStatus.UNAUTHORIZED
    asked = len(reviewer.asked)
    assert await gate.status_for("Bearer prometheus") is HTTPStatus.OK
    assert len(reviewer.asked) == asked, "strangers drove a reader out"


async def test_the_operator_shows_its_page_to_readers_only(
    api: Any, operator: Callable[..., Any]
) -> None:
    """The API server is asked about token and right."""
    api.readers = {"prometheus": True, "tenant": False}
    port = free_port()
    found = {}
    async with operator(server={"metricsPort": port, "metricsAuthentication": True}):
        await api.until(lambda: ("list", "lowtide.dev", "trainingjobs") in api.calls)
        async with aiohttp.ClientSession() as session:
            for token in ("prometheus", "tenant", "stranger", None):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                url = f"http://127.0.0.1:{port}/metrics"
                async with session.get(url, headers=headers) as answer:
                    found[token] = answer.status, "lowtide_operator_info" in await answer.text()
    assert found == {
        "prometheus": (200, True),
        "tenant": (403, False),
        "stranger": (401, False),
        None: (401, False),
    }
