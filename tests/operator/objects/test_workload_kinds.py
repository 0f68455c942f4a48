"""The table of workload kinds, against the definitions of the projects that make them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lowtide.trainingjob.pods_of_workloads import own_pods, selectors_of
from lowtide.trainingjob.workload_kinds import JOB, KINDS, WorkloadKind, kind_of
from lowtide_operator.decision.workload import target_of
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.pods import PodView, pod_view
from lowtide_operator.objects.views import JobOutcome
from lowtide_operator.objects.workloads import (
    ProgressView,
    gpus_of,
    is_there,
    longest_seconds,
    workload_view,
)

FACTS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "workload_fields.json").read_text(encoding="utf-8")
)
"""Fields of the definitions, as tools/workload_schemas.py cut them out."""
BY_NAME = {kind.kind: kind for kind in KINDS}
OF_OTHERS = [kind for kind in KINDS if kind is not JOB]


def pod(gpus: int) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)}
    return {"spec": {"containers": [{"name": "c", "resources": {"limits": limits}}]}}


def body(kind: WorkloadKind, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        "name": "bert",
        "namespace": "ml",
        "uid": "u-1",
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-30T12:00:00Z",
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


SPECS: dict[str, tuple[dict[str, Any], int]] = {
    "Job": ({"parallelism": 4, "completions": 3, "template": pod(2)}, 6),
    "JobSet": (
        {
            "replicatedJobs": [
                {"replicas": 2, "template": {"spec": {"parallelism": 3, "template": pod(1)}}},
                {"template": {"spec": {"template": pod(1)}}},
            ]
        },
        7,
    ),
    "TrainJob": (
        {"trainer": {"numNodes": 4, "resourcesPerNode": {"limits": {"nvidia.com/gpu": "2"}}}},
        8,
    ),
    "PyTorchJob": (
        {
            "pytorchReplicaSpecs": {
                "Master": {"template": pod(1)},
                "Worker": {"replicas": 3, "template": pod(2)},
            }
        },
        7,
    ),
    "RayJob": (
        {
            "rayClusterSpec": {
                "headGroupSpec": {"template": pod(0)},
                "workerGroupSpecs": [{"replicas": 2, "numOfHosts": 2, "template": pod(4)}],
            }
        },
        16,
    ),
}
"""A spec of each kind, and the GPUs that its pods hold: counted by hand."""


@pytest.mark.parametrize("kind", OF_OTHERS, ids=lambda kind: kind.kind)
def test_every_path_of_an_entry_is_a_field_of_the_kinds_definition(kind: WorkloadKind) -> None:
    """Flag, templates, counts, bounds and states; a renamed field would be silently ignored."""
    facts = FACTS[kind.kind]
    assert (kind.group, kind.version, kind.plural) == (
        facts["group"],
        facts["version"],
        facts["plural"],
    )
    assert set(kind.paths()) == facts["fields"].keys()
    assert facts["fields"][kind.suspend] == "boolean"
    for pods in kind.pod_sets:
        if pods.template:
            assert facts["fields"][".".join(filter(None, (pods.groups, pods.template)))] == "pod"


@pytest.mark.parametrize("name", BY_NAME)
def test_gpus_are_those_of_all_pods_that_run_at_a_time(name: str) -> None:
    """Replicas times pods times GPUs, over all groups."""
    spec, gpus = SPECS[name]
    kind = BY_NAME[name]
    assert gpus_of(kind, body(kind, spec, {})).total == gpus


@pytest.mark.parametrize(
    "strange", [None, [], "x", {"replicatedJobs": "x"}, {"replicatedJobs": [{"replicas": -1}]}]
)
def test_what_cannot_be_counted_holds_no_gpus(strange: Any) -> None:
    """Tenants write specs; none of them stops the operator."""
    kind = BY_NAME["JobSet"]
    assert gpus_of(kind, body(kind, strange, {})).total == 0


@pytest.mark.parametrize(
    ("name", "status", "outcome"),
    [
        ("Job", "Complete", JobOutcome.COMPLETE),
        ("Job", "Failed", JobOutcome.FAILED),
        ("JobSet", "Completed", JobOutcome.COMPLETE),
        ("JobSet", "Failed", JobOutcome.FAILED),
        ("TrainJob", "Complete", JobOutcome.COMPLETE),
        ("PyTorchJob", "Succeeded", JobOutcome.COMPLETE),
        ("PyTorchJob", "Failed", JobOutcome.FAILED),
    ],
)
def test_an_end_is_read_from_the_conditions(name: str, status: str, outcome: JobOutcome) -> None:
    """Each project has a word of its own for a success."""
    one = {"type": status, "status": "True", "reason": "R", "message": "m"}
    one["lastTransitionTime"] = "2026-11-30T13:00:00Z"
    kind = BY_NAME[name]
    view = workload_view(kind, body(kind, {}, {"conditions": [one]}), Key("ml", "tj"), "t")
    assert view.child.ending is not None
    assert (view.child.ending.outcome, view.child.ending.reason) == (outcome, "R")
    still = {**one, "status": "False"}
    view = workload_view(kind, body(kind, {}, {"conditions": [still]}), Key("ml", "tj"), "t")
    assert view.child.ending is None


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("Running", None),
        ("Suspended", None),
        ("Complete", JobOutcome.COMPLETE),
        ("Failed", JobOutcome.FAILED),
        ("ValidationFailed", JobOutcome.FAILED),
    ],
)
def test_a_ray_job_ends_by_one_word_of_its_status(state: str, outcome: JobOutcome | None) -> None:
    """It has no conditions; ValidationFailed is an end, because nothing leads out of it."""
    kind = BY_NAME["RayJob"]
    status = {"jobDeploymentStatus": state, "endTime": "2026-11-30T13:00:00Z"}
    ending = workload_view(kind, body(kind, {}, status), Key("ml", "tj"), "t").child.ending
    assert (ending and ending.outcome) == outcome


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"shutdownAfterJobFinishes": True}, ""),
        ({}, "shutdownAfterJobFinishes: true"),
        ({"shutdownAfterJobFinishes": True, "clusterSelector": {"a": "b"}}, "clusterSelector"),
    ],
)
def test_a_ray_job_is_held_only_where_that_does_not_break_it(
    spec: dict[str, Any], sentence: str
) -> None:
    """Suspending any other leaves it in a state that nothing leads out of."""
    kind = BY_NAME["RayJob"]
    found = workload_view(kind, body(kind, spec, {}), Key("ml", "tj"), "t").unholdable
    assert sentence in found
    assert bool(found) == bool(sentence)


def test_a_train_job_says_how_far_it_is_and_a_ray_job_what_it_does() -> None:
    """As Kubeflow's trainer and KubeRay write it; what is out of its range is left out."""
    report = {
        "progressPercentage": 40,
        "estimatedRemainingSeconds": 1200,
        "lastUpdatedTime": "2026-11-30T13:00:00Z",
    }
    kind = BY_NAME["TrainJob"]
    view = workload_view(kind, body(kind, {}, {"trainerStatus": report}), Key("ml", "tj"), "t")
    target = target_of(view)
    assert (target.progress_percent, target.remaining_seconds) == (40, 1200)
    assert target.progress_at == datetime(2026, 11, 30, 13, tzinfo=UTC)
    strange = {"progressPercentage": 140, "estimatedRemainingSeconds": "soon"}
    strange["lastUpdatedTime"] = "yesterday"
    view = workload_view(kind, body(kind, {}, {"trainerStatus": strange}), Key("ml", "tj"), "t")
    assert view.progress == ProgressView()
    ray = BY_NAME["RayJob"]
    view = workload_view(ray, body(ray, {}, {"jobStatus": "RUNNING"}), Key("ml", "tj"), "t")
    assert target_of(view).said == "RUNNING"


