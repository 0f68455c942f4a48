"""Waves of a grid, three hours dirty and three clean by turns, and when waiting pays on them."""

import time
from pathlib import Path

from demonstration import day
from measured import Installed
from sleepers import await_
from test_paused_job import STRETCH_HOURS, write_waves


def begin(installed: Installed, folder: Path, *, slot_seconds: int) -> day.ReplayedDay:
    """Replay waves from a dirty stretch on; return when the operator has their forecast."""
    trace, on = folder / "waves.csv", installed.on
    first, _ = write_waves(trace)
    replayed = day.begin(on.layout, on.python, trace=trace, start=first, slot_seconds=slot_seconds)
    day.await_forecast()
    return replayed


def await_a_dirty_stretch(replayed: day.ReplayedDay) -> None:
    """Return in the first hour of a dirty stretch, when the next clean one is worth waiting for.

    A workload that is made in a clean stretch starts at once if it fits, as it should.
    """
    wave = 2 * STRETCH_HOURS * replayed.slot_seconds

    def begins() -> bool:
        return (time.time() - replayed.begun.timestamp()) % wave < replayed.slot_seconds

    await_(begins, "a dirty stretch begins", seconds=2 * wave)
