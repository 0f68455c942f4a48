"""What the operator sees of the cluster: API objects parsed into small frozen values.

This is the only module that reads the dicts of the API server; below it there are no raw objects
except a user's Pod template, which travels untouched. Parsing never raises for what a user or
another controller may write: a spec that cannot be used becomes a `Fault` that is reported.
"""

import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from lowtide import names
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import parse_timestamp
from lowtide_operator.learning import PastRun
from lowtide_operator.objects.key import Key
from lowtide_operator.summary import Summary, past_run, summary_of
from lowtide_operator.templates import fingerprint

API_VERSION: Final = f"{names.GROUP}/{names.VERSION}"
GPU_RESOURCES: Final = ("nvidia.com/gpu", "nvidia.com/mig-", "amd.com/gpu")
KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"

PACKING_LEVEL: Final = 1
"""The fastest; higher ones save little more on texts this short."""
PACKING_WINDOW_BITS: Final = 12
PACKING_MEMORY_LEVEL: Final = 5
"""With zlib's own 256 KiB of tables a status takes six times as long, to clear them first; 4 KiB
hold the sentences and epochs that repeat."""
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


@dataclass(frozen=True, slots=True)
class Record:
    """A TrainingJob as the cache keeps it: a few strings instead of an object tree.

    Ten thousand parsed objects take 150 MB, ten thousand of these 30. The status is kept packed,
    because with a history of 48 epochs its text is several times as long.
    """

    key: Key
    uid: str
    generation: int
    resource_version: str
    created: str
    deleting: bool
    run_now: bool
    gpus: int
    spec: bytes
    packed_status: bytes
    template: str
    series: str | None
    past: PastRun | None
    summary: Summary

    @classmethod
    def of(cls, body: Body) -> "Record":
        """Return the record of a TrainingJob's body."""
        metadata = body["metadata"]
        spec = dict(body.get("spec") or {})
        template = spec.get("template")
        spec["template"] = {}
        annotations = metadata.get("annotations") or {}
        status = body.get("status") or {}
        return cls(
            key=Key(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            resource_version=metadata.get("resourceVersion", ""),
            created=metadata["creationTimestamp"],
            deleting="deletionTimestamp" in metadata,
            run_now=annotations.get(names.ANNOTATION_RUN_NOW, "false").lower() in ("true", "1", ""),
            gpus=gpus_of_template(template),
            spec=_compact(spec),
            packed_status=_packed(_compact(status)),
            template=sys.intern(fingerprint(template)),
            series=(spec.get("metrics") or {}).get("series"),
            past=past_run(status),
            summary=summary_of(spec, status),
        )

    @property
    def status(self) -> bytes:
        """The status as JSON text."""
        return zlib.decompress(self.packed_status)

    def view(self) -> JobView:
        """Return the parsed job."""
        return JobView(
            key=self.key,
            uid=self.uid,
            generation=self.generation,
            resource_version=self.resource_version,
            created=parse_timestamp(self.created),
            deleting=self.deleting,
            run_now=self.run_now,
            gpus=self.gpus,
            spec=_parse_spec(self.spec),
            status=parse_status(self.status),
            template=self.template,
        )


class Outcome(StrEnum):
    """How a Job ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """When and how a Job ended; `reason` and `message` are the Job controller's."""

    outcome: Outcome
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


def parse_status(text: bytes) -> TrainingJobStatus:
    """Return the status that an operator wrote; sections that cannot be read are left out.

    An older or newer operator may have written them; what is left out is built again.
    """
    try:
        return TrainingJobStatus.model_validate_json(text)
    except ValidationError as error:
        document = json.loads(text)
        for section in {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}:
            document.pop(section, None)
        return TrainingJobStatus.model_validate(document)


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


def _parse_spec(text: bytes) -> TrainingJobSpec | Fault:
    try:
        return parse_spec(json.loads(text))
    except InvalidTrainingJobError as error:
        return Fault(str(error))


def _ending(conditions: Iterable[Body]) -> Ending | None:
    for condition in conditions:
        if condition.get("status") != "True" or condition.get("type") not in ("Complete", "Failed"):
            continue
        at = _moment(condition.get("lastTransitionTime"))
        if at is not None:
            return Ending(
                outcome=Outcome(condition["type"]),
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


def _packed(text: bytes) -> bytes:
    packer = zlib.compressobj(
        PACKING_LEVEL, zlib.DEFLATED, PACKING_WINDOW_BITS, PACKING_MEMORY_LEVEL
    )
    return packer.compress(text) + packer.flush()


def _compact(document: Body) -> bytes:
    return to_json(document)