def test_pods_are_found_by_the_labels_that_each_controller_gives_them() -> None:
    """By uid where there is a label of it; a RayCluster's name is new with every resume."""
    found = {name: selectors_of(kind, body(kind, {}, {})) for name, kind in BY_NAME.items()}
    assert found == {
        "Job": ("batch.kubernetes.io/controller-uid=u-1",),
        "JobSet": ("jobset.sigs.k8s.io/jobset-uid=u-1",),
        "TrainJob": ("jobset.sigs.k8s.io/jobset-name=bert",),
        "PyTorchJob": ("training.kubeflow.org/job-name=bert",),
        "RayJob": ("batch.kubernetes.io/job-name=bert",),
    }
    ray = BY_NAME["RayJob"]
    running = body(ray, {}, {"rayClusterName": "bert-x7k2p"})
    assert selectors_of(ray, running)[0] == "ray.io/cluster=bert-x7k2p"


def test_pods_of_an_earlier_workload_of_the_same_name_are_not_counted() -> None:
    """A PyTorchJob's pods have fixed names and no label of the uid."""
    pods = [
        {"metadata": {"uid": "p1", "ownerReferences": [{"uid": "u-1"}]}},
        {"metadata": {"uid": "p2", "ownerReferences": [{"uid": "u-0"}]}},
    ]
    mine = own_pods(BY_NAME["PyTorchJob"], "u-1", pods)
    assert [one["metadata"]["uid"] for one in mine] == ["p1"]


