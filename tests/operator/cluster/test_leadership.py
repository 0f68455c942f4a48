"""One operator leads and writes; others stand by, and take over when it is gone."""

import asyncio
from typing import Any

import pytest
from standins.kubernetes.fake_api import JOBS, LEASES, TRAININGJOBS, FakeApi

from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.errors import NotLeadingError
from lowtide_operator.cluster.leadership import Leadership, LeaseTerms, LostLeadershipError
from lowtide_operator.objects.key import Key

TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "train", "image": "trainer"}]}}}}
LEASE = {"leaseNamespace": "default", "leaseSeconds": 3, "leaseRetrySeconds": 1}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def terms(identity: str) -> LeaseTerms:
    """The shortest Lease that the client library allows."""
    return LeaseTerms("default", "lowtide-operator", identity, lease_seconds=3, retry_seconds=1)


def holder(api: FakeApi) -> str | None:
    """The leader by the Lease."""
    lease = api.get(LEASES, "lowtide-operator")
    return None if lease is None else lease["spec"].get("holderIdentity")


def create_job(api: FakeApi, name: str) -> None:
    """A TrainingJob that may start at once."""
    api.create(
        TRAININGJOBS,
        {
            "metadata": {"name": name},
            "spec": {"schedule": {"policy": "Immediate"}, "template": TEMPLATE},
        },
    )


def test_without_a_lease_an_operator_always_leads() -> None:
    """For one operator on one machine nothing has to be asked."""
    assert Leadership().is_held


async def test_a_standby_writes_nothing(api: FakeApi, kubeconfig: Any) -> None:
    """Not even when a worker tries."""
    client = await connect(workers=1)
    try:
        leadership = Leadership()
        leadership.stand_by(client, terms("b"))
        cluster = Cluster(client, leadership, timeout_seconds=5)
        with pytest.raises(NotLeadingError, match="nothing is written"):
            await cluster.write_status(Key("default", "net"), {}, "1")
        with pytest.raises(NotLeadingError):
            await cluster.set_suspended("default", "net-1", "uid-1", suspended=True)
        assert api.writes() == []
    finally:
        await client.close()


async def test_the_fence_closes_one_lease_after_the_last_renewal_was_sent(
    api: FakeApi, kubeconfig: Any
) -> None:
    """Whatever the process believes: a machine that slept may no longer write."""
    client = await connect(workers=1)
    clock = Clock()
    leadership = Leadership(clock=clock)
    leadership.stand_by(client, terms("a"))
    running = asyncio.create_task(leadership.run())
    try:
        await asyncio.wait_for(leadership.turn(), 240)
        assert leadership.remaining_seconds == pytest.approx(3)
        assert holder(api) == "a"
        clock.seconds += 2.9
        assert leadership.is_held
        clock.seconds += 0.1
        assert not leadership.is_held
    finally:
        running.cancel()
        await client.close()


@pytest.mark.slow
async def test_a_leader_that_cannot_renew_gives_up_before_its_lease_ends(
    api: FakeApi, kubeconfig: Any
) -> None:
    """It ends with a sentence that says why; the fence is closed by then or soon after."""
    client = await connect(workers=1)
    leadership = Leadership()
    leadership.stand_by(client, terms("a"))
    running = asyncio.create_task(leadership.run())
    try:
        await asyncio.wait_for(leadership.turn(), 240)

        def refuse(method: str, path: str) -> int | None:
            return 503 if "leases" in path else None

        api.fail_next.extend([refuse] * 50)
        with pytest.raises(LostLeadershipError, match="could not be renewed"):
            await asyncio.wait_for(running, 240)
    finally:
        running.cancel()
        await client.close()


@pytest.mark.slow
async def test_the_standby_takes_over_from_a_leader_that_died(
    api: FakeApi, operator: Any, kubeconfig: Any
) -> None:
    """The Lease of a killed leader runs out; the job that it had not seen starts once."""
    client = await connect(workers=1)
    dead = Leadership()
    dead.stand_by(client, terms("dead"))
    running = asyncio.create_task(dead.run())
    await asyncio.wait_for(dead.turn(), 240)
    async with operator(cluster=LEASE):
        create_job(api, "net")
        await asyncio.sleep(0)
        assert api.get(JOBS, "net-1") is None
        running.cancel()  # Without giving the Lease back.
        await api.until(lambda: api.get(JOBS, "net-1"))
        assert holder(api) not in (None, "dead")
        assert not dead.is_held
    await client.close()


@pytest.mark.slow
async def test_of_two_operators_one_acts_and_a_stopped_one_hands_over(
    api: FakeApi, operator: Any
) -> None:
    """Two operators with different plans do not fight, and a rolling update costs no wait."""
    async with operator(cluster=LEASE):
        await api.until(lambda: holder(api))
        first = holder(api)
        async with operator(cluster=LEASE):
            create_job(api, "one")
            await api.until(lambda: api.get(JOBS, "one-1"))
            assert holder(api) == first
        assert holder(api) == first
    assert holder(api) == ""
    async with operator(cluster=LEASE):
        create_job(api, "two")
        await api.until(lambda: api.get(JOBS, "two-1"))
    names = [job["metadata"]["name"] for job in api.all(JOBS)]
    assert names == ["one-1", "two-1"]
