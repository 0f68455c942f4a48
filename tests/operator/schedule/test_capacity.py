"""Counting the GPUs that the nodes offer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.errors import RefusedError, UnreachableError
from lowtide_operator.schedule.capacity import NodePool, OwnPods, allocatable_gpus, held_by_others


def test_gpus_and_slices_of_all_makers_count_and_nothing_else_does() -> None:
    """4 + 2 + 1; CPUs and the GPUs of a cordoned node are not among them."""
    nodes = [
        {"status": {"allocatable": {"nvidia.com/gpu": "4", "cpu": "64", "memory": "1Gi"}}},
        {"status": {"allocatable": {"amd.com/gpu": 2, "nvidia.com/mig-1g.5gb": "1"}}},
        {"spec": {"unschedulable": True}, "status": {"allocatable": {"nvidia.com/gpu": "8"}}},
        {},
    ]
    assert allocatable_gpus(nodes) == {
        "nvidia.com/gpu": 4,
        "amd.com/gpu": 2,
        "nvidia.com/mig-1g.5gb": 1,
    }


def pod(count: int, *, resource: str = "nvidia.com/gpu", **labels: str) -> dict[str, Any]:
    """Return a pod that holds GPUs."""
    container = {"name": "c", "resources": {"limits": {resource: count}}}
    return {"metadata": {"labels": labels}, "spec": {"containers": [container]}}


async def test_gpus_that_others_hold_are_not_planned_with() -> None:
    """Of 4, another team's notebook holds 1; a TrainingJob's own are in its reservation."""
    nodes = Nodes()
    nodes.pods = [pod(1), pod(2, **{"lowtide.dev/trainingjob": "net"})]
    pool = NodePool(nodes, lambda: None)
    await pool.count()
    assert pool.gpus == {"nvidia.com/gpu": 3}


async def test_slices_that_others_hold_take_nothing_from_whole_gpus() -> None:
    """Names are counted apart: nine slices of other nodes leave four GPUs."""
    nodes = Nodes()
    nodes.pods = [pod(9, resource="nvidia.com/mig-1g.5gb")]
    pool = NodePool(nodes, lambda: None)
    await pool.count()
    assert pool.gpus == {"nvidia.com/gpu": 4}


async def test_where_pods_of_others_cannot_be_listed_the_nodes_count_alone() -> None:
    """An operator of two namespaces has no right to see the pods of all."""
    nodes = Nodes()
    nodes.pods_refused = True
    pool = NodePool(nodes, lambda: None)
    await pool.count()
    assert pool.gpus == {"nvidia.com/gpu": 4}


class Nodes:
    """A list of nodes that can fail."""

    def __init__(self) -> None:
        self.gpus, self.works = 4, True
        self.pods: list[dict[str, Any]] = []
        self.pods_refused = False

    async def scheduled_pods(self) -> AsyncIterator[dict[str, Any]]:
        if self.pods_refused:
            raise RefusedError("pods is forbidden")
        for one in self.pods:
            yield one

    async def list_nodes(self) -> list[dict[str, Any]]:
        if not self.works:
            raise UnreachableError("no answer")
        return [{"status": {"allocatable": {"nvidia.com/gpu": str(self.gpus)}}}]


@pytest.fixture
def changes() -> list[str]:
    """Changes that the pool has told."""
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
    assert (pool.gpus, changes) == ({"nvidia.com/gpu": 4}, ["changed"])
    nodes.works = False
    await pool.count()
    assert (pool.gpus, changes) == ({"nvidia.com/gpu": 4}, ["changed"])
    nodes.works, nodes.gpus = True, 2
    await pool.count()
    assert (pool.gpus, changes) == ({"nvidia.com/gpu": 2}, ["changed", "changed"])


@pytest.mark.parametrize(
    ("metadata", "own"),
    [
        pytest.param(
            {"labels": {"jobset.sigs.k8s.io/jobset-uid": "u-1"}},
            OwnPods(workloads=frozenset({"u-1"})),
            id="JobSet",
        ),
        pytest.param(
            {"ownerReferences": [{"kind": "PyTorchJob", "uid": "u-1"}]},
            OwnPods(workloads=frozenset({"u-1"})),
            id="PyTorchJob",
        ),
        pytest.param(
            {
                "uid": "p-1",
                "labels": {"ray.io/cluster": "tune-x2x4x"},
                "ownerReferences": [{"kind": "RayCluster", "uid": "u-9"}],
            },
            OwnPods(workloads=frozenset({"u-1"}), pods=frozenset({"p-1"})),
            id="RayJob",
        ),
    ],
)
def test_pods_of_a_named_workload_are_counted_in_its_plan_only(
    metadata: dict[str, Any], own: OwnPods
) -> None:
    """Four GPUs that a TrainingJob has reserved are not held by others a second time."""
    holding = {**pod(4), "metadata": metadata}

    assert held_by_others([holding])["nvidia.com/gpu"] == 4
    assert held_by_others([holding], own).total() == 0


def test_the_pods_of_a_workload_are_known_from_its_status_until_it_ends() -> None:
    """Those of its running attempt; none of a paused one, and none of a job with a template."""
    attempt: dict[str, Any] = {"number": 1, "pods": [{"uid": "p-1"}, {"uid": "p-2"}, {"uid": 3}]}
    target = {"targetRef": {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "tune"}}
    cache = Cache()

    def known(spec: dict[str, Any], version: str) -> frozenset[str]:
        metadata = {
            "name": "tune-1a2b3c",
            "namespace": "ml",
            "uid": "u-tj",
            "resourceVersion": version,
            "creationTimestamp": "2026-11-30T12:00:00Z",
        }
        cache.remember({"metadata": metadata, "spec": spec, "status": {"attempts": [attempt]}})
        return cache.workload_pods()

    assert known(target, "1") == {"p-1", "p-2"}
    attempt["end"] = "2026-11-30T13:00:00Z"
    assert known(target, "2") == frozenset()
    del attempt["end"]
    assert known({"template": {}}, "3") == frozenset()
