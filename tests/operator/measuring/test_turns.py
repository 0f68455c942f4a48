"""Energy is read a few jobs at a time, and no look at a job waits for it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from lowtide.accounts.figures import Measurement
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt, TrainingJobStatus
from lowtide_operator.measuring.turns import AT_ONCE, MeasuringTurns
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.settings import OperatorSettings

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SETTINGS = OperatorSettings()
READ = Measurement(status="True", reason=Reason.MEASURED, message="")


def job(name: str, *, uid: str = "u", number: int = 1) -> JobView:
    """Return an ended job."""
    attempt = Attempt(number=number, name=f"{name}-{number}", end=NOON, outcome="Complete")
    return JobView(
        key=Key("ml", name),
        uid=uid,
        generation=1,
        resource_version="1",
        created=NOON,
        deleting=False,
        run_now=False,
        gpus=0,
        spec=parse_spec({"template": {}}),
        status=TrainingJobStatus(attempts=(attempt,)),
    )


class Slow:
    """A measurer whose readings end when they are let go."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.reading = self.most = self.begun = 0
        self.failure: Exception | None = None

    async def measure(self, *_: Any) -> Measurement:
        """Wait, then answer or fail."""
        self.begun += 1
        self.reading += 1
        self.most = max(self.most, self.reading)
        await self.gate.wait()
        self.reading -= 1
        if self.failure is not None:
            raise self.failure
        return READ


async def settled(turns: MeasuringTurns, done: list[Key], count: int) -> None:
    """Wait until so many jobs have been read."""
    async with asyncio.timeout(10):
        while len(done) < count:
            await asyncio.sleep(0)


async def test_many_ended_jobs_are_read_a_few_at_a_time_and_every_look_returns_at_once() -> None:
    """A store that hangs holds no worker."""
    slow, done = Slow(), list[Key]()
    turns = MeasuringTurns(slow, done.append)  # type: ignore[arg-type]
    jobs = [job(f"net-{n}") for n in range(40)]
    for _ in range(3):
        for one in jobs:
            assert turns.figures(one, NOON, SETTINGS).reason is Reason.SETTLING
        await asyncio.sleep(0)
    assert (slow.begun, slow.most) == (AT_ONCE, AT_ONCE)
    slow.gate.set()
    await settled(turns, done, 40)
    assert slow.begun == 40
    assert [turns.figures(one, NOON, SETTINGS) for one in jobs] == [READ] * 40


async def test_figures_of_another_run_are_not_used() -> None:
    """The job was created again, or went on, while it was read."""
    slow, done = Slow(), list[Key]()
    turns = MeasuringTurns(slow, done.append)  # type: ignore[arg-type]
    slow.gate.set()
    for other in (job("net", uid="new"), job("net", number=2)):
        turns.figures(job("net"), NOON, SETTINGS)
        await settled(turns, done, 1)
        assert turns.figures(other, NOON, SETTINGS).reason is Reason.SETTLING
        await settled(turns, done, 2)
        done.clear()
        assert turns.figures(other, NOON, SETTINGS) == READ


async def test_a_reading_that_fails_is_tried_again_and_stops_no_other() -> None:
    """Whatever it failed with."""
    slow, done = Slow(), list[Key]()
    turns = MeasuringTurns(slow, done.append)  # type: ignore[arg-type]
    slow.gate.set()
    slow.failure = RuntimeError("a bug")
    turns.figures(job("net"), NOON, SETTINGS)
    await settled(turns, done, 1)
    slow.failure = None
    assert turns.figures(job("net"), NOON, SETTINGS).status == "Unknown"
    turns.figures(job("net"), NOON, SETTINGS)
    await settled(turns, done, 2)
    assert turns.figures(job("net"), NOON, SETTINGS) == READ


async def test_readings_end_with_the_operator() -> None:
    """The next process begins them again."""
    slow = Slow()
    turns = MeasuringTurns(slow, lambda key: None)  # type: ignore[arg-type]
    turns.figures(job("net"), NOON, SETTINGS)
    await asyncio.sleep(0)
    await turns.close()
    assert slow.reading == 1
