"""Queued Jobs that our AdmissionCheck pauses, with the real Kueue and no right to `spec.active`.

Run by `make test-kinds`: Kueue takes long to build.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import host_controllers
import known_controllers
import pytest
from clients import Kubectl, RunningCluster
from demonstration import stage
from measured import Installed, truth_of
from singlenode.commands import run
from singlenode.layout import REPOSITORY
from sleepers import await_
from test_kueue import QUEUE, own_writes, pods_there, queued, release, unlabelled
from test_workloads import STRETCH_SECONDS, TOLERANCE, beside, measured, patch, state

from lowtide.trainingjob.queue_check import CheckState, queued_workload
from lowtide.trainingjob.queue_writes import RESTS, SetCheck, applied, rests
from lowtide_operator.cluster.check_keeper import CONTROLLER

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.kinds]

CHECK = "lowtide"
STRATEGY = {"spec": {"admissionChecksStrategy": {"admissionChecks": [{"name": CHECK}]}}}


def upgrade(installed: Installed, *, by_check: bool) -> None:
    """Let the installed chart pause by the check, or by `spec.active` as the tests around do."""
    on = installed.on
    values = {
        "workloads": {
            "pauseQueued": {"enabled": not by_check},
            "admissionCheck": {"enabled": by_check},
        }
    }
    run(
        [
            on.programs.clients / "helm", f"--kubeconfig={on.layout.kubeconfig}",
            "upgrade", "lowtide", REPOSITORY / "charts" / "lowtide", "--reset-then-reuse-values",
            "--namespace", stage.RELEASE_NAMESPACE, "--values", "-", "--wait", "--timeout", "200s",
        ],
        input_text=json.dumps(values),
        timeout_seconds=230,
    )  # fmt: skip


@pytest.fixture(scope="module")
def inside(cluster: RunningCluster, kubectl: Kubectl, installed: Installed) -> Iterator[Kubectl]:
    """The namespace of the workloads, with Kueue and a queue that asks for our check."""
    with host_controllers.run(known_controllers.KUEUE, cluster, kubectl):
        kubectl.apply(*QUEUE)
        upgrade(installed, by_check=True)
        check = kubectl.json("get", "admissioncheck", CHECK)
        assert check["spec"]["controllerName"] == CONTROLLER
        kubectl("patch", "clusterqueue", "gpus", "--type=merge", "-p", json.dumps(STRATEGY))
        active = "--for=condition=Active"
        kubectl("wait", active, f"admissioncheck/{CHECK}", "--timeout=60s")
        kubectl("wait", active, "clusterqueue/gpus", "--timeout=60s")
        try:
            yield kubectl.within(stage.NAMESPACE)
        finally:
            kubectl.within(stage.NAMESPACE)("delete", "jobs", "--all", "--timeout=60s")
            none = '{"spec":{"admissionChecksStrategy":null}}'
            kubectl("patch", "clusterqueue", "gpus", "--type=merge", "-p", none)
            upgrade(installed, by_check=False)


def of_kueue(inside: Kubectl, name: str) -> dict[str, Any]:
    """Kueue's object for a Job."""
    uid = inside.json("get", "job", name)["metadata"]["uid"]
    resource = "workloads.v1beta2.kueue.x-k8s.io"
    (one,) = inside.json("get", resource, "-l", f"kueue.x-k8s.io/job-uid={uid}")["items"]
    return dict(one)


def is_parked(inside: Kubectl, name: str) -> bool:
    return rests(queued_workload(of_kueue(inside, name), CHECK), datetime.now(UTC))


def scale(kubectl: Kubectl, replicas: int) -> None:
    """Let the operator die, or start it."""
    there = kubectl.within(stage.RELEASE_NAMESPACE)
    there("scale", "deployment/lowtide-operator", f"--replicas={replicas}")
    if replicas:
        there("rollout", "status", "deployment/lowtide-operator", "--timeout=120s")
        return
    selector = "app.kubernetes.io/component=operator"
    there("wait", "--for=delete", "pod", "-l", selector, "--timeout=90s")


