"""Clusters of a MultiKueue, nominated by the real operator: three API servers, three real Kueues.

No node runs: where a workload lands is a matter of quota. Run by `make test-kinds`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nodeless
import pytest
from operator_process import Operator, until
from singlenode import binaries
from singlenode.layout import REPOSITORY, Layout
from standins.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.kinds]

NAMESPACE = "ml"
WORKERS = {"coal": 800, "wind": 30}
"""Worker clusters, each in a grid zone of its name, with its grams per kilowatt-hour."""
NEVER, AT_ONCE = 86_400.0, 0.1
"""Settings of `widenSeconds` by which what is seen does not depend on how fast this machine is."""
KUEUE = "kueue.x-k8s.io/v1beta2"
TRAINING_POD = {
    "restartPolicy": "Never",
    "containers": [
        {"name": "train", "image": "none", "resources": {"requests": {"cpu": "1"}}},
    ],
}

Manifest = dict[str, Any]


def queue(cpus: int, *checks: str) -> list[Manifest]:
    """Return a queue with a quota of so many cores."""
    quota = {"name": "any", "resources": [{"name": "cpu", "nominalQuota": cpus}]}
    spec: Manifest = {
        "namespaceSelector": {},
        "resourceGroups": [{"coveredResources": ["cpu"], "flavors": [quota]}],
    }
    if checks:
        spec["admissionChecksStrategy"] = {"admissionChecks": [{"name": name} for name in checks]}
    return [
        {"apiVersion": KUEUE, "kind": "ResourceFlavor", "metadata": {"name": "any"}},
        {"apiVersion": KUEUE, "kind": "ClusterQueue", "metadata": {"name": "all"}, "spec": spec},
        {
            "apiVersion": KUEUE,
            "kind": "LocalQueue",
            "metadata": {"name": "ml", "namespace": NAMESPACE},
            "spec": {"clusterQueue": "all"},
        },
    ]


def links(servers: dict[str, nodeless.ApiServer]) -> list[Manifest]:
    """Return what sends the workloads of a queue from the manager to the workers."""
    made: list[Manifest] = []
    for name in WORKERS:
        kubeconfig = servers[name].kubeconfig.read_text()
        made.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": "kueue-system"},
                "stringData": {"kubeconfig": kubeconfig},
            }
        )
        source = {"kubeConfig": {"locationType": "Secret", "location": name}}
        made.append(
            {
                "apiVersion": KUEUE,
                "kind": "MultiKueueCluster",
                "metadata": {"name": name, "annotations": {"lowtide.dev/zone": name}},
                "spec": {"clusterSource": source},
            }
        )
    configuration = {"apiGroup": "kueue.x-k8s.io", "kind": "MultiKueueConfig", "name": "workers"}
    return [
        *made,
        {
            "apiVersion": KUEUE,
            "kind": "MultiKueueConfig",
            "metadata": {"name": "workers"},
            "spec": {"clusters": sorted(WORKERS)},
        },
        {
            "apiVersion": KUEUE,
            "kind": "AdmissionCheck",
            "metadata": {"name": "workers"},
            "spec": {
                "controllerName": "kueue.x-k8s.io/multikueue",
                "parameters": configuration,
            },
        },
    ]


def job(name: str, *, labelled: bool = True, gated: bool = False) -> Manifest:
    """Return a Job of the queue; `gated` as the chart's policy makes it."""
    labels = {"kueue.x-k8s.io/queue-name": "ml"}
    annotations = {"lowtide.dev/expected-duration": "1h", "lowtide.dev/policy": "Immediate"}
    if labelled:
        labels["lowtide.dev/schedule"] = "true"
    if gated:
        labels["lowtide.dev/held"] = "true"
        annotations["kueue.x-k8s.io/admission-gated-by"] = "lowtide.dev/carbon"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {"suspend": True, "template": {"spec": TRAINING_POD}},
    }


