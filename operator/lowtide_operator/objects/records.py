"""Records of TrainingJobs as the cache keeps them: packed texts that are parsed at each look."""

import json
import sys
import zlib
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pydantic_core import to_json

from lowtide import names
from lowtide.lenient_fields import mappings
from lowtide.planning.durations import PastRun
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import parse_timestamp
from lowtide_operator.objects.fingerprint import NESTED_MAX, fingerprint, nested_at_most
from lowtide_operator.objects.gpus import NO_GPUS, GpuDemand, gpu_demand
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.summary import Summary, past_run, summary_of
from lowtide_operator.objects.template_size import TemplateSize, size_of_template
from lowtide_operator.objects.views import Body, Fault, JobView

TOO_DEEP: Final = "too deep"
"""In the place of a fingerprint, of a template that cannot be taken."""
NESTED_TOO_DEEP: Final = Fault(
    f"spec.template is nested more than {NESTED_MAX} levels deep: a Job needs about 20"
)
PACKING_LEVEL: Final = 1
"""The fastest level; higher ones save little more on texts this short."""
PACKING_WINDOW_BITS: Final = 12
PACKING_MEMORY_LEVEL: Final = 5
"""Small tables: clearing zlib's usual 256 KiB first makes packing a status six times as slow, and
4 KiB hold the sentences and epochs that repeat."""


