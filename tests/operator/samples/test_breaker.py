"""One job finds out that the store is away; the others are told so without asking."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from lowtide.energy.samples import Series
from lowtide_operator.samples.breaker import Breaker
from lowtide_operator.samples.prometheus import PrometheusError
from lowtide_operator.samples.source import SamplesUnavailableError, Selector, TooManySamplesError

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Store:
    """A store that answers, fails, or hangs until it is let go."""

    def __init__(self) -> None:
        self.failure: SamplesUnavailableError | None = None
        self.gate: asyncio.Event | None = None
        self.asked = 0

    async def samples(self, *_: object) -> tuple[Series, ...]:
        """Answer as told."""
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return ()

    async def started_at(self) -> datetime | None:
        """Return that it is not known."""
        return None

    async def pod_joules(self, at: datetime) -> Mapping[tuple[str, str], float]:
        """Return nothing."""
        return {}


class Clock:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def ask(breaker: Breaker) -> str:
    """Return the answer in a word."""
    try:
        await breaker.samples(Selector("m"), NOON, NOON)
    except SamplesUnavailableError as error:
        return str(error)
    return "answered"


async def test_a_store_that_is_away_is_asked_at_growing_intervals() -> None:
    """After 1 s, 2 s, 4 s; the words of the last failure are given meanwhile."""
    store, clock = Store(), Clock()
    breaker = Breaker(store, clock)
    store.failure = PrometheusError("away")
    asked = []
    for second in range(16):
        clock.seconds = float(second)
        assert [await ask(breaker) for _ in range(50)] == ["away"] * 50
        asked.append(store.asked)
    assert asked == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]
    store.failure = None
    clock.seconds = 100.0
    assert await ask(breaker) == "answered"
    assert await ask(breaker) == "answered"
    store.failure = PrometheusError("away again")
    assert await ask(breaker) == "away again"
    clock.seconds += 1.0
    store.failure = None
    assert await ask(breaker) == "answered"


async def test_while_one_question_tries_a_store_that_hangs_no_other_waits() -> None:
    """Eight hundred jobs cost one query at a time."""
    store, clock = Store(), Clock()
    breaker = Breaker(store, clock)
    store.failure = PrometheusError("no answer")
    await ask(breaker)
    clock.seconds, store.gate = 5.0, asyncio.Event()
    trying = asyncio.create_task(ask(breaker))
    await asyncio.sleep(0)
    assert [await ask(breaker) for _ in range(800)] == ["no answer"] * 800
    assert store.asked == 2
    store.gate.set()
    assert await trying == "no answer"


@pytest.mark.parametrize("job", range(3))
async def test_an_answer_that_is_too_large_for_one_job_stops_no_other(job: int) -> None:
    """It says nothing about other questions."""
    store = Store()
    breaker = Breaker(store, Clock())
    store.failure = TooManySamplesError("too large")
    assert [await ask(breaker) for _ in range(job + 1)] == ["too large"] * (job + 1)
    store.failure = None
    assert await ask(breaker) == "answered"
