"""Events are taken from kopf's watches in their order, and kopf makes nothing of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from kopf._cogs.clients import watching
from kopf._core.reactor import queueing

from lowtide_operator.cluster import stream

JOBS = SimpleNamespace(plural="jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
LISTED = watching.Bookmark.LISTED


def event(change: str | None, name: str) -> dict[str, Any]:
    """An event as kopf's watch has it."""
    return {"type": change, "object": {"metadata": {"name": name}}}


def watch_of(*events: Any) -> Any:
    """A watch that tells of these."""

    async def watch(**_: Any) -> AsyncIterator[Any]:
        for one in events:
            yield one

    return stream.taking(watch)


@pytest.fixture
def taken() -> list[tuple[str | None, str]]:
    """What was taken in of Jobs: the types of events and the names."""
    found: list[tuple[str | None, str]] = []

    def take(change: str | None, body: Any) -> None:
        if body["metadata"]["name"] == "hostile":
            raise ValueError("no such thing")
        found.append((change, body["metadata"]["name"]))

    stream.take_events({"jobs": take})
    return found


async def test_events_are_taken_in_order_and_kopf_gets_its_marks(taken: Any) -> None:
    """A mark of the API server only carries the version that kopf has noted already."""
    told = [event(None, "a"), LISTED, event("BOOKMARK", ""), event("DELETED", "a")]
    out = [one async for one in watch_of(*told)(resource=JOBS)]
    assert (out, taken) == ([LISTED], [(None, "a"), ("DELETED", "a")])


async def test_events_of_other_kinds_go_on_to_kopf(taken: Any) -> None:
    """It may watch kinds of its own."""
    told = [event("ADDED", "a"), event("BOOKMARK", "")]
    out = [one async for one in watch_of(*told)(resource=SimpleNamespace(plural="namespaces"))]
    assert (out, taken) == (told, [])


async def test_an_object_that_cannot_be_read_is_logged_and_passed_over(
    taken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One tenant's object never ends the watch of all."""
    told = [event("ADDED", "hostile"), event("ADDED", "b")]
    assert [one async for one in watch_of(*told)(resource=JOBS)] == []
    assert taken == [("ADDED", "b")]
    assert "an event of the API server cannot be taken in" in caplog.text


async def test_a_stop_between_two_events_closes_what_kopf_has_open(taken: Any) -> None:
    """Left to the end of the loop, kopf's nested streams close in any order, with an ERROR."""
    closed = []

    @asynccontextmanager
    async def block() -> AsyncIterator[None]:
        try:
            yield
        finally:
            closed.append(True)

    async def endless(**_: Any) -> AsyncIterator[Any]:
        async with block():
            while True:
                yield event("MODIFIED", "a")

    async def consume() -> None:
        async for _ in stream.taking(endless)(resource=JOBS):
            raise AssertionError("kopf was given an event")

    reading = asyncio.create_task(consume())
    while not taken:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert closed == [True]


async def test_kopf_makes_no_worker_for_an_object(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Listed jobs and jobs of the watch run, and kopf's queues stay empty."""
    made: list[Any] = []

    async def worker(**arguments: Any) -> None:
        made.append(arguments["key"])

    monkeypatch.setattr(queueing, "worker", worker)
    api.create(TRAININGJOBS, training_job("listed", schedule={"policy": "Immediate"}))
    async with operator():
        await api.until(lambda: api.get(("batch/v1", "jobs"), "listed-1"))
        api.create(TRAININGJOBS, training_job("watched", schedule={"policy": "Immediate"}))
        await api.until(lambda: api.get(("batch/v1", "jobs"), "watched-1"))
    assert made == []
