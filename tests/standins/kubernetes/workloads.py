"""Workloads of users as a small API server has them, and what stands beside them."""

from typing import Any

from standins.kubernetes.fake_api import JOB_SETS, PODS, now_text

TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
JOB_UID = "batch.kubernetes.io/controller-uid"
CONTAINERS = [{"name": "train", "image": "trainer", "resources": {"limits": {"nvidia.com/gpu": 2}}}]
POD = {"spec": {"containers": CONTAINERS}}


def a_job(name: str = "bert", *, suspend: bool = True, **annotations: str) -> dict[str, Any]:
    """A Job as its user wrote it, with our label; keywords are annotations."""
    return {
        "metadata": {
            "name": name,
            "labels": {"lowtide.dev/schedule": "true"},
            "annotations": {
                f"lowtide.dev/{key.replace('_', '-')}": value for key, value in annotations.items()
            },
        },
        "spec": {"suspend": suspend, "template": POD},
    }


def beside(api: Any, name: str) -> dict[str, Any]:
    """Return the one TrainingJob that names a workload, or an empty one."""
    return next(
        (
            job
            for job in api.all(TRAININGJOBS)
            if (job["spec"].get("targetRef") or {}).get("name") == name
        ),
        {},
    )


def state(api: Any, name: str) -> str | None:
    return ((beside(api, name).get("status") or {}).get("display") or {}).get("state")


def condition(api: Any, name: str, kind: str) -> dict[str, Any]:
    found = (beside(api, name).get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == kind), {})


def add_pod(api: Any, kind: Any, name: str, pod: str, phase: str = "Running") -> None:
    """Create a pod of a workload, with the labels that its controller gives it."""
    uid = api.get(kind, name)["metadata"]["uid"]
    label = "jobset.sigs.k8s.io/jobset-uid" if kind == JOB_SETS else JOB_UID
    api.create(
        PODS,
        {
            "metadata": {"name": pod, "labels": {label: uid}},
            "spec": {"nodeName": "node-1", "containers": CONTAINERS},
            "status": {"phase": phase, "startTime": now_text()},
        },
    )


def queued(name: str, gates: str, **annotations: str) -> dict[str, Any]:
    """A labelled Job of a Kueue queue, suspended by Kueue, with these gates."""
    body = a_job(name, **annotations)
    body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "ml"
    if gates:
        body["metadata"]["annotations"]["kueue.x-k8s.io/admission-gated-by"] = gates
    return body
