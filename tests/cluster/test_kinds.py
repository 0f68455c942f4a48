"""An unchanged workload of each kind on a real cluster, with the kinds' real controllers.

JobSet, Kubeflow Trainer, training-operator and KubeRay are built from their own modules; run by
`make test-kinds`. The head of a RayJob is a stand-in for Ray's job API: no Ray runs here.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import host_controllers
import kinds_of_others
import known_controllers
import pytest
import waves
from clients import Kubectl, RunningCluster
from demonstration import day, stage
from kinds_of_others import OtherKind
from measured import Installed, pods_of, seconds_of, truth_of
from singlenode.images import Image
from sleepers import await_
from test_workloads import (
    ENDS,
    SLOT_SECONDS,
    STRETCH_SECONDS,
    TOLERANCE,
    WORK_SECONDS,
    beside,
    kill_operator,
    measured,
    patch,
    state,
)

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
each_kind = pytest.mark.parametrize("kind", kinds_of_others.KINDS, ids=lambda kind: kind.kind)


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
    for kind in kinds_of_others.KINDS:
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
    inside: Kubectl, kind: OtherKind, name: str, *, stretches: int = 1
) -> set[str]:
    """Return the uids of a workload's pods when all have worked for some seconds.

    Edges of their energy are then a small part of it.
    """
    all_run(inside, kind, name)
    time.sleep(stretches * STRETCH_SECONDS)
    return uids(kind.pods_of(inside, name))


def run_until_measured(inside: Kubectl, installed: Installed, name: str) -> dict[str, Any]:
    """Return the TrainingJob of a workload with its final energy, which is the stand-in's truth."""
    found = measured(inside, name)
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)
    return found


@each_kind
def test_an_unchanged_workload_waits_for_clean_power_runs_and_is_measured(
    kind: OtherKind,
    inside: Kubectl,
    kubectl: Kubectl,
    installed: Installed,
    replayed: day.ReplayedDay,
) -> None:
    """Held from its creation on, through two deaths of the operator; two pods, one figure."""
    image, name = installed.built["base"].reference, f"wait-{kind.kind.lower()}"
    notes = {"expected_duration": f"{WORK_SECONDS}s", "max_delay": f"{6 * SLOT_SECONDS}s"}
    waves.await_a_dirty_stretch(replayed)
    inside.apply(kind.labelled(name, image, WORK_SECONDS, **notes))
    # By the policy, before the operator has seen it.
    assert held(inside, kind, name)
    await_(lambda: state(inside, name) == "Waiting", f"the TrainingJob of {name} waits")
    plan = beside(inside, name)["status"]["plan"]
    assert plan["reason"] == "CleanestWindow"
    kill_operator(kubectl)
    waits = held(inside, kind, name) and kind.pods_of(inside, name) == []
    # On a busy machine the clean hour may have come by now.
    assert waits or time.time() >= seconds_of(plan["start"])
    await_(lambda: state(inside, name) in ("Running", *ENDS), f"{name} runs")
    kill_operator(kubectl)
    found = run_until_measured(inside, installed, name)
    status = found["status"]
    assert status["display"]["state"] == "Complete"
    assert [one["outcome"] for one in status["attempts"]] == ["Complete"]
    assert status["attempts"][0]["start"] >= plan["start"]
    assert len(pods_of(found)) == kind.pods
    inside("delete", kind.plural, name, "--timeout=60s")
    assert beside(inside, name)["status"]["energy"] == status["energy"]


@each_kind
def test_a_workload_is_paused_goes_on_when_its_pods_are_gone_and_is_measured(
    kind: OtherKind, inside: Kubectl, kubectl: Kubectl, installed: Installed
) -> None:
    """Its pods are seen to end and to begin, and the old and the new are never there together.

    The operator dies while they end.
    """
    image, name = installed.built["base"].reference, f"rest-{kind.kind.lower()}"
    notes = {"policy": "Immediate", "interruptible": "true"}
    inside.apply(kind.labelled(name, image, 3 * STRETCH_SECONDS, **notes))
    first = work_for_a_stretch(inside, kind, name)
    job = beside(inside, name)["metadata"]["name"]
    patch(inside, job, '{"spec":{"suspend":true}}')
    await_(lambda: held(inside, kind, name), f"{name} is suspended")
    # At once: the operator that comes up next must not find the old pods beside the new.
    patch(inside, job, '{"spec":{"suspend":false}}')
    kill_operator(kubectl, wait=False)
    seen: list[set[str]] = []

    def second() -> bool:
        seen.append(uids(kind.pods_of(inside, name)))
        return len(seen[-1] - first) == kind.pods

    await_(second, f"the second pods of {name}")
    assert all(not (now & first) or not (now - first) for now in seen), "old and new pods together"
    await_(lambda: state(inside, name) == "Running", f"{name} runs again")
    found = run_until_measured(inside, installed, name)
    status = found["status"]
    assert status["display"]["state"] == "Complete"
    assert [one["outcome"] for one in status["attempts"]] == ["Paused", "Complete"]
    assert len(pods_of(found)) == 2 * kind.pods


@each_kind
def test_a_workload_that_fails_is_failed_and_measured(
    kind: OtherKind, inside: Kubectl, installed: Installed
) -> None:
    """The kind's own word for it, with the energy that it cost."""
    image, name = installed.built["base"].reference, f"fail-{kind.kind.lower()}"
    inside.apply(kind.labelled(name, image, WORK_SECONDS, 7, policy="Immediate"))
    await_(lambda: state(inside, name) == "Failed", f"{name} has failed", seconds=120)
    found = run_until_measured(inside, installed, name)
    assert [one["outcome"] for one in found["status"]["attempts"]] == ["Failed"]


@each_kind
def test_a_workload_is_free_when_its_trainingjob_is_deleted(
    kind: OtherKind, inside: Kubectl, installed: Installed
) -> None:
    """It was held by a TrainingJob that names it; nothing of ours stays on it, and it runs."""
    image, name = installed.built["base"].reference, f"free-{kind.kind.lower()}"
    target = {"apiVersion": kind.api_version, "kind": kind.kind, "name": name}
    written = {"apiVersion": "lowtide.dev/v1alpha1", "kind": "TrainingJob"}
    spec = {"targetRef": target, "suspend": True}
    inside.apply({**written, "metadata": {"name": f"{name}-plan"}, "spec": spec})
    inside.apply(kind.manifest(name, image, 3600))
    await_(lambda: held(inside, kind, name), f"{name} is held")
    inside("delete", "trainingjob", f"{name}-plan")
    await_(lambda: not held(inside, kind, name), f"{name} is free")
    all_run(inside, kind, name)
    assert not inside.json("get", kind.plural, name)["metadata"].get("ownerReferences")
    inside("delete", kind.plural, name, "--timeout=60s")


@each_kind
def test_a_workload_that_is_deleted_while_it_runs_was_measured(
    kind: OtherKind, inside: Kubectl, installed: Installed
) -> None:
    """Its TrainingJob stays, says so, and has the energy of all its pods."""
    image, name = installed.built["base"].reference, f"gone-{kind.kind.lower()}"
    inside.apply(kind.labelled(name, image, 3600, policy="Immediate"))
    work_for_a_stretch(inside, kind, name, stretches=3)
    await_(lambda: state(inside, name) == "Running", f"{name} is followed")
    inside("delete", kind.plural, name, "--timeout=60s")
    found = run_until_measured(inside, installed, name)
    assert found["status"]["display"]["state"] == "Failed"
    assert len(pods_of(found)) == kind.pods
