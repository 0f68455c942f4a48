"""The one way in which the operator lets go of what it holds."""

from collections.abc import Mapping
from typing import Any, Protocol

from lowtide.trainingjob.holding import free_patch, paused_in_queue
from lowtide.trainingjob.workload_kinds import WorkloadKind

Body = dict[str, Any]


class Freeing(Protocol):
    """The two writes of it; `lowtide_operator.cluster.client.Cluster` has them."""

    async def patch_workload(
        self, kind: WorkloadKind, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Body | None:
        """Merge a patch into a workload."""
        ...

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Body | None:
        """Let Kueue start a workload again, or make it let go of it."""
        ...


async def free_workload(cluster: Freeing, kind: WorkloadKind, body: Body) -> None:
    """Let a held workload run, and take our mark off it last: a kill before leaves it to be found.

    Raises:
        ConflictError: it changed since it was read.
        ClusterError: the API server did not answer, or the operator may not write.
    """
    metadata = body["metadata"]
    if name := paused_in_queue(body):
        await cluster.set_active(metadata["namespace"], name, active=True)
    patch = free_patch(kind, body)
    await cluster.patch_workload(kind, metadata["namespace"], metadata["name"], patch)
