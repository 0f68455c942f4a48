"""Lives of Jobs whose size changes, in virtual time, with the operator killed at any request.

Whatever the moment: pods of two sizes are never there together, no size changes beside pods, the
deadline is kept, the energy is the store's to the joule, and what is released has its own size.
"""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from standins.episodes import virtual_time
from standins.episodes.program import Program
from standins.episodes.wide import INDEXED, WideWorkloadWorld
from standins.episodes.workloads import KINDS, WorkloadApi
from standins.episodes.world import EPOCH, NAMESPACE, Body, EnergyStore

from lowtide import names
from lowtide.trainingjob.workload_kinds import JOB
from lowtide.units import parse_timestamp
from lowtide_operator.cluster.freeing import free_workload

pytestmark = [
    pytest.mark.slow,
    pytest.mark.beside_cluster,
    pytest.mark.usefixtures("no_log"),
]

NAME = "wide"
BASE = 2
WORK_SECONDS = 4 * 3600.0
DEADLINE_SECONDS = 9 * 3600.0
LIFE_SECONDS = 16 * 3600.0
RESTART_SECONDS = 300
STEP_SECONDS = 20.0
MOST_REQUESTS = 4000
DEADLY = 0.02
"""Share of the requests at which the operator dies."""
NOTES = {
    "deadline": f"{EPOCH + timedelta(seconds=DEADLINE_SECONDS):%Y-%m-%dT%H:%M:%SZ}",
    "expected_duration": f"{WORK_SECONDS:.0f}s",
    "interruptible": "true",
    "restart_cost": f"{RESTART_SECONDS}s",
    "min_replicas": "1",
    "max_replicas": "4",
    "efficiency": "0.9",
}
SPEC: Body = {**INDEXED, "parallelism": BASE, "completions": BASE}
OWN, THEIRS = "template", "workload"


class WideLife:
    """One elastic Job from its creation to its figures; what must hold is checked on the way."""

    def __init__(self, seed: int, whose: str) -> None:
        self.seed, self.whose = seed, whose
        self.world = WideWorkloadWorld(random.Random(seed))
        self.api = WorkloadApi(self.world)
        kinds = KINDS if whose == THEIRS else ()
        self.program = Program(self.world, self.api, EnergyStore(self.world), None, kinds)
        self.absent_seconds = 0.0
        self.ended_at: float | None = None

    def begin(self) -> None:
        """Start an operator, and let the user create the Job."""
        self.program.start()
        seconds = WORK_SECONDS * random.Random(f"work {self.seed}").uniform(0.9, 1.0)
        if self.whose == THEIRS:
            self.world.create_workload(NAME, held=True, seconds=seconds, spec=dict(SPEC), **NOTES)
            return
        self.world.seconds = seconds
        schedule = {
            "policy": "CarbonOptimal",
            "deadline": NOTES["deadline"],
            "expectedDurationSeconds": int(WORK_SECONDS),
            "interruption": {"allowed": True, "restartCostSeconds": RESTART_SECONDS},
            "elastic": {"minReplicas": 1, "maxReplicas": 4, "efficiency": "0.9"},
        }
        pod = {"spec": {"containers": [{"name": "c", "image": "x"}]}}
        self.world.create_job(
            NAME, {"schedule": schedule, "template": {"spec": {**SPEC, "template": pod}}}
        )

    @property
    def job(self) -> Body:
        """The Job, its user's or that of the TrainingJob."""
        return self.world.children.get(NAME if self.whose == THEIRS else f"{NAME}-1") or {}

    async def go_on(self) -> None:
        """Let time pass, and check at every step; absences of the operator are excused."""
        while self.world.now < LIFE_SECONDS:
            await asyncio.sleep(STEP_SECONDS)
            assert not self.world.faults, f"seed {self.seed}: {self.world.faults}"
            assert not self.world.too_early, f"seed {self.seed}: {self.world.too_early}"
            if not self.program.is_up:
                self.absent_seconds += STEP_SECONDS
            ends = (self.job.get("status") or {}).get("conditions") or ()
            if any(one["type"] == "Complete" for one in ends):
                self.ended_at = self.ended_at or self.world.now
            late = self.world.now - DEADLINE_SECONDS - self.absent_seconds
            assert self.ended_at or late < 0, f"seed {self.seed}: late, {self.sizes}"

    @property
    def sizes(self) -> list[int]:
        """Sizes that the Job ran with, one after the other."""
        return self.world.sizes(self.job["metadata"]["uid"]) if self.job else []

    def check(self) -> None:
        """Check what is left of the life hours later."""
        seed = f"seed {self.seed}"
        (body,) = self.world.jobs.values()
        status: dict[str, Any] = body["status"]
        assert status["display"]["state"] == "Complete", f"{seed}: {status['conditions']}"
        uid = self.job["metadata"]["uid"]
        truth = self.world.joules_of_workload(uid)
        assert status["energy"]["totalJoules"] == pytest.approx(truth, abs=2, rel=1e-6), seed
        ran = [one["replicas"] for one in status["attempts"] if one.get("start")]
        merged = [size for place, size in enumerate(ran) if ran[place - 1 : place] != [size]]
        assert merged == self.sizes, f"{seed}: {status['attempts']}"
        began = [parse_timestamp(one["start"]) for one in status["attempts"] if one.get("start")]
        assert began == sorted(began), seed
        if self.whose == THEIRS:
            assert names.LABEL_HELD not in self.job["metadata"]["labels"], seed


