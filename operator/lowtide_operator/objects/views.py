"""Views of the cluster's objects: API objects parsed into small frozen values.

Only this module reads the dicts of the API server; the others see no raw objects except a user's
Pod template, which is passed on untouched. Parsing never raises for what a user or another
controller may write: an unusable spec becomes a `Fault` that is reported.
"""

from collections.abc import Iterable, Mapping, Sequence
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
KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"

IMAGE_TROUBLES: Final = ("ErrImagePull", "ImagePullBackOff")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """A pod of a Job."""

    name: str
    """Name of the pod."""
    uid: str
    """Identity of the pod."""
    node: str
    """Node it was bound to; empty before."""
    phase: str
    """Phase in Kubernetes' words."""
    start: datetime | None
    """When its first container began to run; pulling images is not running."""
    end: datetime | None
    """When its last container stopped."""
    trouble: str | None
    """Why a container cannot start, in one word of the kubelet or the scheduler."""
    trouble_message: str
    """The same in words."""
    exit_code: int | None
    """First exit code other than 0; 0 if all containers succeeded."""
    end_reason: str | None
    """Reason of the end, in one word of the kubelet."""
    report: str | None
    """Termination message of the training container."""


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
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        node=(body.get("spec") or {}).get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        start=_first_run(status),
        end=max(ends) if terminal and ends else None,
        trouble=trouble,
        trouble_message=message,
        exit_code=codes[0] if codes else (0 if terminal and ended else None),
        end_reason=status.get("reason")
        or next((s["reason"] for s in ended if "reason" in s), None),
        report=_report([state["message"] for state in ended if state.get("message")]),
    )


def _first_run(status: Body) -> datetime | None:
    """Return when a container first ran; `None` for a pod that never got so far."""
    containers = status.get("containerStatuses") or ()
    states = [c.get(name) or {} for c in containers for name in ("state", "lastState")]
    ran = [state.get(name) or {} for state in states for name in ("running", "terminated")]
    known = [_moment(one["startedAt"]) for one in ran if one.get("startedAt")]
    if known:
        return min(start for start in known if start is not None)
    # A container that ended without a start time never ran: a rejected or evicted pod.
    has_run = status.get("phase") in ("Running", "Succeeded")
    return _moment(status.get("startTime")) if has_run else None


def _report(messages: Sequence[str]) -> str | None:
    """Return the termination message that is a report; a sidecar may leave a message too."""
    reports = [message for message in messages if message.lstrip().startswith("{")]
    return next(iter([*reports, *reversed(messages)]), None)


def template_of(body: Body) -> Body:
    """Return the Job template of a TrainingJob's body; empty if it is not a mapping."""
    template = (body.get("spec") or {}).get("template")
    return template if isinstance(template, dict) else {}


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
    """Return why a pod does not run: the kubelet's reason, else the scheduler's."""
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting")
        reason = (waiting or {}).get("reason")
        if reason in IMAGE_TROUBLES:
            # The two reasons alternate with every try, and so do their messages: one stands for
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
