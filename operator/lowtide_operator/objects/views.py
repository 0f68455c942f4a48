"""Views of the cluster's objects: API objects parsed into small frozen values.

Only this module reads the dicts of the API server; the others see no raw objects except a user's
Pod template, which is passed on untouched. Parsing never raises for what a user or another
controller may write: an unusable spec becomes a `Fault` that is reported.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from lowtide import names
from lowtide.trainingjob.holding import is_queued
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import parse_timestamp
from lowtide_operator.objects.containers import (
    exit_code_of,
    first_start,
    last_end,
    mappings,
    moment,
    report_of,
)
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.queueing import queue_to_enter

API_VERSION: Final = f"{names.GROUP}/{names.VERSION}"

TERMINAL_PHASES: Final = ("Succeeded", "Failed")
RAN_PHASES: Final = ("Running", "Succeeded")
"""Phases that a pod has only after a container ran."""
DEFAULT_GRACE_SECONDS: Final = 30.0
"""What Kubernetes gives a pod that states nothing."""
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
    other_gpus: int = 0
    """Those of `gpus` that go by another resource name."""
    made_for: str = ""
    """Uid of the workload whose label asked for this TrainingJob; empty for one of a user."""
    annotation_fault: str = ""
    """Which annotation of that workload cannot be used, in one sentence."""
    value_sources: tuple[str, ...] = ()
    """Where the values come from that the operator wrote into the spec."""


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
    """When its last container stopped, or when it was rejected or evicted."""
    trouble: str | None
    """Why a container cannot start, in one word of the kubelet or the scheduler."""
    trouble_message: str
    """The same in words."""
    exit_code: int | None
    """That of the trainer, or of the first container that failed; 0 if all succeeded."""
    end_reason: str | None
    """Reason of the end, in one word of the kubelet."""
    report: str | None
    """Termination message of the training container."""
    deleting: bool = False
    """Whether the pod is being removed."""
    address: str = ""
    """IP address; empty before it has one."""
    grace_seconds: float = DEFAULT_GRACE_SECONDS
    """Time from SIGTERM to SIGKILL."""


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


def pod_view(body: Body) -> PodView:
    """Return the view of a pod.

    A pod runs from the start of its first container. One that the kubelet rejects, or that is
    evicted while its image is pulled, has an end and no start.
    """
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    main = mappings(status.get("containerStatuses"))
    before = mappings(status.get("initContainerStatuses"))
    named = mappings(spec.get("containers"))
    trainer = str(named[0].get("name")) if named else None
    terminal = status.get("phase") in TERMINAL_PHASES
    start = first_start(main) or (first_start(before) if terminal else None)
    if start is None and (status.get("phase") in RAN_PHASES or last_end(main) is not None):
        # Some kubelets lose the start of a container that is known to have run.
        start = moment(status.get("startTime"))
    trouble, message = _trouble(status, (*before, *main))
    codes = exit_code_of((*main, *before), trainer)
    reasons = [
        state["terminated"].get("reason")
        for state in (container.get("state") or {} for container in (*main, *before))
        if state.get("terminated")
    ]
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        start=start,
        end=_end_of_pod(metadata, status, (*main, *before), start) if terminal else None,
        trouble=trouble,
        trouble_message=message,
        exit_code=codes if codes or terminal else None,
        end_reason=status.get("reason") or next(filter(None, reasons), None),
        report=report_of((*main, *before), trainer),
        deleting="deletionTimestamp" in metadata,
        address=str(status.get("podIP") or ""),
        grace_seconds=float(spec.get("terminationGracePeriodSeconds") or DEFAULT_GRACE_SECONDS),
    )


def _end_of_pod(
    metadata: Body, status: Body, containers: Iterable[Body], start: datetime | None
) -> datetime | None:
    """Return when a terminal pod ended: its last container, else the last change of its state."""
    ended = last_end(containers)
    if ended is not None and (start is None or ended >= start):
        return ended
    conditions = mappings(status.get("conditions"))
    changes = [moment(condition.get("lastTransitionTime")) for condition in conditions]
    known = [change for change in changes if change is not None]
    last = max(known, default=None) or moment(status.get("startTime"))
    last = last or moment(metadata.get("creationTimestamp"))
    return last if start is None or last is None else max(start, last)


def creation_failure(events: Iterable[Body], job: str) -> str:
    """Return why the pods of a Job cannot be created, by its newest Event; empty for none.

    The pod's name in it is new with every try, and is left out.
    """
    newest = max(
        events, default={}, key=lambda event: str(event["metadata"].get("creationTimestamp", ""))
    )
    return re.sub(rf'"{re.escape(job)}-[a-z0-9-]+"', f'"{job}-…"', str(newest.get("note") or ""))


def template_of(body: Body) -> Body:
    """Return the Job template of a TrainingJob's body; empty if it is not a mapping."""
    template = (body.get("spec") or {}).get("template")
    return template if isinstance(template, dict) else {}


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
