"""An unchanged workload of each kind on a real cluster, with the kinds' real controllers.

JobSet, Kubeflow Trainer, training-operator and KubeRay are built from their own modules; run by
`make test-kinds`. The head of a RayJob is a stand-in for Ray's job API: no Ray runs here. A
test is nearly all waiting, so that one workload of each kind goes through it at the same time.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import host_controllers
import kinds_of_others
import known_controllers
import pytest
import waves
from clients import Kubectl, RunningCluster
from demonstration import day, stage
from kinds_of_others import KINDS, OtherKind, named
from measured import Installed, pods_of, seconds_of, truth_of
from singlenode.images import Image
from sleepers import await_
from test_workloads import (
    ENDS,
    STRETCH_SECONDS,
    TOLERANCE,
    beside,
    kill_operator,
    measured,
    patch,
    state,
)

SLOT_SECONDS = 20
"""An hour of the replay; three are dirty and three clean by turns."""
WORK_SECONDS = 40
"""Edges of the energy of pods that share two cores with many are a small part of that."""
CONTROLLERS = (
    known_controllers.JOB_SET,
    known_controllers.TRAINER,
    known_controllers.TRAINING_OPERATOR,
    known_controllers.RAY,
)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.kinds,
    host_controllers.skipped_where_not_built(*CONTROLLERS),
]
Names = Mapping[OtherKind, str]


@pytest.fixture(scope="module")
def gpus() -> int:
    """GPUs for a workload of every kind at a time."""
    return sum(kind.gpus for kind in KINDS)


@pytest.fixture(scope="module")
def controllers(
    cluster: RunningCluster, kubectl: Kubectl, built: dict[str, Image]
) -> Iterator[dict[str, host_controllers.Running]]:
    """The controllers of all kinds, before the operator, which looks for kinds at its start."""
    with ExitStack() as stack:
        running = {
            one.name: stack.enter_context(host_controllers.run(one, cluster, kubectl))
            for one in CONTROLLERS
        }
        kubectl.apply(kinds_of_others.training_runtime(built["base"].reference))
        yield running


@pytest.fixture(scope="module")
def replayed(
    controllers: dict[str, host_controllers.Running],
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


def held(inside: Kubectl, kind: OtherKind, name: str) -> bool:
    body = inside.json("get", kind.plural, name)
    marked = (body["metadata"].get("labels") or {}).get("lowtide.dev/held") == "true"
    return marked and kind.is_suspended(body)


def uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def all_run(inside: Kubectl, kind: OtherKind, name: str) -> None:
    """Return when all pods of a workload run, and none of an earlier one is ending."""

    def running() -> bool:
        phases = [
            "ending" if "deletionTimestamp" in one["metadata"] else one["status"]["phase"]
            for one in kind.pods_of(inside, name)
        ]
        return phases == ["Running"] * kind.pods

    await_(running, f"all pods of {name} run")


def work_for_a_stretch(
    inside: Kubectl, names: Names, *, stretches: int = 1
) -> dict[OtherKind, set[str]]:
    """Return the uids of the workloads' pods when all have worked for some seconds.

    Edges of their energy are then a small part of it.
    """
    for kind, name in names.items():
        all_run(inside, kind, name)
    time.sleep(stretches * STRETCH_SECONDS)
    return {kind: uids(kind.pods_of(inside, name)) for kind, name in names.items()}


def other_pods(
    inside: Kubectl, names: Names, first: Mapping[OtherKind, set[str]]
) -> dict[OtherKind, list[set[str]]]:
    """Return the pods seen at each look until every workload has all its second ones.

    A workload that has them is not looked at again: its pods may end.
    """
    seen: dict[OtherKind, list[set[str]]] = {kind: [] for kind in names}

    def has_second(kind: OtherKind) -> bool:
        return bool(seen[kind]) and len(seen[kind][-1] - first[kind]) == kind.pods

    def all_have() -> bool:
        for kind, name in names.items():
            if not has_second(kind):
                seen[kind].append(uids(kind.pods_of(inside, name)))
        return all(has_second(kind) for kind in names)

    await_(all_have, f"the second pods of {', '.join(names.values())}")
    return seen


def run_until_measured(inside: Kubectl, installed: Installed, name: str) -> dict[str, Any]:
    """Return the TrainingJob of a workload with its final energy, which is the stand-in's truth."""
    found = measured(inside, name)
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE), name
    return found


def outcomes(status: dict[str, Any]) -> list[str]:
    return [one["outcome"] for one in status["attempts"]]


