"""Of two installations that serve a namespace, one writes there and the other says so."""

import asyncio
import copy
import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standins.kubernetes.fake_api import JOBS, LEASES, TRAININGJOBS, FakeApi

from lowtide import names
from lowtide_operator.cluster.claims import Claims, ClaimTerms
from lowtide_operator.cluster.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)

TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "train", "image": "trainer"}]}}}}
SECONDS = 300
IDLE_SECONDS = 3000.0


class Leases:
    """The API server's Leases; a test says how many of the next requests fail."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.error: Exception | None = None
        self.is_cut_off = False
        """Whether a write is done and its answer lost."""
        self.answers = asyncio.Event()
        """Not set: reads get no answer."""
        self.answers.set()
        self.calls = 0
        self._versions = itertools.count(1)

    async def get_lease(self, namespace: str) -> dict[str, Any] | None:
        """Return the Lease of a namespace."""
        self._called()
        await self.answers.wait()
        return copy.deepcopy(self.stored.get(namespace))

    async def create_lease(self, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Create it."""
        self._called()
        if namespace in self.stored:
            raise ConflictError("it exists", status=409)
        return self._write({"metadata": {"namespace": namespace}, "spec": dict(spec)})

    async def replace_lease(self, lease: dict[str, Any]) -> dict[str, Any]:
        """Write it."""
        self._called()
        stored = self.stored.get(lease["metadata"]["namespace"])
        if stored is None:
            raise NotFoundError("it is gone", status=404)
        if stored["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise ConflictError("it has changed", status=409)
        return self._write(copy.deepcopy(lease))

    def _write(self, lease: dict[str, Any]) -> dict[str, Any]:
        lease["metadata"]["resourceVersion"] = str(next(self._versions))
        self.stored[lease["metadata"]["namespace"]] = lease
        if self.is_cut_off:
            raise UnreachableError("the answer was cut off")
        return lease

    def _called(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


class Clock:
    """A clock that a test sets."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def installation(name: str, leases: Leases, clock: Clock) -> Claims:
    """Return the claims of an installation."""
    claims = Claims(clock=clock)
    wall = datetime(2026, 11, 30, tzinfo=UTC)
    claims.ask_for(ClaimTerms(name, SECONDS, IDLE_SECONDS), leases, lambda: wall)
    return claims


async def test_without_terms_every_namespace_may_be_written_in() -> None:
    """An operator on a machine outside of the cluster asks for nothing."""
    claims = Claims()
    assert await claims.hold("ml")
    assert claims.remaining_seconds("ml") == float("inf")


async def test_the_first_one_serves_and_the_other_names_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One sentence in the log, whatever number of jobs is looked at, and one request a while."""
    leases, clock = Leases(), Clock()
    first, second = (installation(name, leases, clock) for name in ("a/lowtide", "b/lowtide"))
    assert await first.hold("ml")
    calls = leases.calls
    for _ in range(100):
        assert not await second.hold("ml")
    assert leases.calls == calls + 1
    assert second.of_others == {"ml": "a/lowtide"}
    assert second.remaining_seconds("ml") == 0
    said = [r.getMessage() for r in caplog.records if "writes nothing there" in r.getMessage()]
    assert said == [
        "the operator a/lowtide serves namespace ml: this one writes nothing there; remove one of "
        "the two, or give each its own watchNamespaces"
    ]
    assert await second.hold("vision")


async def test_replicas_of_one_installation_share_its_claim() -> None:
    """A standby that takes over waits for no claim to run out."""
    leases, clock = Leases(), Clock()
    before, after = (installation("a/lowtide", leases, clock) for _ in range(2))
    assert await before.hold("ml")
    assert await after.hold("ml")
    assert leases.stored["ml"]["spec"]["leaseTransitions"] == 0


async def test_a_namespace_of_one_that_is_gone_is_served_when_its_claim_has_run_out() -> None:
    """The other waits the whole term after what it saw last, by its own clock."""
    leases, clock = Leases(), Clock()
    gone, other = (installation(name, leases, clock) for name in ("a/lowtide", "b/lowtide"))
    assert await gone.hold("ml")
    clock.seconds += 250
    assert not await other.hold("ml")
    clock.seconds += SECONDS - 1
    assert not await other.hold("ml")
    clock.seconds += SECONDS / 3
    assert await other.hold("ml")
    assert other.of_others == {}
    assert not await gone.hold("ml")
    assert leases.stored["ml"]["spec"]["leaseTransitions"] == 1


async def test_a_claim_is_renewed_while_jobs_are_looked_at_and_then_given_up() -> None:
    """An hour of looks every ten minutes, then none: what is kept is bounded."""
    leases, clock = Leases(), Clock()
    mine, other = (installation(name, leases, clock) for name in ("a/lowtide", "b/lowtide"))
    for second in range(0, 3600, 30):
        clock.seconds += 30
        if second % 600 == 0:
            assert await mine.hold("ml")
        await mine.renew()
        assert mine.remaining_seconds("ml") > SECONDS / 2
        assert not await other.hold("ml")
    # Once each hundred seconds, a read and a write each; the other reads as often.
    assert leases.calls <= 4 * 36 + 4
    for _ in range(0, 3600, 30):
        clock.seconds += 30
        await mine.renew()
    calls = leases.calls
    await mine.renew()
    assert leases.calls == calls
    assert not await other.hold("ml")
    clock.seconds += SECONDS
    assert await other.hold("ml")


async def test_a_renewal_without_an_answer_holds_no_look_up() -> None:
    """The claim is held until its end, whatever becomes of its renewal."""
    leases, clock = Leases(), Clock()
    claims = installation("a/lowtide", leases, clock)
    assert await claims.hold("ml")
    clock.seconds += SECONDS / 2
    leases.answers.clear()
    renewal = asyncio.create_task(claims.renew())
    while leases.calls < 3:
        await asyncio.sleep(0)
    assert await asyncio.wait_for(claims.hold("ml"), 240)
    assert not renewal.done()
    leases.answers.set()
    await renewal
    assert claims.remaining_seconds("ml") == SECONDS


async def test_a_missing_right_is_named_and_nothing_is_written() -> None:
    """A chart with roles of somebody's own, made for an earlier version."""
    leases, clock = Leases(), Clock()
    leases.error = RefusedError("leases is forbidden", status=403)
    claims = installation("a/lowtide", leases, clock)
    with pytest.raises(RefusedError, match="needs the rights get, create and update on the Lease"):
        await claims.hold("ml")
    assert claims.remaining_seconds("ml") == 0


async def test_the_claim_on_a_deleted_namespace_is_given_up() -> None:
    """Nothing is asked for a namespace that is gone."""
    leases, clock = Leases(), Clock()
    claims = installation("a/lowtide", leases, clock)
    assert await claims.hold("ml")
    clock.seconds += SECONDS / 2
    leases.error = NotFoundError("namespaces ml not found", status=404)
    await claims.renew()
    calls = leases.calls
    await claims.renew()
    assert leases.calls == calls
    assert claims.remaining_seconds("ml") == 0


async def test_a_lease_that_a_user_deleted_is_made_again() -> None:
    """By the one that held it, at the next renewal."""
    leases, clock = Leases(), Clock()
    claims = installation("a/lowtide", leases, clock)
    assert await claims.hold("ml")
    del leases.stored["ml"]
    clock.seconds += SECONDS / 2
    await claims.renew()
    assert leases.stored["ml"]["spec"]["holderIdentity"] == "a/lowtide"
    assert claims.remaining_seconds("ml") == SECONDS


@pytest.mark.parametrize("seed", range(40))
def test_two_installations_never_may_write_at_the_same_time(seed: int) -> None:
    """Whatever fails and however long it takes; one of them serves when nothing fails any more."""
    dice = random.Random(seed)

    async def play() -> None:
        leases, clock = Leases(), Clock()
        both = [installation(name, leases, clock) for name in ("a/lowtide", "b/lowtide")]
        for _ in range(400):
            leases.error = UnreachableError("no answer") if dice.random() < 0.3 else None
            leases.is_cut_off = dice.random() < 0.2
            one = dice.choice(both)
            try:
                if dice.random() < 0.5:
                    await one.hold("ml")
                else:
                    await one.renew()
            except UnreachableError:
                pass
            writers = [claims.remaining_seconds("ml") > 0 for claims in both]
            assert sum(writers) <= 1, f"seed {seed}"
            clock.seconds += dice.choice((0.1, 5, 60, 60, 200))
        leases.error, leases.is_cut_off = None, False
        for _ in range(8):
            held = [await claims.hold("ml") for claims in both]
            clock.seconds += SECONDS / 3
        assert sum(held) == 1, f"seed {seed}"

    asyncio.run(play())


def lease_of(name: str, claim_seconds: int) -> dict[str, Any]:
    """Return the settings of an installation; one of two leads by a Lease of its own."""
    terms = {"leaseNamespace": "default", "leaseName": name, "leaseSeconds": 240}
    return {**terms, "leaseRetrySeconds": 1, "claimSeconds": claim_seconds}


def create_job(api: FakeApi, name: str) -> None:
    """Create a TrainingJob that may start at once."""
    spec = {"schedule": {"policy": "Immediate"}, "template": TEMPLATE}
    api.create(TRAININGJOBS, {"metadata": {"name": name}, "spec": spec})


@pytest.mark.slow
async def test_of_two_installations_one_acts_until_it_is_removed(
    api: FakeApi, operator: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Both lead, each by its own Lease; the second serves the namespace when the first is gone."""

    def holder() -> str:
        claim = api.get(LEASES, names.CLAIM)
        return "" if claim is None else str(claim["spec"]["holderIdentity"])

    async with operator(cluster=lease_of("first", 3600)):
        create_job(api, "one")
        await api.until(lambda: api.get(JOBS, "one-1"))
        assert holder() == "default/first"
        async with operator(cluster=lease_of("second", 3)):
            await api.until(lambda: "default/first serves namespace default" in caplog.text)
            create_job(api, "two")
            await api.until(lambda: api.get(JOBS, "two-1"))
            assert holder() == "default/first"
    # As if an hour had passed since the first one renewed its claim.
    api.change(LEASES, names.CLAIM, {"spec": {"leaseDurationSeconds": 1}})
    async with operator(cluster=lease_of("second", 3)):
        create_job(api, "three")
        await api.until(lambda: api.get(JOBS, "three-1"))
        assert holder() == "default/second"
    assert {job["metadata"]["name"] for job in api.all(JOBS)} == {"one-1", "two-1", "three-1"}