@dataclass(frozen=True, slots=True)
class Record:
    """A TrainingJob as the cache keeps it: a few strings instead of an object tree.

    Ten thousand parsed objects take 150 MB, ten thousand records 30 MB.
    """

    key: Key
    """Namespace and name."""
    uid: str
    """Identity; a job created again under the same name has another."""
    generation: int
    """Version of the spec."""
    resource_version: str
    """Version of the object, for writes that must not overwrite a change."""
    created: str
    """Creation time, as the API server writes it."""
    deleting: bool
    """Whether the object is being deleted."""
    run_now: bool
    """Whether the run-now annotation is set."""
    gpus: GpuDemand
    """GPUs that the job holds while it runs."""
    spec: bytes
    """The spec as JSON, with an empty template."""
    packed_status: bytes
    """The status as packed JSON: a history of 48 epochs is several times as long as the rest."""
    template: str
    """Fingerprint of the template, or `TOO_DEEP`."""
    series: str | None
    """Series of jobs that learn from each other."""
    past: PastRun | None
    """What the job teaches its series once it has completed."""
    summary: Summary
    """Facts for metrics and the cache."""
    target: tuple[str, str, str] | None = None
    """API version, kind and name of the workload that it names."""
    target_uid: str = ""
    """Uid of the workload that it names, once it is known."""
    made_for: str = ""
    """Uid of the workload whose label asked for it."""
    annotation_fault: str = ""
    """Which annotation of that workload cannot be used."""
    value_sources: tuple[str, ...] = ()
    """Where its values come from."""
    size: TemplateSize | None = None
    """Size of its template, of a job that may change it."""
    workload_pods: frozenset[str] = frozenset()
    """Uids of the pods of the workload that it names, as its status counts them until its end."""

    @classmethod
    def of(cls, body: Body, known: "Record | None" = None) -> "Record":
        """Return the record of a TrainingJob's body.

        `known` is the record before it: a template of megabytes is not walked again at every
        change of the status, because the API server counts each change of the spec.
        """
        metadata = body["metadata"]
        spec = dict(body.get("spec") or {})
        template = spec.get("template")
        if template is not None:
            spec["template"] = {}
        annotations = metadata.get("annotations") or {}
        status = body.get("status") or {}
        made_for = str((metadata.get("labels") or {}).get(names.LABEL_MADE_FOR, ""))
        version = (metadata["uid"], metadata.get("generation"))
        if known is None or template is None or (known.uid, known.generation) != version:
            mark, gpus = _fingerprint_of(template), _gpus_of(template, status)
        else:
            mark, gpus = known.template, known.gpus
        return cls(
            key=Key(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            resource_version=metadata.get("resourceVersion", ""),
            created=metadata["creationTimestamp"],
            deleting="deletionTimestamp" in metadata,
            run_now=annotations.get(names.ANNOTATION_RUN_NOW, "false").lower() in ("true", "1", ""),
            gpus=gpus,
            spec=_compact(spec),
            packed_status=_packed(_compact(status)),
            template=mark,
            series=(spec.get("metrics") or {}).get("series"),
            past=past_run(status),
            summary=summary_of(spec, status),
            target=_target(spec),
            target_uid=_uid_of_target(status) or made_for,
            made_for=made_for,
            annotation_fault=str(annotations.get(names.ANNOTATION_FAULT, "")),
            value_sources=_sources(annotations.get(names.ANNOTATION_VALUE_SOURCES)),
            size=size_of_template(template) if template is not None and _is_elastic(spec) else None,
            workload_pods=_pods_of_target(spec, status),
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
            gpus=self.gpus.total,
            gpu_resource=self.gpus.resource,
            other_gpus=self.gpus.others,
            spec=NESTED_TOO_DEEP if self.template == TOO_DEEP else _parse_spec(self.spec),
            status=parse_status(self.status),
            template=self.template,
            made_for=self.made_for,
            annotation_fault=self.annotation_fault,
            value_sources=self.value_sources,
            replicas=0 if self.size is None else self.size.replicas,
            size_fault="" if self.size is None else self.size.fault,
        )


def _fingerprint_of(template: object) -> str:
    is_readable = nested_at_most(template, NESTED_MAX)
    return sys.intern(fingerprint(template)) if is_readable else TOO_DEEP


def _is_elastic(spec: Body) -> bool:
    schedule = spec.get("schedule")
    return isinstance(schedule, dict) and schedule.get("elastic") is not None


def _target(spec: Body) -> tuple[str, str, str] | None:
    target = spec.get("targetRef")
    if not isinstance(target, dict):
        return None
    return (str(target.get("apiVersion")), str(target.get("kind")), str(target.get("name")))


def _uid_of_target(status: Body) -> str:
    target = status.get("target")
    return str(target.get("uid") or "") if isinstance(target, dict) else ""


def _pods_of_target(spec: Body, status: Body) -> frozenset[str]:
    """Return the pods of the last attempt of a workload that others wrote; none after its end.

    Their labels do not tell in every kind for which workload they work.
    """
    attempts = mappings(status.get("attempts"))
    if _target(spec) is None or not attempts or "end" in attempts[-1]:
        return frozenset()
    uids = (pod.get("uid") for pod in mappings(attempts[-1].get("pods")))
    return frozenset(uid for uid in uids if isinstance(uid, str) and uid)


def _gpus_of(template: Body | None, status: Body) -> GpuDemand:
    return _gpus_of_target(status) if template is None else gpu_demand(template)


def _gpus_of_target(status: Body) -> GpuDemand:
    """Return the GPUs that were counted when the workload was last looked at."""
    target = status.get("target")
    if not isinstance(target, dict) or not isinstance(target.get("gpus"), int):
        return NO_GPUS
    return GpuDemand(target["gpus"], str(target.get("gpuResource") or ""))


def _sources(text: object) -> tuple[str, ...]:
    """Return the sources that the operator wrote; none of what people put in their place."""
    try:
        found = json.loads(text) if isinstance(text, str) else []
    except (ValueError, RecursionError):
        return ()
    lines = found if isinstance(found, list) else []
    return tuple(line[:256] for line in lines[:16] if isinstance(line, str))


def parse_status(text: bytes) -> TrainingJobStatus:
    """Return the status that an operator wrote, without the sections that cannot be read.

    An older or newer operator may have written those; they are built again.
    """
    try:
        return TrainingJobStatus.model_validate_json(text)
    except ValidationError as error:
        document = json.loads(text)
        for section in {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}:
            document.pop(section, None)
        return TrainingJobStatus.model_validate(document)


def _parse_spec(text: bytes) -> TrainingJobSpec | Fault:
    try:
        return parse_spec(json.loads(text))
    except InvalidTrainingJobError as error:
        return Fault(str(error))


def _packed(text: bytes) -> bytes:
    packer = zlib.compressobj(
        PACKING_LEVEL, zlib.DEFLATED, PACKING_WINDOW_BITS, PACKING_MEMORY_LEVEL
    )
    return packer.compress(text) + packer.flush()


def _compact(document: Body) -> bytes:
    return to_json(document)