def test_an_unchanged_workload_waits_for_clean_power_runs_and_is_measured(
    inside: Kubectl, kubectl: Kubectl, installed: Installed, replayed: day.ReplayedDay
) -> None:
    """Held from its creation on, through two deaths of the operator; two pods, one figure."""
    image, names = installed.built["base"].reference, named("wait")
    notes = {"expected_duration": f"{WORK_SECONDS}s", "max_delay": f"{6 * SLOT_SECONDS}s"}
    waves.await_a_dirty_stretch(replayed)
    for kind, name in names.items():
        inside.apply(kind.labelled(name, image, WORK_SECONDS, **notes))
        # By the policy, before the operator has seen it.
        assert held(inside, kind, name), name
    plans = {}
    for kind, name in names.items():
        await_(lambda name=name: state(inside, name) == "Waiting", f"{name} waits")
        plans[kind] = beside(inside, name)["status"]["plan"]
        assert plans[kind]["reason"] == "CleanestWindow", name
    kill_operator(kubectl)
    for kind, name in names.items():
        waits = held(inside, kind, name) and kind.pods_of(inside, name) == []
        # On a busy machine the clean hour may have come by now.
        assert waits or time.time() >= seconds_of(plans[kind]["start"]), name
    for name in names.values():
        await_(lambda name=name: state(inside, name) in ("Running", *ENDS), f"{name} runs")
    kill_operator(kubectl)
    for kind, name in names.items():
        found = run_until_measured(inside, installed, name)
        status = found["status"]
        assert status["display"]["state"] == "Complete", name
        assert outcomes(status) == ["Complete"], name
        assert status["attempts"][0]["start"] >= plans[kind]["start"], name
        assert len(pods_of(found)) == kind.pods, name
        inside("delete", kind.plural, name, "--timeout=60s")
        assert beside(inside, name)["status"]["energy"] == status["energy"], name


def test_a_workload_is_paused_goes_on_when_its_pods_are_gone_and_is_measured(
    inside: Kubectl, kubectl: Kubectl, installed: Installed
) -> None:
    """Its pods are seen to end and to begin, and the old and the new are never there together.

    The operator dies while they end.
    """
    image, names = installed.built["base"].reference, named("rest")
    notes = {"policy": "Immediate", "interruptible": "true"}
    for kind, name in names.items():
        inside.apply(kind.labelled(name, image, 5 * STRETCH_SECONDS, **notes))
    first = work_for_a_stretch(inside, names)
    jobs = {kind: beside(inside, name)["metadata"]["name"] for kind, name in names.items()}
    for job in jobs.values():
        patch(inside, job, '{"spec":{"suspend":true}}')
    for kind, name in names.items():
        await_(lambda kind=kind, name=name: held(inside, kind, name), f"{name} is suspended")
        # At once: the operator that comes up next must not find the old pods beside the new.
        patch(inside, jobs[kind], '{"spec":{"suspend":false}}')
    kill_operator(kubectl, wait=False)
    for kind, seen in other_pods(inside, names, first).items():
        together = [now for now in seen if now & first[kind] and now - first[kind]]
        assert not together, f"old and new pods of {names[kind]} together"
    for kind, name in names.items():
        found = run_until_measured(inside, installed, name)
        assert found["status"]["display"]["state"] == "Complete", name
        assert outcomes(found["status"]) == ["Paused", "Complete"], name
        assert len(pods_of(found)) == 2 * kind.pods, name


def test_a_workload_that_fails_is_failed_and_measured(
    inside: Kubectl, installed: Installed
) -> None:
    """The kind's own word for it, with the energy that it cost."""
    image, names = installed.built["base"].reference, named("fail")
    for kind, name in names.items():
        inside.apply(kind.labelled(name, image, WORK_SECONDS, 7, policy="Immediate"))
    for name in names.values():
        await_(lambda name=name: state(inside, name) == "Failed", f"{name} has failed")
        found = run_until_measured(inside, installed, name)
        assert outcomes(found["status"]) == ["Failed"], name


def test_a_workload_is_free_when_its_trainingjob_is_deleted(
    inside: Kubectl, installed: Installed
) -> None:
    """It was held by a TrainingJob that names it; nothing of ours stays on it, and it runs."""
    image, names = installed.built["base"].reference, named("free")
    written = {"apiVersion": "lowtide.dev/v1alpha1", "kind": "TrainingJob"}
    for kind, name in names.items():
        target = {"apiVersion": kind.api_version, "kind": kind.kind, "name": name}
        spec = {"targetRef": target, "suspend": True}
        inside.apply({**written, "metadata": {"name": f"{name}-plan"}, "spec": spec})
        inside.apply(kind.manifest(name, image, 3600))
    for kind, name in names.items():
        await_(lambda kind=kind, name=name: held(inside, kind, name), f"{name} is held")
        inside("delete", "trainingjob", f"{name}-plan")
    for kind, name in names.items():
        await_(lambda kind=kind, name=name: not held(inside, kind, name), f"{name} is free")
        all_run(inside, kind, name)
        assert not inside.json("get", kind.plural, name)["metadata"].get("ownerReferences"), name
        inside("delete", kind.plural, name, "--timeout=60s")


def test_a_workload_that_is_deleted_while_it_runs_was_measured(
    inside: Kubectl, installed: Installed
) -> None:
    """Its TrainingJob stays, says so, and has the energy of all its pods."""
    image, names = installed.built["base"].reference, named("gone")
    for kind, name in names.items():
        inside.apply(kind.labelled(name, image, 3600, policy="Immediate"))
    work_for_a_stretch(inside, names, stretches=3)
    for kind, name in names.items():
        await_(lambda name=name: state(inside, name) == "Running", f"{name} is followed")
        inside("delete", kind.plural, name, "--timeout=60s")
    for kind, name in names.items():
        found = run_until_measured(inside, installed, name)
        assert found["status"]["display"]["state"] == "Failed", name
        assert len(pods_of(found)) == kind.pods, name
