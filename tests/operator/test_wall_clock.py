"""Later looks follow the wall clock when it steps."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from standins.episodes import virtual_time

from lowtide_operator import wall_clock
from lowtide_operator.objects.key import Key
from lowtide_operator.workqueue import WorkQueue


@pytest.mark.parametrize(("step", "left"), [(272.0, 28.0), (-50.0, 300.0), (0.4, 300.0)])
def test_a_step_forward_brings_looks_forward(step: float, left: float) -> None:
    """Backwards they come early, which does no harm; less than a second is drift."""

    async def due() -> float | None:
        loop = asyncio.get_running_loop()
        steps = [0.0]

        def wall() -> datetime:
            since = loop.time() + steps[-1]
            return datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=since)

        queue = WorkQueue(clock=lambda: 0.0, random=lambda: 1.0)
        queue.add_later(Key("ml", "net"), 300)
        task = asyncio.create_task(wall_clock.follow_wall_clock(queue, wall))
        await asyncio.sleep(3 * wall_clock.PERIOD_SECONDS)
        steps.append(step)
        await asyncio.sleep(3 * wall_clock.PERIOD_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return queue.add_due()

    assert virtual_time.run(due()) == pytest.approx(left)
