"""Capacity of the cluster: the GPUs that its nodes offer and that no other pod holds.

Counted where the settings ask for it. Nodes and pods are listed once a minute and not watched.
Until the first answer nothing is limited, and a list that fails leaves the last count standing: a
wrong number only makes jobs plan for the same hour, while the scheduler still decides what fits.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lowtide import names
from lowtide_operator.cluster.errors import ClusterError
from lowtide_operator.objects.gpus import GPU_RESOURCES, gpus_of_pod
from lowtide_operator.objects.views import Body

LOG: Final = logging.getLogger(__name__)
PERIOD_SECONDS: Final = 60.0


class NodeList(Protocol):
    """Source of nodes and pods; `lowtide_operator.cluster.client.Cluster` is one."""

    async def list_nodes(self) -> Sequence[Body]:
        """Return all nodes."""
        ...

    def scheduled_pods(self) -> AsyncIterator[Body]:
        """Yield the pods of all namespaces that are on a node and have not ended."""
        ...


def allocatable_gpus(nodes: Iterable[Body]) -> Counter[str]:
    """Return the GPUs that pods may hold on the nodes that take any, by resource name.

    A slice counts as one, as it does in a job's template.
    """
    total: Counter[str] = Counter()
    for node in nodes:
        if (node.get("spec") or {}).get("unschedulable"):
            continue
        offered = (node.get("status") or {}).get("allocatable") or {}
        for name, count in offered.items():
            if name.startswith(GPU_RESOURCES) and str(count).isdigit():
                total[name] += int(count)
    return total


@dataclass(frozen=True, slots=True)
class OwnPods:
    """What tells the pods of workloads that TrainingJobs name."""

    workloads: frozenset[str] = frozenset()
    """Uids of the workloads: in some kinds a label of their pods or an owner reference has it."""
    pods: frozenset[str] = frozenset()
    """Uids of the pods themselves, as statuses count them: those of every kind, a moment later."""

    def have(self, pod: Body) -> bool:
        """Return whether a pod is one of them."""
        metadata = pod["metadata"]
        labels = (metadata.get("labels") or {}).values()
        owners = (owner.get("uid") for owner in metadata.get("ownerReferences") or ())
        return metadata.get("uid") in self.pods or not self.workloads.isdisjoint((*labels, *owners))


def held_by_others(pods: Iterable[Body], own: OwnPods = OwnPods()) -> Counter[str]:
    """Return the GPUs of pods that work for no TrainingJob, by resource name.

    Those of TrainingJobs are in the reservations of their plans, and so are those of workloads
    that a TrainingJob names.
    """
    held: Counter[str] = Counter()
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        if names.LABEL_TRAININGJOB not in labels and not own.have(pod):
            held += gpus_of_pod(pod.get("spec") or {})
    return held


class NodePool:
    """The GPUs of all nodes by resource name, as they were counted last.

    `gpus` is `None` before the first count.
    """

    def __init__(
        self,
        nodes: NodeList,
        on_change: Callable[[], None],
        own_pods: Callable[[], OwnPods] = OwnPods,
    ) -> None:
        self._nodes = nodes
        self._own_pods = own_pods
        self._on_change = on_change
        self.gpus: Mapping[str, int] | None = None

    async def run(self) -> None:
        """Count again and again until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(PERIOD_SECONDS)

    async def count(self) -> None:
        """Count the GPUs now; say so where there are more or fewer."""
        try:
            offered = allocatable_gpus(await self._nodes.list_nodes())
        except ClusterError as error:
            LOG.warning("nodes cannot be listed, their GPUs stay as counted: %s", error)
            return
        found = dict(offered - await self._held())
        if found != self.gpus:
            words = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
            LOG.info("GPUs that the nodes offer and no other pod holds: %s", words or "none")
            self.gpus = found
            self._on_change()

    async def _held(self) -> Counter[str]:
        """Return what other pods hold; nothing where pods of all namespaces cannot be listed."""
        held: Counter[str] = Counter()
        ours = self._own_pods()
        try:
            async for pod in self._nodes.scheduled_pods():
                held += held_by_others([pod], ours)
        except ClusterError as error:
            LOG.warning("pods of others cannot be listed, their GPUs count as free: %s", error)
            return Counter()
        return held
