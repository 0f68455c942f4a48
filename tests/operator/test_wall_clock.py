"""Later looks follow the wall clock when it steps."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from lowtide_operator import wall_clock
from lowtide_operator.objects.key import Key
from lowtide_operator.workqueue import WorkQueue


@pytest.mark.parametrize(("step", "left"), [(272.0, 28.0), (-50.0, 300.0), (0.4, 300.0)])
async def test_a_step_forward_brings_looks_forward(step: float, left: float) -> None:
    """Backwards they come early, which does no harm; less than a second is drift."""
    loop = asyncio.get_running_loop()
    steps = [0.0]

    def wall() -> datetime:
        since = loop.time() + steps[-1]
        return datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=since)

    queue = WorkQueue(clock=lambda: 0.0, random=lambda: 1.0)
    queue.add_later(Key("ml", "net"), 300)
    task = asyncio.create_task(wall_clock.follow_wall_clock(queue, wall, 0.001))
    await asyncio.sleep(0.02)
    steps.append(step)
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    due = queue.add_due()
    assert due == pytest.approx(left, abs=0.5)
