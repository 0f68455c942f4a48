"""Workloads as people have them, each with one label more: a JobSet, a PyTorchJob, a queued Job.

Their real controllers run as processes beside the cluster. Lowtide holds each until power is clean,
and none of the manifests says anything about TrainingJobs.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import host_controllers
import kinds_of_others
import known_controllers
from clients import Kubectl, RunningCluster
from demonstration import stage
from singlenode import binaries, images
from singlenode.errors import ClusterError
from singlenode.progress import Progress

SLOT_SECONDS: Final = 15
"""How long an hour of the replayed day lasts."""
WORK_SECONDS: Final = 2 * SLOT_SECONDS
MAX_DELAY_SECONDS: Final = 12 * SLOT_SECONDS
LIMIT_SECONDS: Final = 600
JOB_SET_API: Final = "jobset.x-k8s.io/v1alpha2"
QUEUE: Final = "ml"
BEFORE_THE_CHART: Final = (known_controllers.JOB_SET, known_controllers.TRAINING_OPERATOR)
"""Controllers whose kinds the operator finds at its start."""

Manifest = dict[str, Any]


def require_programs(on: stage.Stage) -> None:
    """Refuse to begin without the controllers' programs.

    Raises:
        ClusterError: one of them is not built.
    """
    wanted = (*BEFORE_THE_CHART, known_controllers.KUEUE)
    missing = [one.name for one in wanted if binaries.companion(on.layout, one.name) is None]
    if missing:
        raise ClusterError(
            f"{', '.join(missing)} is not built: run `{on.python} tests/cluster build --kinds` "
            "first (about 40 CPU minutes, once)"
        )


@contextmanager
def controllers(on: stage.Stage, progress: Progress) -> Iterator[None]:
    """Run the controllers of the three kinds, and Kueue with a queue of two GPUs."""
    cluster = RunningCluster(str(on.layout.kubeconfig), on.programs, on.layout)
    kubectl = Kubectl(on.programs.kubectl, str(on.layout.kubeconfig))
    with ExitStack() as stack:
        for one in (*BEFORE_THE_CHART, known_controllers.KUEUE):
            progress.step(f"starting the controller {one.name}")
            stack.enter_context(host_controllers.run(one, cluster, kubectl))
        kubectl.apply(*queue_of(stage.GPUS))
        yield


def manifests(image: str) -> list[Manifest]:
    """Return the three workloads; `image` runs their work."""
    pytorch = next(kind for kind in kinds_of_others.KINDS if kind.kind == "PyTorchJob")
    template = {"spec": _pod(image)}
    set_of_jobs = {"name": "workers", "replicas": 1, "template": {"spec": {"template": template}}}
    queued = _workload("batch/v1", "Job", "queued", {"backoffLimit": 0, "template": template})
    queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = QUEUE
    plain = pytorch.manifest("pytorch", image, WORK_SECONDS)
    return [
        _workload(
            "jobset.x-k8s.io/v1alpha2", "JobSet", "jobset", {"replicatedJobs": [set_of_jobs]}
        ),
        _workload(plain["apiVersion"], plain["kind"], "pytorch", plain["spec"]),
        queued,
    ]


def queue_of(gpus: int) -> list[Manifest]:
    """Return the objects of a Kueue queue with a quota of so many GPUs."""

    def made(kind: str, name: str, **more: Manifest) -> Manifest:
        metadata = {"name": name}
        if kind == "LocalQueue":
            metadata["namespace"] = stage.NAMESPACE
        return {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": kind,
            "metadata": metadata,
            **more,
        }

    quota = {"name": "nvidia.com/gpu", "nominalQuota": gpus}
    groups = [
        {
            "coveredResources": ["nvidia.com/gpu"],
            "flavors": [{"name": "any", "resources": [quota]}],
        }
    ]
    return [
        made("ResourceFlavor", "any"),
        made("ClusterQueue", "gpus", spec={"namespaceSelector": {}, "resourceGroups": groups}),
        made("LocalQueue", QUEUE, spec={"clusterQueue": "gpus"}),
    ]


def held(on: stage.Stage) -> str:
    """Return what kubectl shows of the workloads that are held."""
    kinds = "jobs,jobsets.jobset.x-k8s.io,pytorchjobs.kubeflow.org"
    return on.kubectl("get", kinds, "-n", stage.NAMESPACE, "--show-labels")


def turns(trainingjobs: Sequence[Manifest]) -> str:
    """Return when each workload was to start, when its last pod ran, and the GPUs that it held."""
    lines = []
    for job in trainingjobs:
        status = job["status"]
        pods = status["attempts"][0]["pods"]
        times = status["plan"]["start"], max(pod.get("start", "") for pod in pods)
        planned, ran = (text.partition("T")[2] for text in times)
        target = status["target"]
        lines.append(
            f"{target['kind']} {target['name']}: {target['gpus']} GPUs, planned for {planned}, "
            f"ran from {ran}"
        )
    wanted = sum(job["status"]["target"]["gpus"] for job in trainingjobs)
    head = f"{wanted} GPUs are wanted and the node has {stage.GPUS}, so they took turns:"
    return "\n".join([head, *sorted(lines)])


def base_image(on: stage.Stage, progress: Progress) -> images.Image:
    """Return the image that the workloads run, which is on the node."""
    image = images.base(on.layout, progress)
    images.load([image], on.layout, on.programs)
    return image


def _workload(api_version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    notes = {"expected-duration": f"{WORK_SECONDS}s", "max-delay": f"{MAX_DELAY_SECONDS}s"}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": stage.NAMESPACE,
            "labels": {"lowtide.dev/schedule": "true"},
            "annotations": {f"lowtide.dev/{key}": text for key, text in notes.items()},
        },
        "spec": spec,
    }


def _pod(image: str) -> Manifest:
    """Return a pod that keeps a core and a GPU busy."""
    work = kinds_of_others.WORK.format(seconds=WORK_SECONDS, code=0)
    container = {
        "name": "work",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", work],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    return {"restartPolicy": "Never", "containers": [container]}
