"""Views of the cluster's objects: API objects parsed into small frozen values.

Only this module, that of pods and that of workloads read the dicts of the API server; the others
see no raw objects except a user's Pod template, which is passed on untouched. Parsing never raises
for what a user or another controller may write: an unusable spec becomes a reported `Fault`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from lowtide import names
from lowtide.lenient_fields import mapping, mappings, moment
from lowtide.planning.scaling import Scaling
from lowtide.trainingjob.holding import is_queued
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import parse_timestamp
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.queueing import queue_to_enter

API_VERSION: Final = f"{names.GROUP}/{names.VERSION}"


Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A spec that cannot be used; the message is one sentence."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A TrainingJob."""

    key: Key
    """Namespace and name."""
    uid: str
    """Identity; a job created again under the same name has another."""
    generation: int
    """Version of the spec."""
    resource_version: str
    """Version of the object, for writes that must not overwrite a change."""
    created: datetime
    """Creation time."""
    deleting: bool
    """Whether the object is being deleted."""
    run_now: bool
    """Whether the run-now annotation is set."""
    gpus: int
    """GPUs that the job holds while it runs."""
    spec: TrainingJobSpec | Fault
    """The spec without its template, which is fetched when a Job is created."""
    status: TrainingJobStatus
    """The stored status."""
    template: str = ""
    """Fingerprint of the template."""
    gpu_resource: str = ""
    """Resource name of the GPUs; empty where there are none."""
    other_gpus: int = 0
    """Those of `gpus` that go by another resource name."""
    made_for: str = ""
    """Uid of the workload whose label asked for this TrainingJob; empty for one of a user."""
    annotation_fault: str = ""
    """Which annotation of that workload cannot be used, in one sentence."""
    value_sources: tuple[str, ...] = ()
    """Where the values come from that the operator wrote into the spec."""
    replicas: int = 0
    """Replicas that it was written with, of a job that may change its size."""
    scaling: Scaling | None = None
    """What is known of the scaling of such a job; `None`: what its spec gives, or assumed."""
    size_fault: str = ""
    """Why its size cannot be changed, in one sentence."""


class JobOutcome(StrEnum):
    """How a Job ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """End of a Job; `reason` and `message` are the Job controller's."""

    outcome: JobOutcome
    at: datetime
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildView:
    """The batch Job of a TrainingJob."""

    name: str
    """Name of the Job."""
    uid: str
    """Identity of the Job."""
    owner: Key
    """The TrainingJob that controls it."""
    owner_uid: str
    """Identity of that TrainingJob."""
    resource_version: str
    """Version of the object."""
    created: datetime
    """Creation time."""
    suspended: bool
    """Whether `spec.suspend` is true."""
    queued: bool
    """Whether a Kueue queue is named."""
    active: int
    """Pods that are pending or running."""
    ready: int
    """Pods that are ready."""
    started: datetime | None
    """When the Job controller started it, last."""
    ending: Ending | None
    """Its end, if it has ended."""
    deleting: bool
    """Whether the object is being deleted."""
    queue_to_enter: str = ""
    """Kueue queue that the Job enters when it is let go."""
    rests_since: datetime | None = None
    """When its controller told the pods to stop, by the API server's clock; `None` if unknown."""
    replicas: int = 1
    """Its parallelism."""
    succeeded: int = 0
    """Pods that ended well."""


def child_view(body: Body) -> ChildView | None:
    """Return the view of a batch Job, or `None` if no TrainingJob controls it."""
    metadata = body["metadata"]
    owner = controller_of(metadata)
    if owner is None:
        return None
    spec, status = body.get("spec") or {}, body.get("status") or {}
    return ChildView(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=Key(metadata["namespace"], owner["name"]),
        owner_uid=owner["uid"],
        resource_version=metadata.get("resourceVersion", ""),
        created=parse_timestamp(metadata["creationTimestamp"]),
        suspended=bool(spec.get("suspend", False)),
        queued=is_queued(body),
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        started=moment(status.get("startTime")),
        ending=_ending(status.get("conditions") or ()),
        deleting="deletionTimestamp" in metadata,
        queue_to_enter=queue_to_enter(body),
        rests_since=rests_since(status),
        replicas=spec.get("parallelism", 1),
        succeeded=status.get("succeeded", 0),
    )


def rests_since(status: Body) -> datetime | None:
    """Return since when a controller says that its workload rests, `None` if it does not."""
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "Suspended" and condition.get("status") == "True":
            return moment(condition.get("lastTransitionTime"))
    return None


def controller_of(metadata: Body) -> Body | None:
    """Return the owner reference of the TrainingJob that controls an object, or `None`."""
    for owner in metadata.get("ownerReferences") or ():
        if (
            owner.get("controller")
            and owner.get("kind") == names.KIND
            and owner.get("apiVersion", "").startswith(f"{names.GROUP}/")
        ):
            return dict(owner)
    return None


def template_of(body: Body) -> Body:
    """Return the Job template of a TrainingJob's body; empty if it is not a mapping."""
    return mapping((body.get("spec") or {}).get("template"))


def _ending(conditions: Iterable[Body]) -> Ending | None:
    for condition in conditions:
        if condition.get("status") != "True" or condition.get("type") not in ("Complete", "Failed"):
            continue
        at = moment(condition.get("lastTransitionTime"))
        if at is not None:
            return Ending(
                outcome=JobOutcome(condition["type"]),
                at=at,
                reason=condition.get("reason") or "",
                message=condition.get("message") or "",
            )
    return None
