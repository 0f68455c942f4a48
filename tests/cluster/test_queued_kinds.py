"""A queued workload of each kind with the real Kueue and the kinds' real controllers.

Each is gated by the policy before Kueue has seen it, through a death of Kueue, and runs in its time
on the quota of its queue; another is paused, so that its quota is free, and goes on; all kinds at a
time. Queued Jobs have tests of their own. Run by `make test-kinds`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import host_controllers
import kinds_of_others
import known_controllers
import pytest
import waves
from clients import Kubectl, RunningCluster
from demonstration import day, stage, workloads
from kinds_of_others import OtherKind, named
from measured import Installed, pods_of
from singlenode.images import Image
from sleepers import await_
from test_kinds import (
    CONTROLLERS,
    SLOT_SECONDS,
    WORK_SECONDS,
    other_pods,
    outcomes,
    run_until_measured,
    work_for_a_stretch,
)
from test_kueue import GATES
from test_workloads import (
    ENDS,
    STRETCH_SECONDS,
    beside,
    patch,
    state,
)

KUEUE = known_controllers.KUEUE_OF_ALL_KINDS
KINDS = tuple(kind for kind in kinds_of_others.KINDS if kind.kind != "Job")
QUEUE_OF_GPUS = "clusterqueues.kueue.x-k8s.io/gpus"
LATER = ("Queued", "Running", *ENDS)
"""States that a busy machine may have reached at a look."""
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.kinds,
    host_controllers.skipped_where_not_built(*CONTROLLERS, KUEUE),
]


@pytest.fixture(scope="module")
def gpus() -> int:
    """GPUs for a workload of every kind at a time."""
    return sum(kind.gpus for kind in KINDS)


@pytest.fixture(scope="module")
def kueue(
    cluster: RunningCluster, kubectl: Kubectl, built: dict[str, Image], gpus: int
) -> Iterator[host_controllers.Running]:
    """Kueue beside the controllers of all kinds, with a queue of the node's GPUs."""
    with ExitStack() as stack:
        for one in CONTROLLERS:
            stack.enter_context(host_controllers.run(one, cluster, kubectl))
        kubectl.apply(kinds_of_others.training_runtime(built["base"].reference))
        # Last: it looks for the definitions of the kinds at its start.
        running = stack.enter_context(host_controllers.run(KUEUE, cluster, kubectl))
        kubectl.apply(*workloads.queue_of(gpus))
        yield running


@pytest.fixture(scope="module")
def replayed(
    kueue: host_controllers.Running,
    installed: Installed,
    tmp_path_factory: pytest.TempPathFactory,
) -> day.ReplayedDay:
    """Waves of a grid, beside the chart and the controllers."""
    return waves.begin(installed, tmp_path_factory.mktemp("waves"), slot_seconds=SLOT_SECONDS)


@pytest.fixture(scope="module")
def inside(replayed: day.ReplayedDay, kubectl: Kubectl) -> Iterator[Kubectl]:
    """The namespace of the workloads, with the chart, the controllers and waves of a grid."""
    inside = kubectl.within(stage.NAMESPACE)
    yield inside
    for kind in KINDS:
        inside("delete", kind.plural, "--all", "--timeout=60s")


def queued(
    kind: OtherKind, installed: Installed, name: str, seconds: int, **annotations: str
) -> dict[str, Any]:
    """A labelled workload of the queue."""
    manifest = kind.labelled(name, installed.built["base"].reference, seconds, **annotations)
    manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = workloads.QUEUE
    return manifest


def own_writes(inside: Kubectl, kind: OtherKind, name: str) -> str:
    """Fields of a workload that the operator wrote."""
    body = inside.json("get", kind.plural, name, "--show-managed-fields")
    entries = body["metadata"]["managedFields"]
    return str([one["fieldsV1"] for one in entries if one["manager"] == "lowtide-operator"])


def gpus_in_use(inside: Kubectl) -> str:
    """The quota that the queue's workloads hold, as Kueue says it."""
    (flavor,) = inside.json("get", QUEUE_OF_GPUS)["status"]["flavorsUsage"]
    (resource,) = flavor["resources"]
    return str(resource["total"])


def test_a_queued_workload_is_gated_until_its_time_through_a_death_of_kueue(
    inside: Kubectl,
    kueue: host_controllers.Running,
    installed: Installed,
    replayed: day.ReplayedDay,
) -> None:
    """Its flag is Kueue's from its creation to its end, and its energy that of all its pods."""
    names = named("queued", KINDS)
    notes = {"expected_duration": f"{WORK_SECONDS}s", "max_delay": f"{6 * SLOT_SECONDS}s"}
    waves.await_a_dirty_stretch(replayed)
    for kind, name in names.items():
        inside.apply(queued(kind, installed, name, WORK_SECONDS, **notes))
        body = inside.json("get", kind.plural, name)
        assert body["metadata"]["annotations"][GATES] == "lowtide.dev/carbon", name
        assert kind.is_suspended(body), name
    for name in names.values():
        await_(lambda name=name: state(inside, name) in ("Waiting", *LATER), f"{name} is planned")
        assert beside(inside, name)["status"]["plan"]["reason"] == "CleanestWindow", name
    kueue.kill()
    kueue.start()
    for kind, name in names.items():
        found = run_until_measured(inside, installed, name)
        status = found["status"]
        assert status["display"]["state"] == "Complete", name
        assert status["attempts"][0]["start"] >= status["plan"]["start"], name
        assert len(pods_of(found)) == kind.pods, name
        left = inside.json("get", kind.plural, name)["metadata"].get("annotations") or {}
        assert GATES not in left, name
        assert "f:suspend" not in own_writes(inside, kind, name), name
        inside("delete", kind.plural, name, "--timeout=60s")


def test_a_queued_workload_is_paused_its_quota_is_free_and_it_goes_on(
    inside: Kubectl, installed: Installed, gpus: int
) -> None:
    """By Kueue's word alone; the old pods and the new are never there together."""
    names = named("parked", KINDS)
    notes = {"policy": "Immediate", "interruptible": "true"}
    for kind, name in names.items():
        inside.apply(queued(kind, installed, name, 5 * STRETCH_SECONDS, **notes))
    first = work_for_a_stretch(inside, names)
    for kind, name in names.items():
        await_(lambda name=name: state(inside, name) == "Running", f"{name} is followed")
        assert beside(inside, name)["status"]["target"]["gpus"] == kind.gpus, name
    assert gpus_in_use(inside) == str(gpus)
    jobs = {kind: beside(inside, name)["metadata"]["name"] for kind, name in names.items()}
    for job in jobs.values():
        patch(inside, job, '{"spec":{"suspend":true}}')
    for kind, name in names.items():
        await_(lambda name=name: state(inside, name) == "Paused", f"{name} is paused")
        await_(
            lambda kind=kind, name=name: not kind.pods_of(inside, name),
            f"the pods of {name} are gone",
        )
    await_(lambda: gpus_in_use(inside) == "0", "the quota is free")
    for job in jobs.values():
        patch(inside, job, '{"spec":{"suspend":false}}')
    for kind, seen in other_pods(inside, names, first).items():
        assert all(not now & first[kind] for now in seen), f"old and new pods of {names[kind]}"
    for kind, name in names.items():
        found = run_until_measured(inside, installed, name)
        assert found["status"]["display"]["state"] == "Complete", name
        assert outcomes(found["status"]) == ["Paused", "Complete"], name
        assert len(pods_of(found)) == 2 * kind.pods, name
        assert "f:suspend" not in own_writes(inside, kind, name), name
        inside("delete", kind.plural, name, "--timeout=60s")
