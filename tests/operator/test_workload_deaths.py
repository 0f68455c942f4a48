"""Lives of labelled workloads in virtual time, with the operator killed at each step of one.

Whatever the moment: one TrainingJob stands beside the workload, the workload is let go by its
latest start, goes on only when no pod is left, ends, is measured to the joule, and nothing of our
mark stays on it.
"""

import asyncio
import random
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from standins.episodes import virtual_time
from standins.episodes.program import Program
from standins.episodes.workloads import KINDS, WorkloadApi, WorkloadWorld
from standins.episodes.world import EPOCH, EnergyStore

from lowtide import names
from lowtide.units import parse_timestamp

pytestmark = pytest.mark.usefixtures("no_log")

NAME = "bert"
DELAY_SECONDS = 3 * 3600.0
WORK_SECONDS = 4000.0
LIFE_SECONDS = 12 * 3600.0
GRACE_SECONDS = 120.0
STEP_SECONDS = 20.0
REQUESTS = 24
"""More than a TrainingJob, a hold, a start, its record and the looks beside it need."""
PAUSE_SECONDS = 4.0
PAUSE_REQUESTS = 12
"""More than the writes of a pause and of its end, with the looks between them."""
NOTES = {
    "max_delay": "3h",
    "expected_duration": "4000s",
    "interruptible": "true",
    "restart_cost": "60s",
}


class Life:
    """One workload from its creation to its figures; what must hold is checked on the way."""

    def __init__(self, seed: int, *, held: bool) -> None:
        self.seed, self._held = seed, held
        self.world = WorkloadWorld(random.Random(seed))
        self.api = WorkloadApi(self.world)
        self.program = Program(self.world, self.api, EnergyStore(self.world), None, KINDS)
        self.absent_seconds = 0.0

    def begin(self) -> None:
        """Start an operator, and let the user create the workload."""
        self.program.start()
        self.world.create_workload(NAME, held=self._held, seconds=WORK_SECONDS, **NOTES)

    async def rest(self, seconds: float) -> None:
        """Let the user suspend the TrainingJob, and resume it after a while."""
        for suspended in (True, False):
            for name in list(self.world.jobs):

                def change(body: dict[str, Any], to: bool = suspended) -> None:
                    body["spec"] = {**body["spec"], "suspend": to}

                self.world.edit_job(name, change)
            if suspended:
                await asyncio.sleep(seconds)
        self.absent_seconds += seconds + 60

    async def go_on(self) -> None:
        """Let time pass, and check at every step; absences of the operator are excused."""
        while self.world.now < LIFE_SECONDS:
            await asyncio.sleep(STEP_SECONDS)
            body = self.world.children[NAME]
            uid = body["metadata"]["uid"]
            assert len(self.world.living(uid)) <= 1, f"seed {self.seed}: two pods at a time"
            early = self.world.too_early
            assert not early, f"seed {self.seed}: it goes on while {early} are there"
            beside = list(self.world.jobs.values())
            assert len(beside) <= 1, f"seed {self.seed}: {[*self.world.jobs]} for one workload"
            if not self.program.is_up:
                self.absent_seconds += STEP_SECONDS
            has_begun = any(pod.job == uid for pod in self.world.pods.values())
            late = self.world.now - DELAY_SECONDS - self.absent_seconds - GRACE_SECONDS
            assert has_begun or late < 0, f"seed {self.seed}: held {late:.0f} s too long"

    def check(self) -> None:
        """Check what is left of the life a day later."""
        seed, body = f"seed {self.seed}", self.world.children[NAME]
        (beside,) = self.world.jobs.values()
        status: dict[str, Any] = beside["status"]
        (condition,) = body["status"]["conditions"]
        assert status["display"]["state"] in (condition["type"], "CompletedLate"), seed
        assert names.LABEL_HELD not in body["metadata"]["labels"], seed
        assert names.ANNOTATION_LATEST_START not in body["metadata"]["annotations"], seed
        truth = self.world.joules_of_workload(body["metadata"]["uid"])
        assert truth > 0, seed
        assert status["energy"]["totalJoules"] == pytest.approx(truth, abs=2, rel=1e-6), seed
        assert status["target"]["uid"] == body["metadata"]["uid"], seed
        ends = [parse_timestamp(one["end"]) for one in status["attempts"]]
        assert ends[-1] - EPOCH < timedelta(seconds=self.world.now), seed