def test_a_pod_is_there_until_it_is_removed_or_has_ended_by_itself() -> None:
    """Suspended is true some seconds before the last pod is gone."""

    def seen(phase: str, **metadata: str) -> PodView:
        there = {"name": "p", "uid": "u", **metadata}
        return pod_view({"metadata": there, "spec": {}, "status": {"phase": phase}})

    assert is_there(seen("Running"))
    assert is_there(seen("Pending"))
    assert is_there(seen("Failed", deletionTimestamp="2026-11-30T13:00:00Z"))
    assert not is_there(seen("Succeeded"))


def test_the_flag_of_a_queued_workload_is_kueues_and_its_gate_is_ours() -> None:
    """Suspended by Kueue is not held by us; the gate says it."""
    one = body(JOB, {"suspend": True}, {})
    one["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "lq"}
    assert not workload_view(JOB, one, Key("ml", "tj"), "t").held
    gates = "example.com/budget, lowtide.dev/carbon"
    one["metadata"]["annotations"] = {"kueue.x-k8s.io/admission-gated-by": gates}
    assert workload_view(JOB, one, Key("ml", "tj"), "t").held


def test_kinds_are_found_whatever_version_a_manifest_says() -> None:
    """A group and a kind are one kind; RayJobs of v1alpha1 are the same objects."""
    assert kind_of(KINDS, "ray.io/v1alpha1", "RayJob") is BY_NAME["RayJob"]
    assert kind_of(KINDS, "batch/v1", "CronJob") is None


def test_a_bound_of_the_running_time_is_read_with_its_path() -> None:
    """It is an upper bound, and the plan says so."""
    kind = BY_NAME["PyTorchJob"]
    spec = {"runPolicy": {"activeDeadlineSeconds": 7200}}
    found = longest_seconds(kind, body(kind, spec, {}))
    assert found == (7200, "spec.runPolicy.activeDeadlineSeconds")
    assert longest_seconds(kind, body(kind, {"runPolicy": {}}, {})) is None


@pytest.mark.parametrize(
    ("name", "spec", "notes", "sentence"),
    [
        ("Job", {}, {}, "a Job that is Indexed: set spec.completionMode"),
        ("Job", {"completions": 4}, {}, "parallelism is 2, completions is 4; make them equal"),
        ("Job", {"successPolicy": {}}, {}, "a Job without successPolicy"),
        ("Job", {}, {"kueue.x-k8s.io/job-min-parallelism": "1"}, "Kueue itself changes its size"),
        ("JobSet", {}, {}, "this is a JobSet: JobSet 0.11 refuses other numbers"),
        ("TrainJob", {}, {}, "this is a TrainJob: the JobSet that is made of it"),
        ("PyTorchJob", {}, {}, "this is a PyTorchJob: Lowtide changes the size of Jobs only"),
    ],
)
def test_a_workload_whose_size_stays_says_why(
    name: str, spec: dict[str, Any], notes: dict[str, str], sentence: str
) -> None:
    """One true sentence for each; the workload then runs at once, at its own size."""
    kind = BY_NAME[name]
    indexed = {"completionMode": "Indexed", "parallelism": 2, "completions": 2}
    one = body(kind, {**(indexed if spec else {}), **spec}, {})
    one["metadata"]["annotations"] = notes
    size = workload_view(kind, one, Key("ml", "tj"), "t").size
    assert sentence in size.fault
    assert size.replicas == 0


def test_gpus_and_size_of_a_resized_job_are_those_that_it_was_written_with() -> None:
    """Its plan books the GPUs of every width from there; what it has now is said beside it."""
    spec = {"completionMode": "Indexed", "parallelism": 4, "completions": 4, "template": pod(2)}
    one = body(JOB, spec, {"succeeded": 0})
    one["metadata"]["annotations"] = {"lowtide.dev/resized": "3->4"}
    view = workload_view(JOB, one, Key("ml", "tj"), "t")
    assert (view.size.replicas, view.gpus.total, view.child.replicas) == (3, 6, 4)
