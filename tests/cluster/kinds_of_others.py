"""Workloads of a test, one of each kind: manifests as a user writes them, and their pods.

Each holds two GPUs at most, keeps a core busy for each, and stops a moment after SIGTERM.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients import Kubectl

RUNTIME = "lowtide-test"
RAY_HEAD = Path(__file__).resolve().parent.parent / "standins" / "ray" / "head.py"
WORK = """
import signal, sys, time
def stop(*_):
    time.sleep(3)
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
end = time.time() + {seconds}
while time.time() < end: pass
sys.exit({code})
"""
GRACE_SECONDS = 10

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OtherKind:
    """One kind of workload."""

    kind: str
    api_version: str
    plural: str
    suspend: tuple[str, ...]
    """Path of the flag that suspends it."""
    selector: str
    """Selector of its pods; {name} is the workload's."""
    spec: Callable[[str, int, int], Manifest]
    """Spec from an image, the seconds of its work and the exit code of that."""
    pods: int
    """Pods that it runs at a time."""
    gpus: int
    """GPUs that they hold."""

    def manifest(self, name: str, image: str, seconds: int, code: int = 0) -> Manifest:
        """Return a workload without a label."""
        spec = self.spec(image, seconds, code)
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": name},
            "spec": spec,
        }

    def labelled(
        self, name: str, image: str, seconds: int, code: int = 0, /, **annotations: str
    ) -> Manifest:
        """Return a workload with our label; keywords are annotations."""
        manifest = self.manifest(name, image, seconds, code)
        manifest["metadata"]["labels"] = {"lowtide.dev/schedule": "true"}
        manifest["metadata"]["annotations"] = {
            f"lowtide.dev/{key.replace('_', '-')}": text for key, text in annotations.items()
        }
        return manifest

    def is_suspended(self, body: Manifest) -> bool:
        """Return whether its flag is set."""
        value: Any = body["spec"]
        for part in self.suspend:
            value = (value or {}).get(part)
        return value is True

    def pods_of(self, inside: Kubectl, name: str) -> list[Manifest]:
        """Return its pods, also those that are ending."""
        selector = self.selector.format(name=name)
        return list(inside.json("get", "pods", "-l", selector)["items"])


def _container(name: str, image: str, command: list[str], gpus: int = 0) -> Manifest:
    container: Manifest = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Never",
        "command": command,
    }
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    return container


def _pod(image: str, seconds: int, code: int) -> Manifest:
    """Return the template of a pod that works and ends."""
    work = ["python3", "-c", WORK.format(seconds=seconds, code=code)]
    return {
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "containers": [_container("main", image, work, gpus=1)],
        }
    }


def _job(image: str, seconds: int, code: int) -> Manifest:
    """Return the spec of an Indexed Job of two pods."""
    indexed = {"completionMode": "Indexed", "completions": 2, "parallelism": 2}
    return {**indexed, "backoffLimit": 0, "template": _pod(image, seconds, code)}


def _job_set(image: str, seconds: int, code: int) -> Manifest:
    """Return the spec of a JobSet of two Jobs of one pod each."""
    job = {"spec": {"backoffLimit": 0, "template": _pod(image, seconds, code)}}
    return {"replicatedJobs": [{"name": "w", "replicas": 2, "template": job}]}


def _pytorch(image: str, seconds: int, code: int) -> Manifest:
    """Return the spec of a PyTorchJob with a master and a worker."""
    work = ["python3", "-c", WORK.format(seconds=seconds, code=code)]
    pod = {
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_container("pytorch", image, work, gpus=1)],
    }
    replicas = {"replicas": 1, "restartPolicy": "Never", "template": {"spec": pod}}
    return {"pytorchReplicaSpecs": {"Master": replicas, "Worker": replicas}}


