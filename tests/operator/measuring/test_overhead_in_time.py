"""A PUE whose Prometheus is away when a job ends, in virtual time: it is read when it is back."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from standins.episodes import virtual_time
from standins.episodes.api import Api
from standins.episodes.program import ZONE, Program
from standins.episodes.world import EPOCH, EnergyStore, World

from lowtide.grid.overhead import Overhead, OverheadKind
from lowtide.grid.series import AverageSeries, Point

AWAY_SECONDS = 4 * 3600.0
INTENSITY = 200.0
PUE = 1.25


class AwayAtFirst:
    """A source of overheads whose Prometheus answers after four hours only."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[float] = []

    async def of_run(self, *_: Any) -> Overhead:
        """Return what is known by now."""
        self.asked.append(self._world.now)
        if self._world.now < AWAY_SECONDS:
            return Overhead(message="the PUE is not known: Prometheus cannot be reached")
        return Overhead(pue=PUE, kind=OverheadKind.MEASURED, source="test")


def carbon_and_reason(world: World) -> tuple[dict[str, Any], str]:
    """Return the job's carbon and the reason of its condition Measured."""
    status = world.jobs["ant"].get("status") or {}
    reasons = {one["type"]: one["reason"] for one in status.get("conditions") or ()}
    return status.get("carbon") or {}, reasons.get("Measured", "")


def test_an_overhead_that_comes_late_replaces_the_figures_without_it() -> None:
    """Provisional without the factor meanwhile, then 1.25 times the grams and no more questions."""

    async def main() -> None:
        world = World(random.Random(7))
        api, store = Api(world), EnergyStore(world)
        program = Program(world, api, store, None)
        hours = [EPOCH + timedelta(hours=k) for k in range(-2, 50)]
        points = tuple(Point(h, h + timedelta(hours=1), INTENSITY) for h in hours)
        program.grid.seen = AverageSeries(ZONE, "test", points)
        program.overheads = source = AwayAtFirst(world)
        program.start()
        container = {"name": "c", "image": "x"}
        world.create_job(
            "ant",
            {
                "schedule": {"policy": "Immediate", "expectedDurationSeconds": 600},
                "template": {"spec": {"template": {"spec": {"containers": [container]}}}},
            },
        )
        try:
            while carbon_and_reason(world)[1] != "Provisional":
                await asyncio.sleep(60)
                assert world.now < AWAY_SECONDS, world.jobs["ant"].get("status")
            without, _ = carbon_and_reason(world)
            assert "cannot be reached" in without["pueMessage"]
            assert "pue" not in without
            while carbon_and_reason(world)[1] != "Measured":
                await asyncio.sleep(60)
                assert world.now < 2 * AWAY_SECONDS, carbon_and_reason(world)
            found, _ = carbon_and_reason(world)
            assert (found["pue"], found["pueKind"]) == ("1.25", "Measured")
            grams = float(without["operationalGrams"])
            assert float(found["operationalGrams"]) == pytest.approx(PUE * grams, rel=1e-3)
            asked = len(source.asked)
            assert asked <= 2 + AWAY_SECONDS / 900
            await asyncio.sleep(6 * 3600)
            assert len(source.asked) == asked
        finally:
            await program.kill()

    virtual_time.run(main())