def first_write_of_one_that_dies(inside: Kubectl, name: str) -> None:
    """Write what the operator does first when it pauses a Job, and nothing more."""
    body = of_kueue(inside, name)
    parked = f"lowtide.dev/parked-in-queue={body['metadata']['name']}/{CHECK}"
    inside("annotate", "job", name, parked)
    inside("label", "job", name, "lowtide.dev/held=true")
    seen = queued_workload(of_kueue(inside, name), CHECK)
    assert seen.check is not None
    write = applied(SetCheck(CheckState.RETRY, RESTS), seen, "v1beta2", CHECK, datetime.now(UTC))
    forced = ["--server-side", "--force-conflicts", "--field-manager=lowtide-operator"]
    inside("apply", *forced, "--subresource=status", "-f", "-", text=json.dumps(write))


def test_a_job_is_paused_by_the_check_through_a_death_after_the_first_write(
    inside: Kubectl, kubectl: Kubectl, installed: Installed
) -> None:
    """Its quota is another's meanwhile, no two pods are there together, and it is measured."""
    seconds = 3 * STRETCH_SECONDS
    inside.apply(queued(installed, "parks", seconds, policy="Immediate", interruptible="true"))
    inside("wait", "--for=jsonpath={.status.ready}=1", "job/parks", "--timeout=90s")
    time.sleep(STRETCH_SECONDS)  # edges of its pod's energy are then a small part of it
    await_(lambda: state(inside, "parks") == "Running", "parks is followed")
    first = pods_there(inside, "parks")
    mine = beside(inside, "parks")["metadata"]["name"]
    scale(kubectl, 0)
    patch(inside, mine, '{"spec":{"suspend":true}}')
    first_write_of_one_that_dies(inside, "parks")
    await_(lambda: not pods_there(inside, "parks"), "the pod of parks is gone")
    scale(kubectl, 1)
    await_(lambda: is_parked(inside, "parks"), "Kueue's timer holds parks")
    await_(lambda: state(inside, "parks") == "Paused", "parks is paused")
    inside.apply(unlabelled(installed, "meanwhile", 1))
    inside("wait", "--for=condition=complete", "job/meanwhile", "--timeout=90s")
    patch(inside, mine, '{"spec":{"suspend":false}}')
    await_(lambda: bool(pods_there(inside, "parks") - first), "parks has a second pod")
    found = measured(inside, "parks")
    status = found["status"]
    assert status["display"]["state"] == "Complete"
    assert [one["outcome"] for one in status["attempts"]] == ["Paused", "Complete"]
    truth = truth_of(found, installed.truth)
    assert status["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)
    assert "f:suspend" not in own_writes(inside, "parks")
    assert of_kueue(inside, "parks")["spec"].get("active", True)


def test_what_the_check_paused_is_released_without_the_operator(
    inside: Kubectl, kubectl: Kubectl, cluster: RunningCluster, installed: Installed
) -> None:
    """The command line writes what is due, and Kueue starts it."""
    inside.apply(queued(installed, "alone", 20, policy="Immediate", interruptible="true"))
    inside("wait", "--for=jsonpath={.status.ready}=1", "job/alone", "--timeout=90s")
    mine = beside(inside, "alone")["metadata"]["name"]
    await_(lambda: state(inside, "alone") == "Running", "alone is followed")
    patch(inside, mine, '{"spec":{"suspend":true}}')
    await_(lambda: is_parked(inside, "alone"), "Kueue's timer holds alone")
    scale(kubectl, 0)
    try:
        assert release(cluster, "alone").endswith("/alone is free\n")
        inside("wait", "--for=condition=complete", "job/alone", "--timeout=90s")
    finally:
        scale(kubectl, 1)