async def killed_now_and_then(seed: int, whose: str) -> WideLife:
    """Return a life in which the operator dies at some of its requests, before or after them."""
    dice = random.Random(f"deaths {seed}")
    life = WideLife(seed, whose)
    deadly = {
        (number, dice.choice(("before", "after")))
        for number in range(1, MOST_REQUESTS)
        if dice.random() < DEADLY
    }
    reached = asyncio.Event()

    async def hold(count: int, when: str) -> None:
        if (count, when) in deadly:
            deadly.discard((count, when))
            reached.set()
            await asyncio.Event().wait()

    life.api.hold = hold
    life.begin()

    async def die() -> None:
        while True:
            await reached.wait()
            reached.clear()
            await life.program.kill()
            away = dice.expovariate(1 / 60)
            await asyncio.sleep(away)
            # One that starts must read everything before it acts.
            life.absent_seconds += away + 60
            life.program.start()

    await beside(life, die())
    life.check()
    return life


async def beside(life: WideLife, trouble: Any) -> None:
    """Let a life go on to its end beside a trouble, which ends with it, as the operator does."""
    task = asyncio.create_task(trouble)
    try:
        await life.go_on()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if life.program.is_up:
            await life.program.kill()


async def released(seed: int) -> Body:
    """Return a user's Job that was let go without Lowtide while it rested at another size."""
    life = WideLife(seed, THEIRS)
    life.begin()
    while life.world.now < DEADLINE_SECONDS:
        await asyncio.sleep(1.0)
        body = life.job
        living = life.world.living(body["metadata"]["uid"])
        if body["spec"].get("suspend") and body["spec"]["parallelism"] != BASE and not living:
            await life.program.kill()
            await free_workload(life.api, JOB, life.job, life.world.wall())
            return life.job
    await life.program.kill()
    raise AssertionError(f"seed {seed}: it never rested at another size, {life.sizes}")


@pytest.mark.parametrize("whose", [OWN, THEIRS])
def test_a_job_changes_its_size_and_no_death_lets_two_sizes_meet(whose: str) -> None:
    """Two lives; the slow test plays thirty of each kind."""
    lives = [virtual_time.run(killed_now_and_then(seed, whose)) for seed in range(2)]
    assert any(len(life.sizes) > 1 for life in lives)


@pytest.mark.parametrize("whose", [OWN, THEIRS])
@pytest.mark.parametrize("first", range(2, 32, 10))
def test_lives_of_elastic_jobs_with_deaths_keep_the_promises(whose: str, first: int) -> None:
    """Seeded; a broken promise names its seed."""
    for seed in range(first, first + 10):
        virtual_time.run(killed_now_and_then(seed, whose))


def test_a_job_that_is_released_gets_its_own_size_back() -> None:
    """Whatever width it rested at: the annotation says its own, and goes with it."""
    body = virtual_time.run(released(0))
    assert body["metadata"]["namespace"] == NAMESPACE
    assert (body["spec"]["parallelism"], body["spec"]["completions"]) == (BASE, BASE)
    assert body["spec"]["suspend"] is False
    assert names.ANNOTATION_RESIZED not in body["metadata"]["annotations"]
    assert names.LABEL_HELD not in body["metadata"]["labels"]