def training_job(name: str) -> Manifest:
    """Return a TrainingJob whose Job belongs into the queue."""
    template = {
        "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "ml"}},
        "spec": {"template": {"spec": TRAINING_POD}},
    }
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"schedule": {"policy": "Immediate"}, "template": template},
    }


@dataclass(frozen=True, slots=True)
class Fleet:
    """A manager with its workers, and the operator beside the manager."""

    servers: dict[str, nodeless.ApiServer]
    folder: Path

    @contextmanager
    def lowtide(self, widen_seconds: float) -> Iterator[None]:
        """Run the operator beside the manager; it begins with a look at a job."""
        metrics = free_port()
        file = settings(self.folder, metrics, widen_seconds)
        operator = Operator(str(self.servers["manager"].kubeconfig), file, metrics)
        try:
            operator.start()
            yield
        finally:
            operator.stop()

    def deleted(self, *names: str) -> None:
        """Delete Jobs; return when their copies are gone from the workers.

        Their Workloads go here too: no garbage collector runs.
        """
        kubectl = self.servers["manager"].kubectl.within(NAMESPACE)
        for name in names:
            workload = self.workload("manager", name)
            kubectl("delete", "job", name)
            if workload is not None:
                resource = f"workloads.v1beta2.kueue.x-k8s.io/{workload['metadata']['name']}"
                kubectl("delete", resource, "--ignore-not-found")
        until(lambda: not any(self.where(name) for name in names), "their copies are gone")

    def workload(self, server: str, job_name: str) -> Manifest | None:
        """Return Kueue's object for a Job at a server."""
        kubectl = self.servers[server].kubectl.within(NAMESPACE)
        found = kubectl.json("get", "workloads.v1beta2.kueue.x-k8s.io")["items"]
        owned = [one for one in found if one["metadata"]["name"].startswith(f"job-{job_name}-")]
        return owned[0] if owned else None

    def status(self, job_name: str) -> Manifest:
        """Return the status of a Job's Workload in the manager; empty where there is none."""
        found = self.workload("manager", job_name)
        return {} if found is None else found.get("status", {})

    def condition(self, job_name: str, kind: str) -> str:
        conditions = self.status(job_name).get("conditions", ())
        return next((one["status"] for one in conditions if one["type"] == kind), "")

    def nominated(self, job_name: str) -> list[str]:
        return list(self.status(job_name).get("nominatedClusterNames", ()))

    def cluster(self, job_name: str) -> str:
        return str(self.status(job_name).get("clusterName", ""))

    def where(self, job_name: str) -> set[str]:
        """Return the workers that have a Workload for a Job."""
        return {name for name in WORKERS if self.workload(name, job_name) is not None}

    def lands(self, job_name: str) -> str:
        """Return the cluster that a Job was assigned to, when Kueue has admitted it there."""
        until(lambda: self.cluster(job_name), f"{job_name} has a cluster")
        until(lambda: self.condition(job_name, "Admitted") == "True", f"{job_name} is admitted")
        return self.cluster(job_name)

    def notes(self, job_name: str) -> list[str]:
        """Return what the Events about a Job's Workload say of its nomination, oldest first."""
        workload = self.workload("manager", job_name)
        assert workload is not None
        events = (
            self.servers["manager"]
            .kubectl.within(NAMESPACE)
            .json("get", "events.v1.events.k8s.io")["items"]
        )
        mine = [
            one
            for one in events
            if one["regarding"].get("uid") == workload["metadata"]["uid"]
            and one["reason"] == "Nominated"
        ]
        return [one["note"] for one in sorted(mine, key=lambda one: one["eventTime"])]


