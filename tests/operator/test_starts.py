"""The start of a job, with the operator killed before or after each of its requests in turn.

The user deletes the Job at that moment, or leaves it; the next operator must neither start the
training twice nor forget it.
"""

import asyncio
import random
from typing import Any

import pytest
from standins.episodes import virtual_time
from standins.episodes.api import Api
from standins.episodes.program import Program
from standins.episodes.world import EnergyStore, World, endings

from lowtide.trainingjob.holding import QUEUE_LABEL

pytestmark = pytest.mark.usefixtures("no_log")

NAME = "net"
REQUESTS = 12
"""More than a start needs: the template is checked, the Job made, recorded and released."""
HOURS_SECONDS = 4 * 3600.0
"""Long after the end of the job, of its measurement and of every backoff."""


async def killed_at(
    number: int, moment: str, *, deletes: bool, queue: str = ""
) -> tuple[int, str, bool]:
    """Return how many Jobs started, the state hours later, and whether a released Job was deleted.

    The operator dies at its request `number`, before or after the API server has acted on it.
    """
    world = World(random.Random(number))
    api, store = Api(world), EnergyStore(world)
    program = Program(world, api, store, None)
    reached = asyncio.Event()

    async def hold(count: int, when: str) -> None:
        if (count, when) == (number, moment):
            reached.set()
            await asyncio.Event().wait()

    api.hold = hold
    program.start()
    template: dict[str, Any] = {
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}}
    }
    if queue:
        template["metadata"] = {"labels": {QUEUE_LABEL: queue}}
    schedule = {"policy": "Immediate", "expectedDurationSeconds": 600}
    body = world.create_job(NAME, {"schedule": schedule, "template": template})
    await asyncio.wait([asyncio.create_task(reached.wait())], timeout=HOURS_SECONDS)
    await program.kill()
    had_started = bool(world.started[body["metadata"]["uid"]])
    child = world.children.get(f"{NAME}-1")
    has_ended = bool(child and endings(child))
    is_lost = deletes and had_started and not has_ended
    if deletes and child is not None and not has_ended:
        world.delete_child(f"{NAME}-1")
    program.start()
    await asyncio.sleep(HOURS_SECONDS)
    await program.kill()
    state = world.jobs[NAME]["status"]["display"]["state"]
    return world.started[body["metadata"]["uid"]], state, is_lost


@pytest.mark.parametrize(
    "queue", ["", pytest.param("team-a", marks=pytest.mark.slow)], ids=["no queue", "queued"]
)
@pytest.mark.parametrize(
    "deletes",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["left alone", "Job deleted"],
)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, REQUESTS + 1))
def test_no_death_within_a_start_starts_a_job_twice(
    number: int, moment: str, deletes: bool, queue: str
) -> None:
    """A Job that was let go and deleted is lost for good; every other one runs to its end, once.

    A queued one is let go by Kueue within two seconds of its entry into the queue.
    """
    starts, state, is_lost = virtual_time.run(
        killed_at(number, moment, deletes=deletes, queue=queue)
    )
    assert starts <= 1
    if is_lost:
        assert state == "Failed"
    elif not deletes:
        assert (starts, state in ("Complete", "Failed")) == (1, True)


@pytest.mark.parametrize(
    "queue", ["", pytest.param("team-a", marks=pytest.mark.slow)], ids=["no queue", "queued"]
)
def test_the_requests_of_a_start_are_all_among_those_that_are_interrupted(queue: str) -> None:
    """The last request of the list comes after the training has started."""
    states = {
        virtual_time.run(killed_at(n, "after", deletes=True, queue=queue))[2] for n in (1, REQUESTS)
    }
    assert states == {False, True}
