"""Settings of the workloads that TrainingJobs may name: which kinds, and kinds of other teams."""

from typing import Annotated

from pydantic import Field, model_validator

from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.workload_kinds import KINDS, EndingRule, PodSet, WorkloadKind

Path = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z][A-Za-z0-9.]*$")]
Groups = Annotated[str, Field(max_length=253, pattern=r"^([A-Za-z][A-Za-z0-9.]*(\.\*)?)?$")]
OBJECT_NAME = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"
KNOWN = {kind.kind: kind for kind in KINDS}


class PodSetSettings(ApiModel):
    """Pods of one template, for the count of GPUs."""

    groups: Groups = ""
    """Path of the group in the object, `.*` at its end for each of a list; absent: the object."""
    template: Path = "spec.template.spec"
    """Path of the pod's spec inside a group."""
    counts: Annotated[tuple[Path, ...], Field(max_length=8)] = ()
    """Paths inside a group whose numbers are multiplied; one that is absent counts as 1."""


class CustomKindSettings(ApiModel):
    """A kind that Lowtide does not know."""

    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """Its kind."""
    group: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9.-]+$")]
    """Its API group."""
    version: Annotated[str, Field(pattern=r"^v[0-9]+((alpha|beta)[0-9]+)?$", max_length=63)]
    """Its API version."""
    plural: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]+$")]
    """Its resource in the API's paths."""
    suspend: Path = "spec.suspend"
    """Path of the flag that suspends it."""
    complete_condition: Annotated[str, Field(min_length=1, max_length=63)] = "Complete"
    """Type of the condition that is True after a success."""
    failed_condition: Annotated[str, Field(min_length=1, max_length=63)] = "Failed"
    """Type of the condition that is True after a failure."""
    pods: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    """Label selectors that together find its pods; {uid} and {name} are filled in."""
    pod_sets: Annotated[tuple[PodSetSettings, ...], Field(max_length=16)] = ()
    """Its pods, for the count of GPUs; absent: it holds none."""

    def entry(self) -> WorkloadKind:
        """Return the entry of the table."""
        return WorkloadKind(
            kind=self.kind,
            group=self.group,
            version=self.version,
            plural=self.plural,
            suspend=self.suspend,
            ending=EndingRule(complete=self.complete_condition, failed=self.failed_condition),
            pods=self.pods,
            pod_sets=tuple(
                PodSet(groups=one.groups, template=one.template, counts=one.counts)
                for one in self.pod_sets
            ),
        )


class WorkloadSettings(ApiModel):
    """Workloads of other controllers."""

    kinds: Annotated[tuple[str, ...], Field(max_length=32)] = ("Job",)
    """Kinds that a TrainingJob may name and that the label lowtide.dev/schedule opts in: Job,
    JobSet, TrainJob, PyTorchJob, RayJob, or one of `custom`. The chart sets it with the rights."""
    pause_queued: bool = False
    """Pause workloads in a Kueue queue too, by the field `active` of Kueue's object. The chart sets
    it with the right to write that."""
    admission_check: Annotated[str, Field(max_length=63, pattern=OBJECT_NAME)] = ""
    """Name of an AdmissionCheck of Kueue that this operator decides: workloads of queues that ask
    for it are paused by it where `pauseQueued` is not set. The chart makes it, with the rights."""
    custom: Annotated[tuple[CustomKindSettings, ...], Field(max_length=32)] = ()
    """Kinds of other teams, by the same table."""

    @model_validator(mode="after")
    def _kinds_are_known(self) -> "WorkloadSettings":
        known = {**KNOWN, **{one.kind: None for one in self.custom}}
        strange = [kind for kind in self.kinds if kind not in known]
        if strange:
            raise ValueError(
                f"kinds names {strange[0]!r}, which is neither {', '.join(KNOWN)} nor in custom"
            )
        return self

    def entries(self) -> tuple[WorkloadKind, ...]:
        """Return the entries of the table that are in use."""
        entries = {**KNOWN, **{one.kind: one.entry() for one in self.custom}}
        return tuple(entries[kind] for kind in dict.fromkeys(self.kinds))
