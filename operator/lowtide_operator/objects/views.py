"""What the operator sees of the cluster: API objects parsed into small frozen values.

This is the only module that reads the dicts of the API server; below it there are no raw objects
except a user's Pod template, which travels untouched. Parsing never raises for what a user or
another controller may write: a spec that cannot be used becomes a `Fault` that is reported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from lowtide import names
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import parse_timestamp
from lowtide_operator.objects.key import Key

API_VERSION: Final = f"{names.GROUP}/{names.VERSION}"
GPU_RESOURCES: Final = ("nvidia.com/gpu", "nvidia.com/mig-", "amd.com/gpu")
KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"

IMAGE_TROUBLES: Final = ("ErrImagePull", "ImagePullBackOff")

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a spec cannot be used, in one sentence."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A TrainingJob.

    `spec` carries no template: that is fetched when a Job is created; `template` is its
    fingerprint.
    """

    key: Key
    uid: str
    generation: int
    resource_version: str
    created: datetime
    deleting: bool
    run_now: bool
    gpus: int
    spec: TrainingJobSpec | Fault
    status: TrainingJobStatus
    template: str = ""


class JobOutcome(StrEnum):
    """How a Job ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """When and how a Job ended; `reason` and `message` are the Job controller's."""

    outcome: JobOutcome
    at: datetime
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildView:
    """The batch Job of a TrainingJob."""

    name: str
    uid: str
    owner: Key
    owner_uid: str
    resource_version: str
    created: datetime
    suspended: bool
    queued: bool
    active: int
    ready: int
    started: datetime | None
    ending: Ending | None
    deleting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """A pod of a Job.

    `start` is when the kubelet took it, `end` when its last container stopped. `trouble` is why a
    container cannot start (a reason of the kubelet or the scheduler), `report` the termination
    message of the first container that wrote one.
    """

    name: str
    uid: str
    node: str
    phase: str
    start: datetime | None
    end: datetime | None
    trouble: str | None
    trouble_message: str
    exit_code: int | None
    end_reason: str | None
    report: str | None


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
        queued=KUEUE_QUEUE_LABEL in (metadata.get("labels") or {}),
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        started=_moment(status.get("startTime")),
        ending=_ending(status.get("conditions") or ()),
        deleting="deletionTimestamp" in metadata,
    )


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


def pod_view(body: Body) -> PodView:
    """Return the view of a pod."""
    metadata, status = body["metadata"], body.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ())]
    containers += status.get("containerStatuses") or ()
    ended = [c["state"]["terminated"] for c in containers if "terminated" in (c.get("state") or {})]
    terminal = status.get("phase") in ("Succeeded", "Failed")
    trouble, message = _trouble(status, containers)
    codes = [state["exitCode"] for state in ended if state.get("exitCode")]
    ends = [end for end in (_moment(state.get("finishedAt")) for state in ended) if end is not None]
    reports = [state["message"] for state in ended if state.get("message")]
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        node=(body.get("spec") or {}).get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        start=_moment(status.get("startTime")),
        end=max(ends) if terminal and ends else None,
        trouble=trouble,
        trouble_message=message,
        exit_code=codes[0] if codes else (0 if terminal and ended else None),
        end_reason=status.get("reason")
        or next((s["reason"] for s in ended if "reason" in s), None),
        report=reports[-1] if reports else None,
    )


def template_of(body: Body) -> Body:
    """Return the Job template of a TrainingJob's body; an empty one where it is no mapping."""
    template = (body.get("spec") or {}).get("template")
    return template if isinstance(template, dict) else {}


def gpus_of_template(template: object) -> int:
    """Return how many GPUs a Job of this template holds at a time; 0 where none or not readable."""
    try:
        job = template["spec"]  # type: ignore[index]
        containers = job["template"]["spec"]["containers"]
        each = sum(_gpus_of_container(container) for container in containers)
        return each * int(job.get("parallelism", 1))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return 0


def _gpus_of_container(container: Body) -> int:
    limits = (container.get("resources") or {}).get("limits") or {}
    return sum(int(count) for name, count in limits.items() if name.startswith(GPU_RESOURCES))


def _ending(conditions: Iterable[Body]) -> Ending | None:
    for condition in conditions:
        if condition.get("status") != "True" or condition.get("type") not in ("Complete", "Failed"):
            continue
        at = _moment(condition.get("lastTransitionTime"))
        if at is not None:
            return Ending(
                outcome=JobOutcome(condition["type"]),
                at=at,
                reason=condition.get("reason") or "",
                message=condition.get("message") or "",
            )
    return None


def _trouble(status: Body, containers: Iterable[Body]) -> tuple[str | None, str]:
    """Return why a pod does not run: the kubelet's word on a container, else the scheduler's."""
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting")
        reason = (waiting or {}).get("reason")
        if reason in IMAGE_TROUBLES:
            # The two words alternate with every try, and so do their messages; one stands for
            # both, so that the status is not rewritten each time.
            return IMAGE_TROUBLES[-1], f"image {container.get('image')} cannot be pulled"
        if waiting and reason not in (None, "ContainerCreating", "PodInitializing"):
            return reason, waiting.get("message", "")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return condition.get("reason") or "Unschedulable", condition.get("message", "")
    return None, ""


def _moment(text: str | None) -> datetime | None:
    return parse_timestamp(text) if text else None
