"""The one way in which the operator lets go of what it holds."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from lowtide.trainingjob.holding import free_patch, parked_in_queue, paused_in_queue
from lowtide.trainingjob.sizes_of_workloads import size_patch
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.errors import RefusedError

LOG: Final = logging.getLogger(__name__)

Body = dict[str, Any]


class Freeing(Protocol):
    """The writes of it; `lowtide_operator.cluster.client.Cluster` has them."""

    async def patch_workload(
        self, kind: WorkloadKind, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Body | None:
        """Merge a patch into a workload."""
        ...

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Body | None:
        """Let Kueue start a workload again, or make it let go of it."""
        ...

    async def let_start(self, namespace: str, name: str, check: str, now: datetime) -> None:
        """Let Kueue start a workload that was paused by a check."""
        ...


async def free_workload(
    cluster: Freeing,
    kind: WorkloadKind,
    body: Body,
    now: datetime,
    replicas: int | None = None,
) -> str:
    """Let a held workload run, and take our mark off it last: a kill before leaves it to be found.

    It goes on with so many replicas, `None` for those that it was written with. It keeps its size
    where the API server refuses the change; why it did is returned, else nothing.

    Raises:
        ConflictError: it changed since it was read.
        ClusterError: the API server did not answer, or the operator may not write.
    """
    metadata = body["metadata"]
    place = metadata["namespace"], metadata["name"]
    # Before Kueue may start it, which counts the quota of the size that it has.
    body, refused = await resized(cluster, kind, body, replicas)
    if name := paused_in_queue(body):
        await cluster.set_active(place[0], name, active=True)
    parked, check = parked_in_queue(body)
    if parked:
        await cluster.let_start(place[0], parked, check, now)
    await cluster.patch_workload(kind, *place, free_patch(kind, body))
    return refused


async def resized(
    cluster: Freeing, kind: WorkloadKind, body: Body, replicas: int | None
) -> tuple[Body, str]:
    """Give a suspended workload a size; return it as stored, and why that was refused, if so.

    Raises:
        ConflictError: it changed since it was read.
        ClusterError: the API server did not answer.
    """
    change = size_patch(kind, body, replicas)
    if not change:
        return body, ""
    metadata = body["metadata"]
    place = metadata["namespace"], metadata["name"]
    try:
        stored = await cluster.patch_workload(kind, *place, change)
    except RefusedError as error:
        LOG.warning("%s %s/%s keeps its size: %s", kind.kind, *place, error)
        return body, str(error)
    return body if stored is None else stored, ""
