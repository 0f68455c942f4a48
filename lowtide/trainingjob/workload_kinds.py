"""Kinds of workloads that a TrainingJob may name: one entry each, and no code of their own.

An entry says where the flag is that suspends a workload, how its end is read, which pods are its
own and how many GPUs they hold. Whether it runs is not read from its status: `Running` means
something else in every kind, and `Suspended` is true seconds before the last pod is gone; the
pods themselves are listed. A kind of another team is one more entry, in the settings.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSet:
    """Pods of one template inside a workload; dots separate the fields of a path."""

    groups: str = ""
    """Path of the group, `.*` at its end for each of a list or mapping; empty: the object."""
    template: str = ""
    """Path of the pod's spec inside a group."""
    resources: str = ""
    """Path of the resources of one pod, in a kind whose pods have no template."""
    counts: tuple[str, ...] = ()
    """Paths inside a group whose numbers are multiplied; one that is absent counts as 1."""
    at_most: str = ""
    """Path of a number above which pods do not run at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingRule:
    """Reading of a workload's end: from its conditions, or from one word of its status."""

    complete: str = "Complete"
    """Type of the condition that is True after a success."""
    failed: str = "Failed"
    """Type of the condition that is True after a failure."""
    state: str = ""
    """Path of the word that says it, in a kind without conditions."""
    complete_states: tuple[str, ...] = ()
    """Its values after a success."""
    failed_states: tuple[str, ...] = ()
    """Its values after a failure, also one that nothing leads out of."""
    reason: str = ""
    """Path of the reason that stands beside the word."""
    message: str = ""
    """Path of the sentence that stands beside the word."""
    at: str = ""
    """Path of the time of the end beside the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressRule:
    """Paths of what a workload's own status says of its progress; empty where it says nothing."""

    said: str = ""
    """A word for what it does."""
    percent: str = ""
    """How far it is, from 0 to 100."""
    remaining_seconds: str = ""
    """Its own estimate of what is left."""
    at: str = ""
    """When that was reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A field without which a workload must not be suspended."""

    path: str
    """Path of the field."""
    value: bool | None
    """What it must be; `None`: it must be absent."""
    sentence: str
    """Why, as a sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadKind:
    """One kind of workload."""

    kind: str
    """Kind, as a manifest says it."""
    group: str
    """API group."""
    version: str
    """API version that is read and written."""
    plural: str
    """Resource in the API's paths."""
    suspend: str = "spec.suspend"
    """Path of the flag that suspends it."""
    ending: EndingRule = EndingRule()
    """How its end is read."""
    progress: ProgressRule = ProgressRule()
    """What its status says of its progress."""
    pods: tuple[str, ...]
    """Label selectors that together find its pods; {uid}, {name} and {status.…} are filled in."""
    pods_name_their_owner: bool = False
    """Whether a pod counts only if an owner reference of it has the workload's uid: names are used
    again, and a selector by name alone may find pods of an earlier workload."""
    known_pods: tuple[str, ...] = ()
    """Label selectors for pods that end after the workload's status has forgotten how to find
    them; of what they find, only pods count that were seen as its own before."""
    pod_sets: tuple[PodSet, ...]
    """Its pods, for the count of GPUs."""
    size: tuple[str, ...] = ()
    """Paths of its size: equal numbers, which may be changed together while it is suspended; empty
    where they may not."""
    fixed_size: str = ""
    """Why its size cannot be changed, as the end of a sentence."""
    longest: tuple[str, ...] = ()
    """Paths of a bound of its running time in seconds; the first that is there is taken as the
    expected duration where neither an annotation nor the series says more."""
    requirements: tuple[Requirement, ...] = ()
    """What must hold before it may be suspended."""

    @property
    def api_version(self) -> str:
        """Group and version, as a manifest says them."""
        return f"{self.group}/{self.version}"

    def paths(self) -> tuple[str, ...]:
        """Return every path of the entry, for the check against the kind's own definition."""
        rule = self.ending
        named = [self.suspend, *self.size, *self.longest, *(one.path for one in self.requirements)]
        named += [path for path in (rule.state, rule.reason, rule.message, rule.at) if path]
        tells = self.progress
        said = (tells.said, tells.percent, tells.remaining_seconds, tells.at)
        named += [path for path in said if path]
        for pods in self.pod_sets:
            inside = [pods.template, pods.resources, *pods.counts, pods.at_most]
            named += [pods.groups] if pods.groups else []
            named += [".".join(filter(None, (pods.groups, path))) for path in inside if path]
        return tuple(dict.fromkeys(named))


