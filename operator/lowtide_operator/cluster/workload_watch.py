"""Watch of the workloads that ask for Lowtide by their label, of every kind that is served.

kopf watches each resource with one selector, and that of batch Jobs finds the operator's own. A
kind that the API server does not serve, or that the operator may not read, is tried again and
holds nothing up; every watch begins with a list, so that what was missed is seen minutes later.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Protocol

from lowtide import names
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.errors import ClusterError

LOG: Final = logging.getLogger(__name__)
SELECTOR: Final = f"{names.LABEL_SCHEDULE}=true"
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 60.0

Body = dict[str, Any]


class WorkloadSource(Protocol):
    """Source of workloads; `lowtide_operator.cluster.client.Cluster` is one."""

    def list_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the workloads of a kind with a label by page, and the version of the list."""
        ...

    def watch_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str, version: str
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield the changes since a version."""
        ...


class WorkloadWatch:
    """Watches of all kinds in all namespaces; belongs to one event loop."""

    def __init__(
        self,
        source: WorkloadSource,
        kinds: Sequence[WorkloadKind],
        namespaces: Sequence[str],
        on_change: Callable[[WorkloadKind, str, Body], None],
        *,
        selector: str = SELECTOR,
    ) -> None:
        """Watch the workloads that a label selector finds; an empty one finds all."""
        self._source = source
        self._kinds = kinds
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._on_change = on_change
        self._selector = selector
        self.unserved: dict[str, str] = {}
        """Kinds that cannot be watched at the moment, and why."""

    async def run(self) -> None:
        """Watch until cancelled."""
        if not self._kinds:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            for kind in self._kinds:
                for namespace in self._namespaces:
                    group.create_task(self._follow(kind, namespace))

    async def _follow(self, kind: WorkloadKind, namespace: str | None) -> None:
        wait = FIRST_RETRY_SECONDS
        while True:
            try:
                await self.look(kind, namespace)
                wait = FIRST_RETRY_SECONDS
            except ClusterError as error:
                self._say(kind, namespace, str(error))
                await asyncio.sleep(wait)
                wait = min(LONGEST_RETRY_SECONDS, 2 * wait)
            except Exception:
                LOG.exception("watching %ss failed in an unforeseen way", kind.kind)
                await asyncio.sleep(LONGEST_RETRY_SECONDS)

    async def look(self, kind: WorkloadKind, namespace: str | None) -> None:
        """List the workloads of a kind, then tell of their changes until the watch ends.

        Raises:
            ClusterError: the API server does not answer, or does not serve the kind.
        """
        since = ""
        async for bodies, version in self._source.list_workloads(kind, namespace, self._selector):
            since = version
            for body in bodies:
                self._on_change(kind, "LISTED", body)
        self.unserved.pop(_place(kind, namespace), None)
        changes = self._source.watch_workloads(kind, namespace, self._selector, since)
        async for change, body in changes:
            if change in ("ADDED", "MODIFIED", "DELETED"):
                self._on_change(kind, change, body)

    def _say(self, kind: WorkloadKind, namespace: str | None, why: str) -> None:
        place = _place(kind, namespace)
        if self.unserved.get(place) != why:
            LOG.warning("%s cannot be watched: %s", place, why)
        self.unserved[place] = why


def _place(kind: WorkloadKind, namespace: str | None) -> str:
    return f"{kind.kind}s of {namespace or 'all namespaces'}"
