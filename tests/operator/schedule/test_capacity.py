"""Counting the GPUs that the nodes offer."""

from typing import Any

import pytest

from lowtide_operator.cluster.client import UnreachableError
from lowtide_operator.schedule.capacity import NodePool, allocatable_gpus


def test_gpus_and_slices_of_all_makers_count_and_nothing_else_does() -> None:
    """4 + 2 + 1; CPUs and the GPUs of a cordoned node are not among them."""
    nodes = [
        {"status": {"allocatable": {"nvidia.com/gpu": "4", "cpu": "64", "memory": "1Gi"}}},
        {"status": {"allocatable": {"amd.com/gpu": 2, "nvidia.com/mig-1g.5gb": "1"}}},
        {"spec": {"unschedulable": True}, "status": {"allocatable": {"nvidia.com/gpu": "8"}}},
        {},
    ]
    assert allocatable_gpus(nodes) == 7


class Nodes:
    """A list of nodes that can fail."""

    def __init__(self) -> None:
        self.gpus, self.works = 4, True

    async def list_nodes(self) -> list[dict[str, Any]]:
        if not self.works:
            raise UnreachableError("no answer")
        return [{"status": {"allocatable": {"nvidia.com/gpu": str(self.gpus)}}}]


@pytest.fixture
def changes() -> list[str]:
    """What the pool has told."""
    return []


async def test_a_change_is_told_once_and_a_failure_leaves_the_last_count(
    changes: list[str],
) -> None:
    """Jobs are planned again when there are more or fewer GPUs, and for nothing else."""
    nodes = Nodes()
    pool = NodePool(nodes, lambda: changes.append("changed"))
    assert pool.gpus is None
    await pool.count()
    await pool.count()
    assert (pool.gpus, changes) == (4, ["changed"])
    nodes.works = False
    await pool.count()
    assert (pool.gpus, changes) == (4, ["changed"])
    nodes.works, nodes.gpus = True, 2
    await pool.count()
    assert (pool.gpus, changes) == (2, ["changed", "changed"])