JOB: Final = WorkloadKind(
    kind="Job",
    group="batch",
    version="v1",
    plural="jobs",
    pods=("batch.kubernetes.io/controller-uid={uid}",),
    pod_sets=(
        PodSet(
            template="spec.template.spec", counts=("spec.parallelism",), at_most="spec.completions"
        ),
    ),
    size=("spec.parallelism", "spec.completions"),
    longest=("spec.activeDeadlineSeconds",),
)
JOB_SET: Final = WorkloadKind(
    kind="JobSet",
    group="jobset.x-k8s.io",
    version="v1alpha2",
    plural="jobsets",
    ending=EndingRule(complete="Completed"),
    pods=("jobset.sigs.k8s.io/jobset-uid={uid}",),
    pod_sets=(
        PodSet(
            groups="spec.replicatedJobs.*",
            template="template.spec.template.spec",
            counts=("replicas", "template.spec.parallelism"),
        ),
    ),
    fixed_size="JobSet 0.11 refuses other numbers in spec.replicatedJobs, also of one that is "
    "suspended",
)
TRAIN_JOB: Final = WorkloadKind(
    kind="TrainJob",
    group="trainer.kubeflow.org",
    version="v1alpha1",
    plural="trainjobs",
    progress=ProgressRule(
        percent="status.trainerStatus.progressPercentage",
        remaining_seconds="status.trainerStatus.estimatedRemainingSeconds",
        at="status.trainerStatus.lastUpdatedTime",
    ),
    pods=("jobset.sigs.k8s.io/jobset-name={name}",),
    pod_sets=(PodSet(groups="spec.trainer", resources="resourcesPerNode", counts=("numNodes",)),),
    fixed_size="the JobSet that is made of it keeps the numbers that it was made with",
    longest=("spec.activeDeadlineSeconds",),
)
PYTORCH_JOB: Final = WorkloadKind(
    kind="PyTorchJob",
    group="kubeflow.org",
    version="v1",
    plural="pytorchjobs",
    suspend="spec.runPolicy.suspend",
    ending=EndingRule(complete="Succeeded"),
    pods=("training.kubeflow.org/job-name={name}",),
    pods_name_their_owner=True,
    pod_sets=(
        PodSet(groups="spec.pytorchReplicaSpecs.*", template="template.spec", counts=("replicas",)),
    ),
    longest=("spec.runPolicy.activeDeadlineSeconds",),
)
RAY_JOB: Final = WorkloadKind(
    kind="RayJob",
    group="ray.io",
    version="v1",
    plural="rayjobs",
    ending=EndingRule(
        state="status.jobDeploymentStatus",
        complete_states=("Complete",),
        failed_states=("Failed", "ValidationFailed"),
        reason="status.reason",
        message="status.message",
        at="status.endTime",
    ),
    progress=ProgressRule(said="status.jobStatus"),
    pods=(
        "ray.io/cluster={status.rayClusterName}",
        "batch.kubernetes.io/job-name={name}",
    ),
    # The status loses the cluster's name at a pause, seconds before its pods are gone.
    known_pods=("ray.io/is-ray-node=yes",),
    pod_sets=(
        PodSet(groups="spec.rayClusterSpec.headGroupSpec", template="template.spec"),
        PodSet(
            groups="spec.rayClusterSpec.workerGroupSpecs.*",
            template="template.spec",
            counts=("replicas", "numOfHosts"),
        ),
    ),
    longest=("spec.activeDeadlineSeconds",),
    requirements=(
        Requirement(
            path="spec.shutdownAfterJobFinishes",
            value=True,
            sentence="a RayJob is held only with spec.shutdownAfterJobFinishes: true; without it, "
            "suspending leaves it in ValidationFailed, which nothing leads out of",
        ),
        Requirement(
            path="spec.clusterSelector",
            value=None,
            sentence="a RayJob with spec.clusterSelector uses a cluster of others, which is never "
            "suspended",
        ),
    ),
)

KINDS: Final = (JOB, JOB_SET, TRAIN_JOB, PYTORCH_JOB, RAY_JOB)
"""Kinds that Lowtide knows."""


def kind_of(kinds: tuple[WorkloadKind, ...], api_version: str, kind: str) -> WorkloadKind | None:
    """Return the entry of a kind, whatever its version; `None` if there is none."""
    group = api_version.rpartition("/")[0]
    return next((one for one in kinds if (one.group, one.kind) == (group, kind)), None)
