"""Queued Jobs with the real Kueue: clean power first, then quota; pauses, and deaths on both sides.

Run by `make test-kinds`: Kueue takes long to build.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host_controllers
import known_controllers
import pytest
import waves
from clients import Kubectl, RunningCluster
from demonstration import day, stage
from measured import Installed, truth_of
from sleepers import await_
from test_workloads import (
    BUSY,
    STRETCH_SECONDS,
    TOLERANCE,
    beside,
    job,
    measured,
    patch,
    state,
)

from lowtide_operator.cluster.queue_calls import QUEUE_VERSIONS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.kinds,
    host_controllers.skipped_where_not_built(known_controllers.KUEUE),
]

SLOT_SECONDS = 30
"""An hour of the replay: what is seen while a Job waits has time to be seen."""
GATES = "kueue.x-k8s.io/admission-gated-by"
QUEUE = [
    {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ResourceFlavor",
        "metadata": {"name": "any"},
    },
    {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": "gpus"},
        "spec": {
            "namespaceSelector": {},
            "resourceGroups": [
                {
                    "coveredResources": ["nvidia.com/gpu"],
                    "flavors": [
                        {
                            "name": "any",
                            "resources": [{"name": "nvidia.com/gpu", "nominalQuota": 1}],
                        }
                    ],
                }
            ],
        },
    },
    {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "LocalQueue",
        "metadata": {"name": "ml", "namespace": stage.NAMESPACE},
        "spec": {"clusterQueue": "gpus"},
    },
]
"""A queue with a quota of one GPU."""


@pytest.fixture(scope="module")
def kueue(
    cluster: RunningCluster, kubectl: Kubectl, installed: Installed
) -> Iterator[host_controllers.Running]:
    """Kueue beside the installed chart, with a queue."""
    with host_controllers.run(known_controllers.KUEUE, cluster, kubectl) as running:
        kubectl.apply(*QUEUE)
        yield running


@pytest.fixture(scope="module")
def replayed(
    kueue: host_controllers.Running,
    installed: Installed,
    tmp_path_factory: pytest.TempPathFactory,
) -> day.ReplayedDay:
    """Waves of a grid, beside the chart and Kueue."""
    return waves.begin(installed, tmp_path_factory.mktemp("waves"), slot_seconds=SLOT_SECONDS)


@pytest.fixture(scope="module")
def inside(replayed: day.ReplayedDay, kubectl: Kubectl) -> Iterator[Kubectl]:
    """The namespace of the workloads, with the chart, Kueue, a queue and waves of a grid."""
    try:
        yield kubectl.within(stage.NAMESPACE)
    finally:
        kubectl.within(stage.NAMESPACE)("delete", "jobs", "--all", "--timeout=60s")


def queued(installed: Installed, name: str, seconds: int, **annotations: str) -> dict[str, Any]:
    """A labelled Job of the queue."""
    manifest = job(installed, name, BUSY.format(seconds=seconds), **annotations)
    manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "ml"
    return manifest


def gates(inside: Kubectl, name: str) -> str:
    annotations = inside.json("get", "job", name)["metadata"].get("annotations") or {}
    return str(annotations.get(GATES, ""))


def test_a_queued_job_waits_for_clean_power_then_for_quota_and_runs(
    inside: Kubectl, installed: Installed, replayed: day.ReplayedDay
) -> None:
    """While it is gated it holds no quota; its flag is never written by Lowtide."""
    waves.await_a_dirty_stretch(replayed)
    delay = f"{6 * SLOT_SECONDS}s"
    inside.apply(queued(installed, "gated", 15, expected_duration="15s", max_delay=delay))
    assert gates(inside, "gated") == "lowtide.dev/carbon"
    await_(lambda: state(inside, "gated") == "Waiting", "gated waits for clean power")
    workloads = inside.json("get", "workloads.v1beta2.kueue.x-k8s.io")["items"]
    (conditions,) = [one["status"]["conditions"] for one in workloads]
    reasons = {one["type"]: one["reason"] for one in conditions}
    assert reasons["QuotaReserved"] == "AdmissionGated"
    # The gated one holds no quota, so another gets it.
    inside.apply(unlabelled(installed, "other", 3600))
    inside("wait", "--for=jsonpath={.status.ready}=1", "job/other", "--timeout=60s")
    planned = beside(inside, "gated")["status"]["plan"]["start"]
    assert state(inside, "gated") == "Waiting" or day_time() >= planned
    await_(lambda: state(inside, "gated") == "Queued", "gated waits for quota")
    assert gates(inside, "gated") == ""
    inside("delete", "job", "other", "--timeout=60s")
    managers = {
        entry["manager"]: entry["fieldsV1"]
        for entry in inside.json("get", "job", "gated", "--show-managed-fields")["metadata"][
            "managedFields"
        ]
    }
    assert "f:suspend" not in str(managers.get("lowtide-operator", {}))
    found = measured(inside, "gated")
    assert found["status"]["display"]["state"] == "Complete"
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)


def test_a_queued_job_without_our_gate_is_kueues_and_the_plan_says_so(
    inside: Kubectl, installed: Installed
) -> None:
    """The label came later: Kueue takes a gate at the creation only."""
    late = queued(installed, "late", 30, max_delay="1h")
    del late["metadata"]["labels"]["lowtide.dev/schedule"]
    inside.apply(late)
    inside("label", "job", "late", "lowtide.dev/schedule=true")
    await_(lambda: state(inside, "late") == "Complete", "late has run", seconds=120)
    plan = beside(inside, "late")["status"]["plan"]
    assert plan["reason"] == "NotScheduled"
    assert "created without our admission gate" in plan["explanation"]


def unlabelled(installed: Installed, name: str, seconds: int) -> dict[str, Any]:
    """A Job of the queue that Lowtide has nothing to do with."""
    manifest = queued(installed, name, seconds)
    del manifest["metadata"]["labels"]["lowtide.dev/schedule"]
    return manifest


def pods_there(inside: Kubectl, name: str) -> set[str]:
    """Uids of a Job's pods that have not ended, also those that are ending."""
    pods = inside.json("get", "pods", "-l", f"batch.kubernetes.io/job-name={name}")["items"]
    ended = ("Succeeded", "Failed")
    return {one["metadata"]["uid"] for one in pods if one["status"]["phase"] not in ended}


