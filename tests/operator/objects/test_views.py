"""Views of API objects: the GPUs of a template, and what a pod tells of its life."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowtide_operator.objects.gpus import GpuDemand, gpu_demand
from lowtide_operator.objects.views import pod_view


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
            (10, "nvidia.com/gpu"),
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
    found: object, demand: tuple[int, str]
) -> None:
    """For all pods at a time; what cannot be read counts as none."""
    assert gpu_demand(found) == GpuDemand(*demand)


def pod(phase: str = "Running", **status: Any) -> dict[str, Any]:
    """Return a pod that the kubelet took at noon."""
    status = {"phase": phase, "startTime": "2026-11-30T12:00:00Z", **status}
    return {"metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": "n"}, "status": status}


def test_pulling_an_image_is_not_running() -> None:
    """The kubelet took the pod at noon, its container runs since 12:20."""
    waiting = [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]
    assert pod_view(pod("Pending", containerStatuses=waiting)).start is None
    running = [{"name": "c", "state": {"running": {"startedAt": "2026-11-30T12:20:00Z"}}}]
    start = pod_view(pod(containerStatuses=running)).start
    assert start == datetime(2026, 11, 30, 12, 20, tzinfo=UTC)


def test_a_pod_that_the_kubelet_rejects_never_ran() -> None:
    """It failed before a container was started."""
    assert pod_view(pod("Failed", reason="UnexpectedAdmissionError")).start is None


def test_the_message_of_a_sidecar_does_not_hide_the_report() -> None:
    """Container statuses come by name; the report is the one that is JSON."""
    ended = {"exitCode": 0, "finishedAt": "2026-11-30T13:00:00Z"}
    report = '{"schemaVersion":1,"accuracy":0.9}'
    statuses = [
        {"name": "train", "state": {"terminated": {**ended, "message": report}}},
        {"name": "zz-proxy", "state": {"terminated": {**ended, "message": "proxy drained"}}},
    ]
    assert pod_view(pod("Succeeded", containerStatuses=statuses)).report == report
    assert pod_view(pod("Succeeded", containerStatuses=statuses[1:])).report == "proxy drained"
