"""Records of TrainingJobs as the cache keeps them: packed texts that are parsed at each look."""

import json
import sys
import zlib
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pydantic_core import to_json

from lowtide import names
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.units import parse_timestamp
from lowtide_operator.learning import PastRun
from lowtide_operator.objects.fingerprint import fingerprint
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.summary import Summary, past_run, summary_of
from lowtide_operator.objects.views import Body, Fault, JobView, gpus_of_template

PACKING_LEVEL: Final = 1
"""The fastest; higher ones save little more on texts this short."""


PACKING_WINDOW_BITS: Final = 12


PACKING_MEMORY_LEVEL: Final = 5
"""With zlib's own 256 KiB of tables a status takes six times as long, to clear them first; 4 KiB
hold the sentences and epochs that repeat."""


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
