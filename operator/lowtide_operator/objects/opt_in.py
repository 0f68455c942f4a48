"""Opt-in of a workload by its label: annotations in, the TrainingJob that stands beside it out.

Pure. An annotation of the workload counts before one of its namespace, and that before what the
workload's spec says; each value is named with its source. An annotation that cannot be used costs
a saving and never a run: the TrainingJob then lets the workload run at once and says why.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from lowtide import names
from lowtide.planning.elastic import MOST_REPLICAS
from lowtide.trainingjob.annotations import annotated, zone_text
from lowtide.trainingjob.holding import QUEUE_GROUP
from lowtide.trainingjob.models import InvalidTrainingJobError, parse_spec
from lowtide.trainingjob.schedule import Policy
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide.units import format_timestamp, parse_duration, parse_timestamp
from lowtide_operator.objects.views import API_VERSION, Body
from lowtide_operator.objects.workloads import longest_seconds

UID_LETTERS: Final = 6
"""Letters of the uid's hash in a name: two workloads of one name are two TrainingJobs."""
KUEUE_LONGEST: Final = f"{QUEUE_GROUP}/max-exec-time-seconds"

Manifest = dict[str, Any]


@dataclass(slots=True)
class _Reading:
    """Values found so far; each with its source, and the first fault."""

    spec: Manifest = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    fault: str = ""


def trainingjob_name(name: str, uid: str) -> str:
    """Return the name of the TrainingJob for a workload: the same at every look."""
    tail = blake2b(uid.encode(), digest_size=8).hexdigest()[:UID_LETTERS]
    head = name[: names.NAME_MAX_LENGTH - UID_LETTERS - 1].rstrip("-.").replace(".", "-")
    return f"{head}-{tail}"


def wanted_trainingjob(
    kind: WorkloadKind, body: Body, namespace_annotations: Mapping[str, str]
) -> Manifest:
    """Return the TrainingJob that a labelled workload asks for."""
    metadata = body["metadata"]
    reading = _read(kind, body, namespace_annotations)
    target = {"apiVersion": body.get("apiVersion") or kind.api_version, "kind": kind.kind}
    target["name"] = metadata["name"]
    try:
        parse_spec({**reading.spec, "targetRef": target})
    except InvalidTrainingJobError as error:
        reading.fault = reading.fault or f"the annotations of {kind.kind} {target['name']}: {error}"
    if reading.fault:
        reading.spec, reading.sources = {}, []
    annotations = {names.ANNOTATION_VALUE_SOURCES: json.dumps(reading.sources)}
    if reading.fault:
        annotations[names.ANNOTATION_FAULT] = reading.fault
    return {
        "apiVersion": API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": trainingjob_name(metadata["name"], metadata["uid"]),
            "namespace": metadata["namespace"],
            "labels": {
                names.LABEL_MANAGED_BY: names.MANAGED_BY,
                names.LABEL_MADE_FOR: metadata["uid"],
            },
            "annotations": annotations,
        },
        "spec": {"targetRef": target, **reading.spec},
    }


def difference(wanted: Manifest, stored: Body) -> Manifest:
    """Return the merge patch by which a stored TrainingJob says what its annotations say now.

    Only what annotations can say is compared: what people wrote beside it stays, and so does what
    no longer changes once the job has started. Empty if nothing differs.
    """
    patch: Manifest = {}
    spec, known = wanted["spec"], stored.get("spec") or {}
    schedule, grid = dict(SCHEDULE), {"zone": None}
    if (stored.get("status") or {}).get("attempts"):
        del schedule["elastic"], grid["zone"]
        if "elastic" in (known.get("schedule") or {}):
            del schedule["interruption"]
    changed = {
        "schedule": _changed(spec.get("schedule") or {}, known.get("schedule") or {}, schedule),
        "grid": _changed(spec.get("grid") or {}, known.get("grid") or {}, grid),
        "metrics": _changed(
            spec.get("metrics") or {}, known.get("metrics") or {}, {"series": None}
        ),
    }
    changed = {section: values for section, values in changed.items() if values}
    if changed:
        patch["spec"] = changed
    before = stored["metadata"].get("annotations") or {}
    notes = {
        name: wanted["metadata"]["annotations"].get(name)
        for name in (names.ANNOTATION_VALUE_SOURCES, names.ANNOTATION_FAULT)
        if wanted["metadata"]["annotations"].get(name) != before.get(name)
    }
    if notes:
        patch["metadata"] = {"annotations": notes}
    return patch


SCHEDULE: Final[Mapping[str, Any]] = {
    "policy": "CarbonOptimal",
    "deadline": None,
    "maxDelaySeconds": None,
    "expectedDurationSeconds": None,
    "interruption": None,
    "elastic": None,
    "data": None,
}
"""Fields of a schedule that annotations set, with what the API server puts where none does."""


