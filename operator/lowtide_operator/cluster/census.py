"""Census of the cluster: does the cache still hold what the API server holds?

A watch tells what changes, but not what was deleted while it was broken: after a restart of the
API server a new list simply lacks the object. So the names, uids and versions of all TrainingJobs
and of their Jobs are listed now and then, and soon after a watch was broken, and compared with
the cache. A difference is confirmed by reading that one object before it is believed, so an event
that overtakes the list does no harm. A list that fails concludes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from lowtide import names
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.errors import ClusterError
from lowtide_operator.cluster.listings import ObjectIdentity
from lowtide_operator.objects.key import Key
from lowtide_operator.tally import Tally

LOG: Final = logging.getLogger(__name__)
SETTLE_SECONDS: Final = 1.0
"""A new list of the watch has this long to arrive before it is compared."""
RETRY_SECONDS: Final = 10.0
"""After a census that failed the next one follows so soon, then after twice as long."""
MOST_DOUBLINGS: Final = 16
MOST_READS: Final = 500
"""Objects that one census reads at most; the rest is left to the next one."""

Body = dict[str, Any]


class Register(Protocol):
    """Where objects are listed and read; `lowtide_operator.cluster.client.Cluster` is one."""

    async def list_training_jobs(self, namespace: str | None) -> Sequence[ObjectIdentity]:
        """Return the identities of all TrainingJobs."""
        ...

    async def list_jobs(self, namespace: str | None, label: str) -> Sequence[ObjectIdentity]:
        """Return the identities of all Jobs with a label."""
        ...

    async def get_training_job(self, key: Key) -> Body | None:
        """Return a TrainingJob."""
        ...

    async def get_job(self, namespace: str, name: str) -> Body | None:
        """Return a Job."""
        ...


class Census:
    """Comparison of the cache with the API server, again and again; belongs to one event loop."""

    def __init__(
        self,
        register: Register,
        cache: Cache,
        tally: Tally,
        *,
        namespaces: Sequence[str],
        period_seconds: float,
        on_change: Callable[[Key], None],
    ) -> None:
        self._register = register
        self._cache = cache
        self._tally = tally
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._period_seconds = period_seconds
        self._on_change = on_change
        self._wanted = asyncio.Event()
        self._reads = 0

    def soon(self) -> None:
        """Take a census soon: a watch was broken and lists its objects anew."""
        self._wanted.set()

    async def run(self) -> None:
        """Take a census periodically, and when it is wanted, until cancelled."""
        failures = 0
        while True:
            wait = self._period_seconds
            if failures:
                wait = min(wait, RETRY_SECONDS * 2 ** min(failures - 1, MOST_DOUBLINGS))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), wait)
                await asyncio.sleep(SETTLE_SECONDS)
            self._wanted.clear()
            failures = 0 if await self.take() else failures + 1

    async def take(self) -> bool:
        """Compare all namespaces now; one that cannot be listed is named and left as it is.

        Returns whether all could be.
        """
        self._reads, complete = 0, True
        for namespace in self._namespaces:
            try:
                await self._take_jobs(namespace)
                await self._take_children(namespace)
            except ClusterError as error:
                complete = False
                self._refused(namespace or "all namespaces", str(error))
            except Exception:
                complete = False
                # What the cache holds is good enough until the next census.
                LOG.exception("comparing with the API server failed in an unforeseen way")
            else:
                self._tally.namespaces_refused.pop(namespace or "all namespaces", None)
        return complete

    def _refused(self, where: str, why: str) -> None:
        if self._tally.namespaces_refused.get(where) != why:
            LOG.warning("TrainingJobs of %s cannot be listed, others are served: %s", where, why)
        self._tally.namespaces_refused[where] = why

    async def _take_jobs(self, namespace: str | None) -> None:
        known = {
            record.key: record.uid
            for record in self._cache.records()
            if namespace in (None, record.key.namespace)
        }
        listed = await self._register.list_training_jobs(namespace)
        there = {Key(one.namespace, one.name): one for one in listed}
        for key in _differing(known, there, self._version):
            body = await self._read(self._register.get_training_job, key)
            uid = known.get(key)
            if uid is not None and (body is None or body["metadata"]["uid"] != uid):
                LOG.info("%s was deleted while the watch was broken", key)
                self._cache.drop(key, uid)
                self._on_change(key)
            if body is not None and self._cache.remember(body) is not None:
                self._on_change(key)

    def _version(self, key: Key) -> str | None:
        record = self._cache.record(key)
        return None if record is None else record.resource_version

    async def _take_children(self, namespace: str | None) -> None:
        known = {
            Key(child.owner.namespace, child.name): child
            for child in self._cache.children()
            if namespace in (None, child.owner.namespace)
        }
        listed = await self._register.list_jobs(namespace, names.LABEL_TRAININGJOB)
        there = {Key(one.namespace, one.name): one for one in listed}
        versions = {key: child.resource_version for key, child in known.items()}
        for key in _differing({k: c.uid for k, c in known.items()}, there, versions.get):
            body = await self._read(lambda key: self._register.get_job(*key), key)
            child = known.get(key)
            if child is not None and (body is None or body["metadata"]["uid"] != child.uid):
                LOG.info("Job %s was deleted while the watch was broken", key)
                self._cache.drop_child(child)
                self._on_change(child.owner)
            owner = None if body is None else self._cache.remember_child(body)
            if owner is not None:
                self._on_change(owner)

    async def _read(self, read: Any, key: Key) -> Body | None:
        self._reads += 1
        if self._reads > MOST_READS:
            raise ClusterError("more has changed than one census reads; the next one goes on")
        body: Body | None = await read(key)
        return body


def _differing(
    known: Mapping[Key, str],
    there: Mapping[Key, ObjectIdentity],
    version: Callable[[Key], str | None],
) -> list[Key]:
    """Return the keys whose object is gone, new, another one or of another version."""
    gone = dict.fromkeys(
        key for key, uid in known.items() if key not in there or there[key].uid != uid
    )
    changed = [key for key, one in there.items() if key not in gone and version(key) != one.version]
    return [*gone, *changed]
