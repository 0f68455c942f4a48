"""Events are recorded beside the work and never hold it up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lowtide_operator.cluster import event_lane
from lowtide_operator.cluster.errors import ClusterError, RefusedError, UnreachableError
from lowtide_operator.cluster.event_lane import EventLane
from lowtide_operator.tally import Tally


class Sink:
    """A place for Events that fails as often as it is told to."""

    def __init__(self, *failures: ClusterError) -> None:
        self.failures = list(failures)
        self.recorded: list[str] = []

    async def create_event(self, manifest: dict[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.recorded.append(manifest["metadata"]["name"])


def event(name: str) -> dict[str, Any]:
    """Return what the lane needs of an Event."""
    return {"metadata": {"name": name}, "reason": "Planned"}


@asynccontextmanager
async def lane_to(sink: Sink) -> AsyncIterator[tuple[EventLane, Tally]]:
    """Give a lane that runs."""
    tally = Tally()
    lane = EventLane(sink, tally)
    task = asyncio.create_task(lane.run())
    try:
        yield lane, tally
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(event_lane, "FIRST_WAIT_SECONDS", 0.0)


async def test_a_failing_api_is_tried_again_and_loses_nothing() -> None:
    """Five failures, then it works."""
    sink = Sink(*[UnreachableError("etcdserver: request timed out")] * 5)
    async with lane_to(sink) as (lane, tally):
        lane.post(event("a"))
        lane.post(event("b"))
        await lane.flush(10)
    assert sorted(sink.recorded) == ["a", "b"]
    assert (tally.events_recorded, tally.events_dropped) == (2, 0)


@pytest.mark.parametrize("failures", [[RefusedError("quota")], [UnreachableError("down")] * 6])
async def test_an_event_that_cannot_be_recorded_is_counted_and_left(
    failures: list[ClusterError],
) -> None:
    """The next one is recorded."""
    sink = Sink(*failures)
    async with lane_to(sink) as (lane, tally):
        lane.post(event("a"))
        await lane.flush(10)
        lane.post(event("b"))
        await lane.flush(10)
    assert sink.recorded == ["b"]
    assert (tally.events_recorded, tally.events_dropped) == (1, 1)


async def test_events_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace full of failing jobs does not fill the memory."""
    monkeypatch.setattr(event_lane, "MOST", 3)
    tally = Tally()
    lane = EventLane(Sink(), tally)
    for number in range(5):
        lane.post(event(str(number)))
    assert tally.events_dropped == 2


async def test_a_flood_of_plans_leaves_the_other_events_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand new jobs: most plans stand in the statuses only, a failure is an Event."""
    monkeypatch.setattr(event_lane, "PLANS_AT_ONCE", 3)
    monkeypatch.setattr(event_lane, "PLANS_PER_SECOND", 0)
    tally = Tally()
    lane = EventLane(Sink(), tally)
    assert [lane.admits("Planned") for _ in range(5)] == [True, True, True, False, False]
    assert lane.admits("JobFailed")
    assert tally.events_left_out == 2


async def test_plans_are_events_again_after_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """The allowance grows back with time, up to its bound."""
    monkeypatch.setattr(event_lane, "PLANS_AT_ONCE", 2)
    monkeypatch.setattr(event_lane, "PLANS_PER_SECOND", 5)
    seconds = iter([0.0, 0.0, 0.0, 0.1, 0.2, 100.0, 100.0, 100.0])
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: next(seconds))
    lane = EventLane(Sink(), Tally())
    # Two at once; at 0.1 s half an Event has grown back, at 0.2 s one; later two, and no more.
    found = [lane.admits("Planned") for _ in range(8)]
    monkeypatch.undo()
    assert found == [True, True, False, False, True, True, True, False]