def _changed(wanted: Body, stored: Body, fields: Mapping[str, Any]) -> Manifest:
    return {
        name: wanted.get(name)
        for name, default in fields.items()
        if wanted.get(name, default) != stored.get(name, default)
    }


def _read(kind: WorkloadKind, body: Body, of_namespace: Mapping[str, str]) -> _Reading:
    metadata = body["metadata"]
    own = metadata.get("annotations") or {}
    reading = _Reading()
    where = f"{kind.kind} {metadata['name']}"
    parts: dict[str, Manifest] = {"interruption": {}, "elastic": {}, "data": {}}
    for annotation, field_name, convert in _VALUES:
        found = annotated(annotation, own, of_namespace)
        if found is None:
            continue
        source = f"annotation of {where}"
        if found.of_namespace:
            source = f"namespace {metadata['namespace']}"
        try:
            value = convert(found.text)
        except ValueError as error:
            reading.fault = reading.fault or f"{annotation} ({source}): {error}"
            continue
        section, *part, last = field_name.split(".")
        place = parts[part[0]] if part else reading.spec.setdefault(section, {})
        place[last] = value
        reading.sources.append(f"{last}: {source}")
    if parts["interruption"]:
        # What the API server would add is written out, so that nothing seems to differ later.
        defaults = {"allowed": False, "restartCostSeconds": 900}
        parts["interruption"] = {**defaults, **parts["interruption"]}
    for part_name, values in parts.items():
        if values:
            reading.spec.setdefault("schedule", {})[part_name] = values
    if "expectedDurationSeconds" not in reading.spec.get("schedule", {}):
        _take_bound(kind, body, where, reading)
    return reading


def _take_bound(kind: WorkloadKind, body: Body, where: str, reading: _Reading) -> None:
    """Take the longest running time that the workload allows itself for the expected one."""
    label = (body["metadata"].get("labels") or {}).get(KUEUE_LONGEST, "")
    if label.isascii() and label.isdigit() and int(label[:10]) > 0:
        seconds, path = int(label[:10]), f"label {KUEUE_LONGEST}"
    elif (found := longest_seconds(kind, body)) is not None:
        seconds, path = found
    else:
        return
    seconds = min(seconds, MOST_SECONDS)
    reading.spec.setdefault("schedule", {})["expectedDurationSeconds"] = seconds
    reading.sources.append(f"expectedDurationSeconds: {path} of {where}, its upper bound")


MOST_SECONDS: Final = 31_536_000
"""A year, the longest duration that a TrainingJob may state."""


def _policy(text: str) -> str:
    known = {policy.value.lower(): policy.value for policy in Policy}
    if text.strip().lower() not in known:
        raise ValueError(f"{text!r} is not a policy: write {', '.join(known.values())}")
    return known[text.strip().lower()]


def _yes_or_no(text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.strip().lower() == "true"


def _seconds(text: str) -> int:
    return round(parse_duration(text, zero=True))


def _positive_seconds(text: str) -> int:
    return max(1, round(parse_duration(text)))


def _count(text: str) -> int:
    word = text.strip()
    if not (word.isascii() and word.isdigit() and 0 < int(word[:7]) <= MOST_REPLICAS):
        raise ValueError(f"{text!r} is not a number of replicas from 1 to {MOST_REPLICAS}")
    return int(word)


def _deadline(text: str) -> str:
    try:
        return format_timestamp(parse_timestamp(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time with an offset: write 2026-12-01T08:00:00Z"
        ) from None


def _word(text: str) -> str:
    return text.strip()


_VALUES: Final[tuple[tuple[str, str, Callable[[str], Any]], ...]] = (
    (names.ANNOTATION_POLICY, "schedule.policy", _policy),
    (names.ANNOTATION_DEADLINE, "schedule.deadline", _deadline),
    (names.ANNOTATION_MAX_DELAY, "schedule.maxDelaySeconds", _seconds),
    (names.ANNOTATION_EXPECTED_DURATION, "schedule.expectedDurationSeconds", _positive_seconds),
    (names.ANNOTATION_INTERRUPTIBLE, "schedule.interruption.allowed", _yes_or_no),
    (names.ANNOTATION_RESTART_COST, "schedule.interruption.restartCostSeconds", _seconds),
    (names.ANNOTATION_MIN_REPLICAS, "schedule.elastic.minReplicas", _count),
    (names.ANNOTATION_MAX_REPLICAS, "schedule.elastic.maxReplicas", _count),
    (names.ANNOTATION_EFFICIENCY, "schedule.elastic.efficiency", _word),
    (names.ANNOTATION_DATA, "schedule.data.gigabytes", _word),
    (names.ANNOTATION_DATA_ZONE, "schedule.data.zone", _word),
    (names.ANNOTATION_ENERGY, "schedule.data.energyKilowattHours", _word),
    (names.ANNOTATION_ZONE, "grid.zone", zone_text),
    (names.ANNOTATION_SERIES, "metrics.series", _word),
)
"""Annotation, field of the spec, and how its text becomes the field's value."""
