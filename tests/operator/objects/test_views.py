"""Views of API objects: the GPUs of a template, and what a pod tells of its life."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowtide_operator.objects.gpus import GpuDemand, gpu_demand
from lowtide_operator.objects.pods import creation_failure, pod_view

REPORT = '{"schemaVersion":1,"accuracy":0.9}'


def template(pod: object, **job: Any) -> dict[str, Any]:
    """Return a Job template with this pod spec."""
    return {"spec": {**job, "template": {"spec": pod}}}


def container(count: object = None, *, of: str = "limits", **fields: Any) -> dict[str, Any]:
    """Return a container with GPUs."""
    return {"resources": {of: {"nvidia.com/gpu": count, "cpu": "2"}}, **fields}


SLICE = {"resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}
CLAIM = {"resources": {"claims": [{"name": "gpu"}]}}


@pytest.mark.parametrize(
    ("found", "demand"),
    [
        pytest.param(None, (0, ""), id="no template"),
        pytest.param({"spec": {"template": [1]}}, (0, ""), id="another shape"),
        pytest.param(template({"containers": [{"name": "c"}]}), (0, ""), id="no GPU"),
        pytest.param(
            template({"containers": [container("4"), SLICE]}, parallelism=2),
            (10, "nvidia.com/gpu", 2),
            id="two pods of four GPUs and a slice",
        ),
        pytest.param(
            template({"containers": [container(8)]}, parallelism=10, completions=2),
            (16, "nvidia.com/gpu"),
            id="no more pods than completions",
        ),
        pytest.param(
            template(
                {"containers": [{}], "initContainers": [container(8, restartPolicy="Always")]}
            ),
            (8, "nvidia.com/gpu"),
            id="a native sidecar",
        ),
        pytest.param(
            template({"containers": [container(2)], "initContainers": [container(4)]}),
            (4, "nvidia.com/gpu"),
            id="an init container runs before the others",
        ),
        pytest.param(
            template({"containers": [container(8, of="requests")]}),
            (8, "nvidia.com/gpu"),
            id="requests only",
        ),
        pytest.param(
            template({"containers": [CLAIM]}), (1, "resource.k8s.io/claims"), id="a device claim"
        ),
        pytest.param(
            template({"containers": [container(2**63)]}, parallelism=2**80),
            (1_000_000, "nvidia.com/gpu"),
            id="more than any cluster has",
        ),
        pytest.param(template({"containers": [container("-4")]}), (0, ""), id="a negative count"),
    ],
)
def test_gpus_of_a_template_are_counted_as_the_scheduler_does(
    found: object, demand: tuple[Any, ...]
) -> None:
    """For all pods at a time; what cannot be read counts as none."""
    assert gpu_demand(found) == GpuDemand(*demand)


def at(minute: int) -> datetime:
    """Return a moment of the pod's life."""
    return datetime(2026, 11, 30, 10, minute, tzinfo=UTC)


def text(minute: int) -> str:
    """Return the same as the API server writes it."""
    return f"{at(minute):%Y-%m-%dT%H:%M:%SZ}"


def pod(phase: str, *containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    """Return a pod that the kubelet took at 10:00."""
    return {
        "metadata": {"name": "p", "uid": "u", "creationTimestamp": text(0)},
        "spec": {"nodeName": "n", "containers": [{"name": "train"}, {"name": "proxy"}]},
        "status": {
            "phase": phase,
            "startTime": text(0),
            "containerStatuses": list(containers),
            **status,
        },
    }


def ended(name: str, **state: Any) -> dict[str, Any]:
    """Return the status of a container that ended with exit code 0 unless stated."""
    return {"name": name, "state": {"terminated": {"exitCode": 0, **state}}}


def test_a_pod_runs_from_the_start_of_its_first_container() -> None:
    """Ten minutes of pulling the image do not count as running time."""
    waiting = {"name": "train", "state": {"waiting": {"reason": "ContainerCreating"}}}
    assert pod_view(pod("Pending", waiting)).start is None
    running = {"name": "train", "state": {"running": {"startedAt": text(10)}}}
    assert pod_view(pod("Running", running)).start == at(10)
    again = {**running, "lastState": {"terminated": {"startedAt": text(4), "finishedAt": text(6)}}}
    assert pod_view(pod("Running", again)).start == at(4)


@pytest.mark.parametrize(
    "body",
    [
        pod("Failed", reason="UnexpectedAdmissionError"),
        pod("Failed", {"name": "train", "state": {"waiting": {"reason": "X"}}}, reason="Evicted"),
        pod("Failed", ended("train", exitCode=137, startedAt=None, finishedAt=None)),
    ],
    ids=["rejected", "evicted", "lost before its start"],
)
def test_a_pod_that_never_ran_a_container_has_an_end_and_no_start(body: dict[str, Any]) -> None:
    """Nothing says when it ended, so it is the moment at which the kubelet took it."""
    seen = pod_view(body)
    assert (seen.start, seen.end) == (None, at(0))


def test_a_pod_of_a_lost_node_ends_when_its_state_last_changed() -> None:
    """Its container still says that it runs."""
    lost = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": text(30)}
    running = {"name": "train", "state": {"running": {"startedAt": text(10)}}}
    seen = pod_view(pod("Failed", running, conditions=[lost]))
    assert (seen.start, seen.end) == (at(10), at(30))


@pytest.mark.parametrize("others_first", [True, False])
@pytest.mark.parametrize("message", ["caught SIGTERM", '[{"key":"StartedAt"}]'])
def test_a_sidecar_hides_neither_the_report_nor_the_exit_code(
    message: str, others_first: bool
) -> None:
    """Wherever it stands in the list, which the kubelet sorts by name."""
    train = ended("train", exitCode=1, finishedAt=text(9), message=REPORT)
    proxy = ended("proxy", exitCode=143, finishedAt=text(9), message=message)
    order = (proxy, train) if others_first else (train, proxy)
    seen = pod_view(pod("Failed", *order))
    assert (seen.report, seen.exit_code) == (REPORT, 1)


def test_without_a_report_the_message_of_the_first_container_counts() -> None:
    """It says what went wrong."""
    train = ended("train", exitCode=1, finishedAt=text(9), message="out of memory")
    proxy = ended("proxy", finishedAt=text(9), message="drained")
    assert pod_view(pod("Failed", proxy, train)).report == "out of memory"


def test_the_newest_refusal_of_a_pod_is_told_without_its_name() -> None:
    """The name is new with every try; the status would be written with each."""

    def event(minute: int, pod: str) -> dict[str, Any]:
        note = f'Error creating: pods "net-1-{pod}" is forbidden: exceeded quota: gpus'
        return {"metadata": {"creationTimestamp": f"2026-11-30T12:{minute}:00Z"}, "note": note}

    said = creation_failure([event(10, "abcde"), event(20, "fghij")], "net-1")
    assert said == 'Error creating: pods "net-1-…" is forbidden: exceeded quota: gpus'
    assert creation_failure([], "net-1") == ""