async def go_on_beside(life: Life, trouble: Coroutine[Any, Any, None]) -> None:
    """Let a life go on to its end beside a trouble, which ends with it, as the operator does."""
    task = asyncio.create_task(trouble)
    try:
        await life.go_on()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if life.program.is_up:
            await life.program.kill()


async def killed_at(number: int, moment: str, *, held: bool) -> Life:
    """Return a life in which the operator dies at its request `number`, and another comes."""
    life = Life(number, held=held)
    reached = asyncio.Event()

    async def hold(count: int, when: str) -> None:
        if (count, when) == (number, moment):
            reached.set()
            await asyncio.Event().wait()

    life.api.hold = hold
    life.begin()

    async def die() -> None:
        await reached.wait()
        await life.program.kill()
        await asyncio.sleep(90)
        life.program.start()

    await go_on_beside(life, die())
    life.check()
    return life


async def killed_in_a_pause(number: int, moment: str) -> Life:
    """Return a life in which the operator dies at its request `number` after a pause began."""
    life = Life(number, held=True)
    reached, asked = asyncio.Event(), 0
    is_resting = False

    async def hold(_: int, when: str) -> None:
        nonlocal asked
        asked += is_resting and when == moment
        if is_resting and when == moment and asked == number:
            reached.set()
            await asyncio.Event().wait()

    life.api.hold = hold
    life.begin()

    async def rest_and_die() -> None:
        nonlocal is_resting
        while not any(pod.phase == "Running" for pod in life.world.pods.values()):
            await asyncio.sleep(STEP_SECONDS)
        is_resting = True
        pause = asyncio.create_task(life.rest(PAUSE_SECONDS))
        await reached.wait()
        await life.program.kill()
        await asyncio.sleep(90)
        life.program.start()
        await pause

    await go_on_beside(life, rest_and_die())
    assert reached.is_set(), f"request {number} {moment} was never made"
    life.check()
    return life


async def killed_again_and_again(seed: int) -> Life:
    """Return a life with deaths, gaps of the watch, outages and a lost node at random."""
    dice = random.Random(seed)
    life = Life(seed, held=dice.random() < 0.7)
    life.api.noise = dice.choice((0.0, 0.02))
    life.begin()

    async def trouble() -> None:
        while life.world.now < 6 * 3600:
            await asyncio.sleep(dice.expovariate(1 / 600))
            match dice.choice(("kill", "kill", "gap", "outage", "node", "suspend", "suspend")):
                case "suspend":
                    # Shorter than the pods need to save: what goes on must wait for their end.
                    await life.rest(dice.uniform(1, 40))
                case "kill":
                    await life.program.kill()
                    await asyncio.sleep(dice.expovariate(1 / 60))
                    life.program.start()
                case "gap":
                    life.program.in_gap = True
                    await asyncio.sleep(dice.expovariate(1 / 120))
                    life.program.in_gap = False
                    life.program.list_anew()
                case "outage":
                    life.api.is_down = True
                    wait = dice.expovariate(1 / 120)
                    await asyncio.sleep(wait)
                    # What failed is tried again after a backoff of as long.
                    life.absent_seconds += 2 * wait + 300
                    life.api.is_down = False
                case "node":
                    life.world.lose_node()
        life.api.noise = 0.0

    await go_on_beside(life, trouble())
    life.check()
    return life


@pytest.mark.parametrize("number", [1, 4, 9])
def test_a_death_at_a_step_changes_nothing_of_a_workloads_life(number: int) -> None:
    """Held by admission; the other steps are in the slow tests."""
    virtual_time.run(killed_at(number, "after", held=True))


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("held", [True, False], ids=["held by admission", "held by the operator"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_no_death_at_any_step_changes_anything_of_a_workloads_life(moment: str, held: bool) -> None:
    """Before or after the API server has acted on each of the first requests."""
    for number in range(1, REQUESTS + 1):
        virtual_time.run(killed_at(number, moment, held=held))


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("moment", ["before", "after"])
def test_no_death_at_any_step_of_a_pause_changes_anything_of_a_workloads_life(moment: str) -> None:
    """Suspended by its user and resumed: counted to the joule, and nothing of our mark stays."""
    for number in range(1, PAUSE_REQUESTS + 1):
        virtual_time.run(killed_in_a_pause(number, moment))


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("first", range(0, 60, 10))
def test_sixty_lives_with_faults_and_deaths_keep_the_promises(first: int) -> None:
    """Seeded; a broken promise names its seed."""
    for seed in range(first, first + 10):
        virtual_time.run(killed_again_and_again(seed))