def is_active(inside: Kubectl, name: str, version: str) -> bool:
    """Whether Kueue may start a Job, read in a version of Kueue's API."""
    uid = inside.json("get", "job", name)["metadata"]["uid"]
    resource = f"workloads.{version}.kueue.x-k8s.io"
    (one,) = inside.json("get", resource, "-l", f"kueue.x-k8s.io/job-uid={uid}")["items"]
    return bool(one["spec"].get("active", True))


def own_writes(inside: Kubectl, name: str) -> str:
    """Fields of a Job that the operator wrote."""
    entries = inside.json("get", "job", name, "--show-managed-fields")["metadata"]["managedFields"]
    return str([one["fieldsV1"] for one in entries if one["manager"] == "lowtide-operator"])


def test_a_queued_job_is_paused_through_a_death_of_kueue_and_goes_on(
    inside: Kubectl, kubectl: Kubectl, kueue: host_controllers.Running, installed: Installed
) -> None:
    """Its quota is another's meanwhile, its flag is Kueue's, and no two pods are there together."""
    served = json.loads(kubectl("get", "--raw", "/apis/kueue.x-k8s.io"))["versions"]
    assert [one["version"] for one in served] == list(QUEUE_VERSIONS)
    seconds = 3 * STRETCH_SECONDS
    inside.apply(queued(installed, "rests", seconds, policy="Immediate", interruptible="true"))
    inside("wait", "--for=jsonpath={.status.ready}=1", "job/rests", "--timeout=90s")
    time.sleep(STRETCH_SECONDS)  # edges of its pod's energy are then a small part of it
    await_(lambda: state(inside, "rests") == "Running", "rests is followed")
    first = pods_there(inside, "rests")
    mine = beside(inside, "rests")["metadata"]["name"]
    patch(inside, mine, '{"spec":{"suspend":true}}')
    await_(lambda: not is_active(inside, "rests", "v1beta2"), "rests is not active")
    assert not is_active(inside, "rests", "v1beta1")
    await_(lambda: state(inside, "rests") == "Paused", "rests is paused")
    await_(lambda: not pods_there(inside, "rests"), "the pod of rests is gone")
    inside.apply(unlabelled(installed, "between", 1))
    inside("wait", "--for=condition=complete", "job/between", "--timeout=90s")
    kueue.kill()
    kueue.start()
    patch(inside, mine, '{"spec":{"suspend":false}}')
    seen: list[set[str]] = []

    def second() -> bool:
        seen.append(pods_there(inside, "rests"))
        return bool(seen[-1] - first)

    await_(second, "rests has a second pod", seconds=180)
    assert all(not now & first for now in seen)
    assert is_active(inside, "rests", "v1beta2")
    found = measured(inside, "rests")
    status = found["status"]
    assert status["display"]["state"] == "Complete"
    assert [one["outcome"] for one in status["attempts"]] == ["Paused", "Complete"]
    truth = truth_of(found, installed.truth)
    assert status["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)
    assert "f:suspend" not in own_writes(inside, "rests")
    assert "f:held" not in own_writes(inside, "rests")


def test_a_gated_job_starts_after_a_kueue_that_was_dead_at_its_time(
    inside: Kubectl,
    kueue: host_controllers.Running,
    installed: Installed,
    replayed: day.ReplayedDay,
) -> None:
    """Without Kueue's webhook the gate stays; the operator tries again."""
    waves.await_a_dirty_stretch(replayed)
    delay = f"{6 * SLOT_SECONDS}s"
    inside.apply(queued(installed, "outlives", 10, expected_duration="10s", max_delay=delay))
    await_(lambda: state(inside, "outlives") == "Waiting", "outlives waits for clean power")
    start = beside(inside, "outlives")["status"]["plan"]["start"]
    kueue.kill()
    await_(lambda: day_time() > start, "its time has come", seconds=8 * SLOT_SECONDS)
    kueue.start()
    await_(lambda: state(inside, "outlives") == "Complete", "outlives has run", seconds=180)
    assert gates(inside, "outlives") == ""
    assert "f:suspend" not in own_writes(inside, "outlives")


def day_time() -> str:
    """The time now as a status writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_an_approved_start_and_a_release_happen_without_lowtide(
    inside: Kubectl, kubectl: Kubectl, cluster: RunningCluster, installed: Installed
) -> None:
    """Kueue starts what only waits for quota; what is gated is freed by the command line."""
    inside.apply(unlabelled(installed, "before", 3600))
    inside("wait", "--for=jsonpath={.status.ready}=1", "job/before", "--timeout=90s")
    inside.apply(queued(installed, "approved", STRETCH_SECONDS, policy="Immediate"))
    await_(lambda: state(inside, "approved") == "Queued", "approved waits for quota")
    there = kubectl.within(stage.RELEASE_NAMESPACE)
    there("scale", "deployment/lowtide-operator", "--replicas=0")
    selector = "app.kubernetes.io/component=operator"
    there("wait", "--for=delete", "pod", "-l", selector, "--timeout=90s")
    try:
        inside.apply(queued(installed, "gated-alone", 5, max_delay="1h"))
        inside("delete", "job", "before", "--timeout=60s")
        # Longer than the pod's work: it may have ended when it is looked at.
        inside("wait", "--for=condition=complete", "job/approved", "--timeout=120s")
        assert gates(inside, "gated-alone") == "lowtide.dev/carbon"
        said = release(cluster, "gated-alone")
        assert said.endswith("/gated-alone is free\n")
        inside("wait", "--for=condition=complete", "job/gated-alone", "--timeout=90s")
    finally:
        there("scale", "deployment/lowtide-operator", "--replicas=1")
        there("rollout", "status", "deployment/lowtide-operator", "--timeout=90s")
    found = measured(inside, "approved")
    assert found["status"]["display"]["state"] == "Complete"
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)


def release(cluster: RunningCluster, name: str) -> str:
    """Run `lowtide release` for a workload of the tests' namespace; return what it said."""
    programs = f"{cluster.programs.kubectl.parent}{os.pathsep}{os.environ['PATH']}"
    where = [f"--kubeconfig={cluster.kubeconfig}", f"--namespace={stage.NAMESPACE}"]
    done = subprocess.run(
        [Path(sys.executable).with_name("lowtide"), "release", name, *where],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "PATH": programs},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
