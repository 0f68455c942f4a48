"""Views of pods: when their containers ran, how they ended, and why they do not run.

Parsing never raises for what a user or another controller may write.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.lenient_fields import mappings, moment
from lowtide.trainingjob.pods_of_workloads import TERMINAL_PHASES
from lowtide_operator.objects.containers import Body, exit_code_of, first_start, last_end, report_of

RAN_PHASES: Final = ("Running", "Succeeded")
"""Phases that a pod has only after a container ran."""

DEFAULT_GRACE_SECONDS: Final = 30.0
"""What Kubernetes gives a pod that states nothing."""

IMAGE_TROUBLES: Final = ("ErrImagePull", "ImagePullBackOff")


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
