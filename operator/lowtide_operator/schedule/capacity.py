"""Capacity of the cluster: the GPUs that its nodes offer, where the settings ask for a count.

Nodes are listed once a minute and not watched. Until the first answer nothing is limited, and a
list that fails leaves the last count standing: a wrong number only makes jobs plan for the same
hour, while the scheduler still decides what really fits.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from lowtide_operator.cluster.client import ClusterError
from lowtide_operator.objects.gpus import GPU_RESOURCES
from lowtide_operator.objects.views import Body

LOG: Final = logging.getLogger(__name__)
PERIOD_SECONDS: Final = 60.0


class NodeList(Protocol):
    """Source of the nodes; `lowtide_operator.cluster.client.Cluster` is one."""

    async def list_nodes(self) -> Sequence[Body]:
        """Return all nodes."""
        ...


def allocatable_gpus(nodes: Iterable[Body]) -> int:
    """Return the GPUs that pods may hold on the nodes that take any.

    A slice counts as one, as it does in a job's template.
    """
    total = 0
    for node in nodes:
        if (node.get("spec") or {}).get("unschedulable"):
            continue
        offered = (node.get("status") or {}).get("allocatable") or {}
        for name, count in offered.items():
            if name.startswith(GPU_RESOURCES) and str(count).isdigit():
                total += int(count)
    return total


class NodePool:
    """The GPUs of all nodes as they were counted last; `None` before the first count."""

    def __init__(self, nodes: NodeList, on_change: Callable[[], None]) -> None:
        self._nodes = nodes
        self._on_change = on_change
        self.gpus: int | None = None

    async def run(self) -> None:
        """Count again and again until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(PERIOD_SECONDS)

    async def count(self) -> None:
        """Count the GPUs now; say so where there are more or fewer."""
        try:
            found = allocatable_gpus(await self._nodes.list_nodes())
        except ClusterError as error:
            LOG.warning("nodes cannot be listed, their GPUs stay as counted: %s", error)
            return
        if found != self.gpus:
            LOG.info("the nodes offer %d GPUs", found)
            self.gpus = found
            self._on_change()
