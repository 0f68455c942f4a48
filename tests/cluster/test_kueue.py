"""A queued Job at the gate of the real Kueue: it waits for clean power first, then for quota.

Run by `make test-kinds`: Kueue takes long to build.
"""

from collections.abc import Iterator
from typing import Any

import host_controllers
import known_controllers
import pytest
from clients import Kubectl, RunningCluster
from demonstration import day, stage
from measured import Installed, truth_of
from sleepers import await_
from test_paused_job import write_waves
from test_workloads import BUSY, SLOT_SECONDS, TOLERANCE, beside, job, measured, state

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.kinds]

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
def inside(
    cluster: RunningCluster,
    kubectl: Kubectl,
    installed: Installed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kubectl]:
    """The namespace of the workloads, with the chart, Kueue, a queue and waves of a grid."""
    with host_controllers.run(known_controllers.KUEUE, cluster, kubectl):
        kubectl.apply(*QUEUE)
        trace = tmp_path_factory.mktemp("waves") / "waves.csv"
        first, _ = write_waves(trace)
        on = installed.on
        day.begin(on.layout, on.python, trace=trace, start=first, slot_seconds=SLOT_SECONDS)
        day.await_forecast()
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
    inside: Kubectl, installed: Installed
) -> None:
    """While it is gated it holds no quota; its flag is never written by Lowtide."""
    delay = f"{6 * SLOT_SECONDS}s"
    inside.apply(queued(installed, "gated", 15, expected_duration="15s", max_delay=delay))
    assert gates(inside, "gated") == "lowtide.dev/carbon"
    await_(lambda: state(inside, "gated") == "Waiting", "gated waits for clean power")
    workloads = inside.json("get", "workloads.v1beta2.kueue.x-k8s.io")["items"]
    (conditions,) = [one["status"]["conditions"] for one in workloads]
    reasons = {one["type"]: one["reason"] for one in conditions}
    assert reasons["QuotaReserved"] == "AdmissionGated"
    # The gated one holds no quota, so another runs through.
    other = queued(installed, "other", 60)
    del other["metadata"]["labels"]["lowtide.dev/schedule"]
    inside.apply(other)
    inside("wait", "--for=jsonpath={.status.ready}=1", "job/other", "--timeout=60s")
    assert state(inside, "gated") == "Waiting"
    await_(lambda: state(inside, "gated") == "Queued", "gated waits for quota", seconds=120)
    assert gates(inside, "gated") == ""
    managers = {
        entry["manager"]: entry["fieldsV1"]
        for entry in inside.json("get", "job", "gated", "--show-managed-fields")["metadata"][
            "managedFields"
        ]
    }
    assert "f:suspend" not in str(managers.get("lowtide-operator", {}))
    await_(lambda: state(inside, "gated") == "Running", "gated runs", seconds=120)
    found = measured(inside, "gated")
    assert found["status"]["display"]["state"] == "Complete"
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)


def test_a_queued_job_without_our_gate_is_kueues_and_the_plan_says_so(
    inside: Kubectl, installed: Installed
) -> None:
    """The label came later: Kueue takes a gate at the creation only."""
    late = queued(installed, "late", 10, max_delay="1h")
    del late["metadata"]["labels"]["lowtide.dev/schedule"]
    inside.apply(late)
    inside("label", "job", "late", "lowtide.dev/schedule=true")
    await_(lambda: state(inside, "late") == "Complete", "late has run", seconds=120)
    plan = beside(inside, "late")["status"]["plan"]
    assert plan["reason"] == "NotScheduled"
    assert "created without our admission gate" in plan["explanation"]
