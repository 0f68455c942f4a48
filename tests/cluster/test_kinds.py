"""Unchanged PyTorchJobs on a real cluster, with their real controller, the training-operator.

It is built from its own Go module; run by `make test-kinds`.
"""

from collections.abc import Iterator
from typing import Any

import host_controllers
import kinds_of_others
import known_controllers
import pytest
from clients import Kubectl, RunningCluster
from demonstration import day, stage
from kinds_of_others import OtherKind
from measured import Installed, pods_of, truth_of
from sleepers import await_
from test_paused_job import write_waves
from test_workloads import (
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

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.kinds]

each_kind = pytest.mark.parametrize("kind", kinds_of_others.KINDS, ids=lambda kind: kind.kind)


@pytest.fixture(scope="module")
def controllers(cluster: RunningCluster, kubectl: Kubectl) -> Iterator[None]:
    """The controller, before the operator, which looks for the kind at its start."""
    with host_controllers.run(known_controllers.TRAINING_OPERATOR, cluster, kubectl):
        yield


@pytest.fixture(scope="module")
def inside(
    controllers: None,
    kubectl: Kubectl,
    installed: Installed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kubectl]:
    """The namespace of the workloads, with the chart, the controllers and waves of a grid."""
    trace = tmp_path_factory.mktemp("waves") / "waves.csv"
    first, _ = write_waves(trace)
    on = installed.on
    day.begin(on.layout, on.python, trace=trace, start=first, slot_seconds=SLOT_SECONDS)
    day.await_forecast()
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


def run_until_measured(inside: Kubectl, installed: Installed, name: str) -> dict[str, Any]:
    """Return the TrainingJob of a workload with its final energy, which is the stand-in's truth."""
    found = measured(inside, name)
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)
    return found


@each_kind
def test_an_unchanged_workload_waits_for_clean_power_runs_and_is_measured(
    kind: OtherKind, inside: Kubectl, kubectl: Kubectl, installed: Installed
) -> None:
    """Held from its creation on, through a death of the operator; two pods, one figure."""
    image, name = installed.built["base"].reference, f"wait-{kind.kind.lower()}"
    notes = {"expected_duration": f"{WORK_SECONDS}s", "max_delay": f"{6 * SLOT_SECONDS}s"}
    inside.apply(kind.labelled(name, image, WORK_SECONDS, **notes))
    # By the policy, before the operator has seen it.
    assert held(inside, kind, name)
    await_(lambda: state(inside, name) == "Waiting", f"the TrainingJob of {name} waits")
    plan = beside(inside, name)["status"]["plan"]
    assert plan["reason"] == "CleanestWindow"
    kill_operator(kubectl)
    assert held(inside, kind, name)
    assert kind.pods_of(inside, name) == []
    await_(lambda: state(inside, name) == "Running", f"{name} runs", seconds=120)
    found = run_until_measured(inside, installed, name)
    status = found["status"]
    assert status["display"]["state"] == "Complete"
    assert [one["outcome"] for one in status["attempts"]] == ["Complete"]
    assert status["attempts"][0]["start"] >= plan["start"]
    assert len(pods_of(found)) == kind.pods
    inside("delete", kind.plural, name, "--timeout=60s")
    assert beside(inside, name)["status"]["energy"] == status["energy"]


@each_kind
def test_a_workload_is_paused_and_goes_on_when_its_pods_are_gone(
    kind: OtherKind, inside: Kubectl, installed: Installed
) -> None:
    """Its pods are seen to end and to begin, and the old and the new are never there together."""
    image, name = installed.built["base"].reference, f"rest-{kind.kind.lower()}"
    notes = {"policy": "Immediate", "interruptible": "true"}
    inside.apply(kind.labelled(name, image, 2 * STRETCH_SECONDS, **notes))
    await_(lambda: state(inside, name) == "Running", f"{name} runs")
    await_(lambda: len(kind.pods_of(inside, name)) == kind.pods, f"all pods of {name} are there")
    first = uids(kind.pods_of(inside, name))
    job = beside(inside, name)["metadata"]["name"]
    patch(inside, job, '{"spec":{"suspend":true}}')
    await_(lambda: held(inside, kind, name), f"{name} is suspended")
    # At once: whoever resumes it now must not find the old pods beside the new.
    patch(inside, job, '{"spec":{"suspend":false}}')
    seen: list[set[str]] = []

    def second() -> bool:
        seen.append(uids(kind.pods_of(inside, name)))
        return len(seen[-1] - first) == kind.pods

    await_(second, f"the second pods of {name}")
    assert all(not (now & first) or not (now - first) for now in seen), "old and new pods together"
    await_(lambda: state(inside, name) == "Running", f"{name} runs again")
    status = measured(inside, name)["status"]
    assert status["display"]["state"] == "Complete"
    assert status["attempts"][0]["outcome"] == "Paused"


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
