"""Leadership of one operator among several: a Lease that must be held for every write.

The client library elects; this module adds what it leaves open: a deadline for each of its
requests, and a fence. The fence closes one lease after the *sending* of the last renewal that
succeeded, by a clock that goes on while the machine sleeps. A standby waits one lease after it
*saw* the last renewal, which is later, so the two never write at the same time. A leader that
cannot renew ends its process and comes back as a standby.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection import electionconfig, leaderelection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

LOG: Final = logging.getLogger(__name__)


def awake_and_asleep_seconds() -> float:
    """Return a clock that never steps and does not stop while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LostLeadershipError(Exception):
    """The Lease could not be renewed, or another operator holds it; the process ends."""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Where the Lease is and how long it lasts; renewed every `retry_seconds`."""

    namespace: str
    name: str
    identity: str
    lease_seconds: int
    retry_seconds: float

    @property
    def renew_deadline_seconds(self) -> float:
        """How long a leader tries to renew before it gives up: two thirds of the lease."""
        return self.lease_seconds * 2 / 3


class Leadership:
    """Right to write: held at all times without a Lease, else while the fence is open.

    Belongs to one event loop.
    """

    def __init__(self, *, clock: Callable[[], float] = awake_and_asleep_seconds) -> None:
        self._clock = clock
        self._until = float("inf")
        self._turn = asyncio.Event()
        self._turn.set()
        self._lock: _FencedLock | None = None

    def stand_by(self, api: client.ApiClient, terms: LeaseTerms) -> None:
        """Give up writing until the Lease is won."""
        self._until = float("-inf")
        self._turn.clear()
        self._lock = _FencedLock(api, terms, clock=self._clock, renewed=self._renewed)

    @property
    def is_held(self) -> bool:
        """Whether this operator may write now."""
        return self.remaining_seconds > 0

    @property
    def remaining_seconds(self) -> float:
        """Time for which this operator may still write without another renewal."""
        return self._until - self._clock()

    async def turn(self) -> None:
        """Wait until this operator leads, or stops."""
        await self._turn.wait()

    async def run(self) -> None:
        """Stand for election and hold the Lease; where there is none to hold, wait until cancelled.

        Raises:
            LostLeadershipError: the Lease was held and is lost.
        """
        if self._lock is None:
            await asyncio.Event().wait()
            return
        terms = self._lock.terms
        LOG.info("stands by for the Lease %s/%s as %s", terms.namespace, terms.name, terms.identity)
        election = leaderelection.LeaderElection(
            electionconfig.Config(
                self._lock,
                lease_duration=terms.lease_seconds,
                renew_deadline=terms.renew_deadline_seconds,
                retry_period=terms.retry_seconds,
                onstarted_leading=self._lead,
                onstopped_leading=_nothing,
            )
        )
        await election.run()
        raise LostLeadershipError(
            f"the Lease {terms.namespace}/{terms.name} could not be renewed for "
            f"{terms.renew_deadline_seconds:g} s, or another operator holds it: this operator ends "
            "and stands by again"
        )

    async def _lead(self) -> None:
        LOG.info("leads: holds the Lease")
        self._turn.set()

    def stop(self) -> None:
        """Let workers that wait for their turn end; they may not write without the Lease."""
        self._turn.set()

    async def release(self) -> None:
        """Give the Lease back, so that a standby need not wait until it ends."""
        if self._lock is None or not self.is_held:
            return
        self._until = float("-inf")
        await self._lock.release()

    def _renewed(self, sent: float, lease_seconds: float) -> None:
        self._until = sent + lease_seconds


async def _nothing() -> None:
    """Do nothing when the Lease is lost: `run` raises."""


class _FencedLock(LeaseLock):
    """The library's lock with a deadline for each request, telling when a renewal was sent."""

    def __init__(
        self,
        api: client.ApiClient,
        terms: LeaseTerms,
        *,
        clock: Callable[[], float],
        renewed: Callable[[float, float], None],
    ) -> None:
        super().__init__(terms.name, terms.namespace, terms.identity, api)
        self.terms = terms
        self._clock = clock
        self._renewed = renewed

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """Return whether the Lease is there, and its record or what went wrong."""
        try:
            async with asyncio.timeout(self.terms.retry_seconds):
                found: tuple[bool, Any] = await super().get(name, namespace)
                return found
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return False, ApiException(status=0, reason=str(error) or "no answer in time")

    async def create(
        self, name: str, namespace: str, election_record: LeaderElectionRecord
    ) -> bool:
        """Create the Lease; return whether this operator holds it now."""
        return await self._written(self._create(name, namespace, election_record))

    async def _create(self, name: str, namespace: str, record: LeaderElectionRecord) -> bool:
        # The library's own method (release 37) passes an argument that its generated API refuses.
        lease = client.V1Lease(
            metadata=client.V1ObjectMeta(name=name), spec=self.update_lease(record)
        )
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except ApiException:
            return False
        return True

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Renew or take the Lease; return whether this operator holds it now."""
        return await self._written(super().update(name, namespace, updated_record))

    async def _written(self, write: Awaitable[bool]) -> bool:
        sent = self._clock()
        try:
            async with asyncio.timeout(self.terms.retry_seconds):
                succeeded = await write
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            LOG.warning("the Lease could not be written: %s", error or "no answer in time")
            return False
        if succeeded:
            self._renewed(sent, self.terms.lease_seconds)
        else:
            LOG.warning("the Lease could not be written: the API server refused it")
        return succeeded

    async def release(self) -> None:
        """Release the Lease; a failure only makes the standby wait longer."""
        try:
            async with asyncio.timeout(self.terms.retry_seconds):
                lease = await self.api_instance.read_namespaced_lease(self.name, self.namespace)
                if lease.spec is None or lease.spec.holder_identity != self.identity:
                    return
                lease.spec.holder_identity = ""
                await self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, ApiException) as error:
            LOG.warning("the Lease could not be given back: %s", error or "no answer in time")
