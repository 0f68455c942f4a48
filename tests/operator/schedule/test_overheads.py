"""Who is asked for the overhead of a job's data centre, and what a failing query does."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lowtide.grid.overhead import Overhead, OverheadKind
from lowtide.grid.overhead_query import SLOTS_MAX
from lowtide.trainingjob.models import parse_spec
from lowtide_operator.schedule.overheads import Overheads
from lowtide_operator.settings import OperatorSettings

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Server:
    """A Prometheus that answers every range query alike."""

    def __init__(self) -> None:
        self.answer: Any = matrix({})
        self.status = 200
        self.hangs = False
        self.closes = asyncio.Event()
        self.asked: list[dict[str, str]] = []
        self.url = ""

    async def reply(self, request: web.Request) -> web.Response:
        """Answer a query."""
        self.asked.append(dict(request.query))
        if self.hangs:
            await self.closes.wait()
        return web.Response(status=self.status, text=json.dumps(self.answer))


def matrix(*series: dict[int, str]) -> dict[str, Any]:
    """Return an answer with values by hour."""
    result = [
        {
            "metric": {"site": str(k)},
            "values": [[(START + h * HOUR).timestamp(), v] for h, v in one.items()],
        }
        for k, one in enumerate(series)
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A Prometheus that is listening."""
    made = Server()
    site = web.Application()
    site.add_routes([web.get("/api/v1/query_range", made.reply)])
    async with TestServer(site) as running:
        made.url = str(running.make_url("")).rstrip("/")
        yield made
        made.closes.set()


def settings(**pue: Any) -> OperatorSettings:
    """Return settings of zone DE with its overhead."""
    document = {"zones": {"DE": {}}, "forecast": {"fetchTimeoutSeconds": 2}}
    return OperatorSettings.model_validate(document | ({"pue": {"DE": pue}} if pue else {}))


async def asked(
    given: OperatorSettings, *, hours: float = 2, zone: str | None = "DE", **grid: Any
) -> Overhead | None:
    """Return the overhead of a run from the start on."""
    spec = parse_spec({"template": {}, "grid": grid})
    with ThreadPoolExecutor(1) as pool:
        return await Overheads(pool).of_run(spec, zone, [(START, START + hours * HOUR)], given)


def query(server: Server, **more: Any) -> dict[str, Any]:
    """Return the settings of a query to the server."""
    return {"url": server.url, "query": 'pue{site="$zone"}', "timeoutSeconds": 0.5, **more}


async def test_a_query_gives_the_measured_mean_of_the_run(server: Server) -> None:
    """1.2 in one hour, 1.3 in the other; the zone's name stands in the query."""
    server.answer = matrix({0: "1.2", 1: "1.3"})
    found = await asked(settings(prometheus=query(server)))
    assert found is not None
    assert found.pue == pytest.approx(1.25)
    assert (found.kind, found.source) == (OverheadKind.MEASURED, "Prometheus, zone DE")
    assert [one["query"] for one in server.asked] == ['pue{site="DE"}']


async def test_the_job_s_own_number_counts_before_its_zone_s(server: Server) -> None:
    """It is an assumption, and Prometheus is not asked."""
    found = await asked(settings(prometheus=query(server)), pue="1.4")
    assert found == Overhead(pue=1.4, kind=OverheadKind.ASSUMED, source="spec.grid.pue")
    assert not server.asked


async def test_a_number_of_the_settings_keeps_its_kind_and_source() -> None:
    """Nothing is asked."""
    found = await asked(settings(value=1.1, kind="Measured", source="report"))
    assert found == Overhead(pue=1.1, kind=OverheadKind.MEASURED, source="report")


async def test_where_neither_gives_one_there_is_none() -> None:
    """No zone, another zone, no section."""
    given = settings(value=1.1)
    assert await asked(given, zone=None) is None
    assert await asked(given, zone="FR") is None
    assert await asked(settings()) is None


async def test_a_year_is_asked_for_in_a_bounded_number_of_slots(server: Server) -> None:
    """8,760 hours in slots of 9 hours."""
    server.answer = matrix(dict.fromkeys(range(0, 8_760, 9), "1.5"))
    found = await asked(settings(prometheus=query(server)), hours=8_760)
    assert found is not None
    assert found.pue == pytest.approx(1.5)
    assert len(server.asked) == 1
    assert 8_760 * 3600 / float(server.asked[0]["step"]) <= SLOTS_MAX


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (matrix(), 200, "known for 0 % of the running time"),
        (matrix({0: "NaN", 1: "0.4"}), 200, "such as"),
        (matrix({0: "1.2"}, {0: "1.3"}), 200, "matches 2 series"),
        ({"status": "success", "data": {"result": [{"metric": {}, "values": None}]}}, 200, "PUE"),
        (None, 200, "PUE is not known"),
        ({"status": "error", "error": "parse error"}, 400, "400"),
        ({}, 401, "401"),
    ],
)
async def test_an_answer_that_cannot_be_used_leaves_it_unknown_and_says_why(
    server: Server, answer: Any, status: int, said: str
) -> None:
    """It is never taken for 1."""
    server.answer, server.status = answer, status
    found = await asked(settings(prometheus=query(server)))
    assert found is not None
    assert found.pue is None
    assert said in str(found.message)


async def test_a_server_that_hangs_has_one_deadline(server: Server) -> None:
    """The sentence says what was waited for."""
    server.hangs = True
    given = settings(prometheus=query(server, timeoutSeconds=30))
    given = given.model_copy(
        update={"forecast": given.forecast.model_copy(update={"fetch_timeout_seconds": 0.2})}
    )
    spec = parse_spec({"template": {}})
    pool = ThreadPoolExecutor(1)
    try:
        found = await Overheads(pool).of_run(spec, "DE", [(START, START + HOUR)], given)
    finally:
        pool.shutdown(wait=False)
    assert found == Overhead(message="the PUE is not known: Prometheus gave no answer within 0.2 s")
