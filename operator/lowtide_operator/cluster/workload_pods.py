"""Pods of a workload: what the selectors of its kind find, and of that what is its own."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lowtide.trainingjob.pods_of_workloads import own_pods, selectors_of
from lowtide.trainingjob.workload_kinds import WorkloadKind

Body = Mapping[str, Any]


class PodLists(Protocol):
    """The one read of it; `lowtide_operator.cluster.client.Cluster` has it."""

    async def list_pods_selected(self, namespace: str, selector: str) -> Sequence[Body]:
        """Return the pods of a namespace that a label selector finds."""
        ...


async def list_own_pods(cluster: PodLists, kind: WorkloadKind, body: Body) -> list[Body]:
    """Return the pods of a workload as it is now.

    Raises:
        ClusterError: the API server did not answer, or the operator may not read them.
    """
    metadata = body["metadata"]
    found: list[Body] = []
    for selector in selectors_of(kind, body):
        found += await cluster.list_pods_selected(metadata["namespace"], selector)
    return own_pods(kind, metadata["uid"], found)
