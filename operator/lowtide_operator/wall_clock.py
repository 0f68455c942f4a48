"""Wall clock beside the monotonic one: what waits for a time of day follows its steps.

Looks are due by the wall clock (a plan's start, a deadline) and awaited by the monotonic one. When
the wall clock is set forward, or goes on while the machine sleeps, they would come too late by as
much.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from lowtide_operator.workqueue import WorkQueue

LOG: Final = logging.getLogger(__name__)
PERIOD_SECONDS: Final = 2.0
STEP_SECONDS: Final = 1.0
"""Smaller differences are drift, and left alone."""


async def follow_wall_clock(
    queue: WorkQueue, wall: Callable[[], datetime], period_seconds: float = PERIOD_SECONDS
) -> None:
    """Bring later looks forward when the wall clock steps forward, until cancelled."""
    loop = asyncio.get_running_loop()

    def ahead() -> float:
        return wall().timestamp() - loop.time()

    before = ahead()
    while True:
        await asyncio.sleep(period_seconds)
        step = ahead() - before
        if abs(step) < STEP_SECONDS:
            continue
        before += step
        LOG.warning("the wall clock has stepped by %+.0f s", step)
        if step > 0:
            queue.bring_forward(step)