def _train(image: str, seconds: int, code: int) -> Manifest:
    """Return the spec of a TrainJob of two nodes."""
    return {
        "runtimeRef": {"name": RUNTIME},
        "trainer": {
            "numNodes": 2,
            "image": image,
            "command": ["python3", "-c", WORK.format(seconds=seconds, code=code)],
            "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}},
        },
    }


def _ray(image: str, seconds: int, code: int) -> Manifest:
    """Return the spec of a RayJob whose head is a stand-in, with one worker that has a GPU."""
    head = _container("ray-head", image, ["python3", "-c", RAY_HEAD.read_text(encoding="utf-8")])
    head["ports"] = [
        {"containerPort": 8265, "name": "dashboard"},
        {"containerPort": 6379, "name": "gcs-server"},
    ]
    busy = ["python3", "-c", WORK.format(seconds=3600, code=0)]
    worker = _container("ray-worker", image, busy, gpus=1)

    def template(container: Manifest) -> Manifest:
        annotations = {"ray.io/overwrite-container-cmd": "true"}
        spec = {"terminationGracePeriodSeconds": GRACE_SECONDS, "containers": [container]}
        return {"metadata": {"annotations": annotations}, "spec": spec}

    group = {"groupName": "gpu", "replicas": 1, "minReplicas": 1, "maxReplicas": 1}
    return {
        "entrypoint": f"{'fail' if code else 'succeed'} {seconds}",
        "submissionMode": "HTTPMode",
        "shutdownAfterJobFinishes": True,
        "rayClusterSpec": {
            "rayVersion": "2.52.0",
            "headGroupSpec": {"rayStartParams": {}, "template": template(head)},
            "workerGroupSpecs": [{**group, "rayStartParams": {}, "template": template(worker)}],
        },
    }


KINDS = (
    OtherKind(
        kind="Job",
        api_version="batch/v1",
        plural="jobs.batch",
        suspend=("suspend",),
        selector="batch.kubernetes.io/job-name={name}",
        spec=_job,
        pods=2,
        gpus=2,
    ),
    OtherKind(
        kind="JobSet",
        api_version="jobset.x-k8s.io/v1alpha2",
        plural="jobsets.jobset.x-k8s.io",
        suspend=("suspend",),
        selector="jobset.sigs.k8s.io/jobset-name={name}",
        spec=_job_set,
        pods=2,
        gpus=2,
    ),
    OtherKind(
        kind="PyTorchJob",
        api_version="kubeflow.org/v1",
        plural="pytorchjobs.kubeflow.org",
        suspend=("runPolicy", "suspend"),
        selector="training.kubeflow.org/job-name={name}",
        spec=_pytorch,
        pods=2,
        gpus=2,
    ),
    OtherKind(
        kind="TrainJob",
        api_version="trainer.kubeflow.org/v1alpha1",
        plural="trainjobs.trainer.kubeflow.org",
        suspend=("suspend",),
        selector="jobset.sigs.k8s.io/jobset-name={name}",
        spec=_train,
        pods=2,
        gpus=2,
    ),
    OtherKind(
        kind="RayJob",
        api_version="ray.io/v1",
        plural="rayjobs.ray.io",
        suspend=("suspend",),
        # A cluster has another name with every resume, and the tests one RayJob at a time.
        selector="ray.io/is-ray-node=yes",
        spec=_ray,
        pods=2,
        gpus=1,
    ),
)


def named(prefix: str, kinds: Sequence[OtherKind] = KINDS) -> dict[OtherKind, str]:
    """Return the names of workloads of one test, one of each kind."""
    return {kind: f"{prefix}-{kind.kind.lower()}" for kind in kinds}


def training_runtime(image: str) -> Manifest:
    """Return the runtime that the TrainJobs name."""
    node = _container("node", image, ["true"])
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [node],
    }
    ancestor = {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}}
    job = {"metadata": ancestor, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": RUNTIME},
        "spec": {
            "mlPolicy": {"numNodes": 1},
            "template": {"spec": {"replicatedJobs": [{"name": "node", "template": job}]}},
        },
    }
