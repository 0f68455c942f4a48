"""Claims of an installation on the namespaces that it serves: a Lease in each of them.

The Lease of the leader keeps the replicas of one installation apart. Two installations have two of
those, wherever they are; what they share is the namespace of a job, so the claim lies there, and
needs no right elsewhere. It is taken before the first write in a namespace, renewed while jobs
there are looked at, and closed by the fence of `leadership`: a claim ends for its holder one term
after the *sending* of its last renewal, for others one term after they *saw* it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from lowtide import names
from lowtide_operator.cluster.errors import ClusterError, ConflictError, NotFoundError, RefusedError
from lowtide_operator.cluster.leadership import awake_and_asleep_seconds

LOG: Final = logging.getLogger(__name__)
TRIES: Final = 3
"""Reads of a Lease that another operator changes meanwhile."""

Lease = dict[str, Any]


class LeaseStore(Protocol):
    """Where claims are; `lowtide_operator.cluster.claim_calls.ClaimCalls` is one."""

    async def get_lease(self, namespace: str) -> Lease | None:
        """Return the Lease of a namespace, `None` if there is none."""
        ...

    async def create_lease(self, namespace: str, spec: Lease) -> Lease:
        """Create it."""
        ...

    async def replace_lease(self, lease: Lease) -> Lease:
        """Write it, if it is still the version that was read."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """Who claims namespaces, and for how long."""

    holder: str
    """Name of the installation; its replicas share it."""
    seconds: int
    """How long a claim lasts after its last renewal; renewed every third of it."""
    idle_seconds: float
    """A claim is given up when nothing was looked at in its namespace for so long."""


@dataclass(slots=True)
class _Claim:
    until: float = float("-inf")
    used: float = float("-inf")
    asked: float = float("-inf")
    other: str = ""
    """Holder of the namespace, where it is not this operator."""
    seen: str = ""
    """Version of another's Lease, and when it was first seen."""
    seen_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Claims:
    """Namespaces in which this operator may write: all of them, until terms are given.

    Belongs to one event loop.
    """

    def __init__(self, *, clock: Callable[[], float] = awake_and_asleep_seconds) -> None:
        self._clock = clock
        self._claims: dict[str, _Claim] = {}
        self._terms: ClaimTerms | None = None
        self._store: LeaseStore | None = None
        self._wall_clock: Callable[[], datetime] | None = None

    def ask_for(
        self, terms: ClaimTerms, store: LeaseStore, wall_clock: Callable[[], datetime]
    ) -> None:
        """Write in no namespace any more without its claim."""
        self._terms, self._store, self._wall_clock = terms, store, wall_clock

    @property
    def of_others(self) -> dict[str, str]:
        """Who serves the namespaces that this operator would serve too, by namespace."""
        return {name: claim.other for name, claim in self._claims.items() if claim.other}

    @property
    def look_seconds(self) -> float:
        """Distance between two looks at a claim, one's own or another's."""
        return 0.0 if self._terms is None else self._terms.seconds / 3

    def remaining_seconds(self, namespace: str) -> float:
        """Return for how long this operator may write in a namespace without another renewal."""
        if self._terms is None:
            return float("inf")
        claim = self._claims.get(namespace)
        return 0.0 if claim is None else max(0.0, claim.until - self._clock())

    async def hold(self, namespace: str) -> bool:
        """Return whether this operator may write in a namespace, after a try to claim it.

        Raises:
            ClusterError: the API server did not answer, or the right to Leases there is missing.
        """
        if self._terms is None:
            return True
        claim = self._claims.setdefault(namespace, _Claim())
        claim.used = self._clock()
        if claim.until > self._clock():
            # A renewal may be under way, and hang: what is held is held until it ends.
            return True
        async with claim.lock:
            if claim.until > self._clock():
                return True
            if claim.other and self._clock() < claim.asked + self.look_seconds:
                return False
            return await self._take(namespace, claim, self._terms)

    async def run(self) -> None:
        """Renew the claims that are in use, until cancelled."""
        while True:
            # Three looks for each renewal, so that one is no later than half the term.
            await asyncio.sleep(self.look_seconds / 3 or 3600.0)
            await self.renew()

    async def renew(self) -> None:
        """Renew the claims that are due; a failure is tried again at the next look."""
        terms = self._terms
        if terms is None:
            return
        now = self._clock()
        for namespace, claim in list(self._claims.items()):
            if now > claim.used + terms.idle_seconds:
                del self._claims[namespace]
                continue
            if not 0 < claim.until - now <= terms.seconds - self.look_seconds:
                continue
            try:
                async with claim.lock:
                    await self._take(namespace, claim, terms)
            except (RefusedError, NotFoundError) as error:
                # A namespace that is deleted takes no Lease any more.
                LOG.warning("the claim on namespace %s is given up: %s", namespace, error)
                del self._claims[namespace]
            except ClusterError as error:
                LOG.warning("the claim on namespace %s is not renewed: %s", namespace, error)

    async def _take(self, namespace: str, claim: _Claim, terms: ClaimTerms) -> bool:
        """Claim a namespace, or renew the claim; return whether it is held now."""
        claim.asked = self._clock()
        for _ in range(TRIES):
            lease = await self._found(namespace)
            if lease is not None and not self._is_free(lease, claim, terms):
                self._yield_to(namespace, claim, lease)
                return False
            sent = self._clock()
            try:
                await self._write(namespace, lease, terms)
            except ConflictError:
                # Another operator was faster: what is there now counts.
                continue
            except NotFoundError:
                if lease is None:
                    raise
                continue
            if claim.until <= sent:
                LOG.info("serves namespace %s as %s", namespace, terms.holder)
            claim.until, claim.other, claim.seen = sent + terms.seconds, "", ""
            return True
        raise ConflictError(f"the Lease {namespace}/{names.CLAIM} changes all the time")

    async def _found(self, namespace: str) -> Lease | None:
        assert self._store is not None
        try:
            return await self._store.get_lease(namespace)
        except RefusedError as error:
            raise RefusedError(
                f"nothing is written in namespace {namespace}: the operator needs the rights get, "
                f"create and update on the Lease {names.CLAIM} there ({error})",
                status=error.status,
            ) from None

    async def _write(self, namespace: str, lease: Lease | None, terms: ClaimTerms) -> None:
        assert self._store is not None
        assert self._wall_clock is not None
        now = f"{self._wall_clock():%Y-%m-%dT%H:%M:%S.%fZ}"
        spec = {"leaseDurationSeconds": terms.seconds, "renewTime": now}
        before = {} if lease is None else dict(lease.get("spec") or {})
        if before.get("holderIdentity") != terms.holder:
            count = int(before.get("leaseTransitions") or 0) + (lease is not None)
            spec |= {"holderIdentity": terms.holder, "acquireTime": now, "leaseTransitions": count}
        if lease is None:
            await self._store.create_lease(namespace, spec)
        else:
            await self._store.replace_lease({**lease, "spec": {**before, **spec}})

    def _is_free(self, lease: Lease, claim: _Claim, terms: ClaimTerms) -> bool:
        """Return whether a Lease is this operator's, or the one of an operator that is gone."""
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") in (terms.holder, "", None):
            return True
        # Each renewal makes a new version, whatever the wall clock of the other says.
        version = str(lease["metadata"].get("resourceVersion"))
        if version != claim.seen:
            claim.seen, claim.seen_at = version, self._clock()
        lasts = float(spec.get("leaseDurationSeconds") or terms.seconds)
        return self._clock() >= claim.seen_at + lasts

    def _yield_to(self, namespace: str, claim: _Claim, lease: Lease) -> None:
        holder = str(lease["spec"]["holderIdentity"])
        if claim.other != holder:
            LOG.error("%s", served_by(namespace, holder))
        claim.until, claim.other = float("-inf"), holder


def served_by(namespace: str, holder: str) -> str:
    """Return what an operator says of a namespace that another one serves."""
    return (
        f"the operator {holder} serves namespace {namespace}: this one writes nothing there; "
        "remove one of the two, or give each its own watchNamespaces"
    )