def settings(folder: Path, metrics: int, widen_seconds: float) -> Path:
    """Write the operator's settings: a zone for each worker, steady for two days."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    zones = {}
    for name, grams in WORKERS.items():
        hours = [hour + timedelta(hours=k) for k in range(-24, 48)]
        rows = [f"{at:%Y-%m-%dT%H:%M:%SZ},{grams},{grams}" for at in hours]
        trace = folder / f"{name}.csv"
        trace.write_text("\n".join(["time,g_per_kwh,forecast", *rows]) + "\n")
        zones[name] = {"providers": [{"kind": "file", "path": str(trace)}]}
    document = {
        "zones": zones,
        "defaultZone": "coal",
        "dispatcher": {"enabled": True, "widenSeconds": widen_seconds},
        "server": {"metricsPort": metrics, "healthPort": 0},
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


@pytest.fixture
def fleet(vacant_machine: Layout, tmp_path: Path, programs: binaries.Binaries) -> Iterator[Fleet]:
    """Three API servers with a Kueue each; the manager's leaves nominations to Lowtide."""
    if binaries.companion(vacant_machine, "kueue") is None:
        pytest.skip("Kueue is not built: see docs/contributing.md")
    with nodeless.api_servers(vacant_machine, programs, ["manager", *WORKERS]) as servers:
        dispatch = {"multiKueue": {"dispatcherName": "lowtide.dev/dispatcher"}}
        for name, server in servers.items():
            nodeless.start_kueue(server, dispatch if name == "manager" else None)
        for name, server in servers.items():
            nodeless.await_kueue(server)
            server.kubectl("create", "namespace", NAMESPACE)
            if name != "manager":
                server.kubectl.apply(*queue(1))
        manager = servers["manager"].kubectl
        manager.apply(*links(servers))
        manager.apply(*queue(9, "workers"))
        crd = REPOSITORY / "crds" / "trainingjobs.lowtide.dev.yaml"
        manager("apply", "--server-side", "-f", str(crd))
        manager(
            "wait", "--for=condition=Active", "clusterqueue/all", "admissioncheck/workers",
            *(f"multikueuecluster/{name}" for name in WORKERS), "--timeout=230s", timeout=240,
        )  # fmt: skip
        yield Fleet(servers, tmp_path)


def test_a_workload_lands_in_the_cleaner_cluster_and_in_the_next_without_quota(
    fleet: Fleet,
) -> None:
    """Gated, not gated, of a TrainingJob, and not ours; with Lowtide dead in between."""
    manager = fleet.servers["manager"].kubectl
    manager.apply(job("others", labelled=False), job("first", gated=True))
    until(lambda: fleet.condition("others", "QuotaReserved") == "True", "others has quota")
    assert (fleet.nominated("others"), fleet.where("others")) == ([], set())

    with fleet.lowtide(NEVER):
        # Work of others waits for no forecast and is kept from no cluster.
        until(lambda: fleet.notes("others"), "others is nominated")
        assert fleet.notes("others")[0].startswith("all clusters are nominated at once")
        assert fleet.lands("others") in WORKERS
        fleet.deleted("others")
        # What Lowtide held enters when its start is recorded, and is sent to the cleaner cluster.
        assert fleet.lands("first") == "wind"
        assert fleet.where("first") == {"wind"}
        (note,) = fleet.notes("first")
        assert note.startswith("nominated wind (zone wind, 30 g/kWh); without quota there")
        # Its one core is taken: the next one waits for it, and nowhere else.
        manager.apply(job("second"))
        until(lambda: fleet.where("second") == {"wind"}, "second waits in the cleaner cluster")
        assert (fleet.nominated("second"), fleet.cluster("second")) == (["wind"], "")

    # The next operator finds that it has waited for long enough.
    with fleet.lowtide(AT_ONCE):
        assert fleet.lands("second") == "coal"
        until(lambda: fleet.where("second") == {"coal"}, "second is in one cluster only")
        assert len(fleet.notes("second")) == 2
        assert "nominated coal (zone coal, 800 g/kWh) beside wind" in fleet.notes("second")[1]
        fleet.deleted("first", "second")

    manager.apply(training_job("net"))
    with fleet.lowtide(NEVER):
        assert fleet.lands("net-1") == "wind"
        assert fleet.where("net-1") == {"wind"}
