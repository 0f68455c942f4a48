"""What Lowtide writes into a workload that somebody else wrote: hold it, and let it go.

The operator, the command line and the chart's uninstall write the same. Each workload says
everything itself: a label by which all that is held is found, and the latest start, so that it
can be let go without Lowtide. Pure: the patches are JSON merge patches.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from lowtide import names
from lowtide.lenient_fields import mapping
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide.units import format_timestamp

QUEUE_GROUP: Final = "kueue.x-k8s.io"
QUEUE_PLURAL: Final = "workloads"
"""Kueue's own objects, one for each workload in a queue."""
QUEUE_LABEL: Final = f"{QUEUE_GROUP}/queue-name"
"""Label of a workload whose suspend flag belongs to Kueue."""
GATES: Final = f"{QUEUE_GROUP}/admission-gated-by"
"""Annotation that keeps Kueue from admitting a workload: names of gates, with commas between."""
OUR_GATE: Final = f"{names.GROUP}/carbon"
HELD_SELECTOR: Final = f"{names.LABEL_HELD}=true"

Body = Mapping[str, Any]


def gates_of(body: Body) -> list[str]:
    """Return the names of the gates that a workload was created with and still has."""
    text = mapping_at(body, "metadata", "annotations").get(GATES)
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def is_queued(body: Body) -> bool:
    """Return whether Kueue manages a workload."""
    return QUEUE_LABEL in mapping_at(body, "metadata", "labels")


def paused_in_queue(body: Body) -> str:
    """Return the name of Kueue's object that we made inactive for a workload, else nothing."""
    name = mapping_at(body, "metadata", "annotations").get(names.ANNOTATION_PAUSED_IN_QUEUE)
    return name if isinstance(name, str) else ""


def parked_in_queue(body: Body) -> tuple[str, str]:
    """Return Kueue's object that we paused by an admission check, and the check, else nothing."""
    text = mapping_at(body, "metadata", "annotations").get(names.ANNOTATION_PARKED_IN_QUEUE)
    name, _, check = text.partition("/") if isinstance(text, str) else ("", "", "")
    return (name, check) if name and check else ("", "")


def hold_patch(
    kind: WorkloadKind,
    body: Body,
    until: datetime | None,
    queued_as: str = "",
    check: str = "",
) -> dict[str, Any]:
    """Return the merge patch that keeps a workload from running, with our mark on it.

    The flag of one that Kueue manages is Kueue's own: it only gets the mark, beside its gate or
    with the name of Kueue's object that is about to be made inactive, or to be paused by `check`.
    """
    latest = None if until is None else format_timestamp(until)
    patch: dict[str, Any] = {
        "metadata": {
            "uid": body["metadata"]["uid"],
            "labels": {names.LABEL_HELD: "true"},
            "annotations": {names.ANNOTATION_LATEST_START: latest},
        }
    }
    if queued_as and check:
        parked = f"{queued_as}/{check}"
        patch["metadata"]["annotations"][names.ANNOTATION_PARKED_IN_QUEUE] = parked
    elif queued_as:
        patch["metadata"]["annotations"][names.ANNOTATION_PAUSED_IN_QUEUE] = queued_as
    if not is_queued(body):
        set_at(patch, kind.suspend, True)
    return patch


def free_patch(kind: WorkloadKind, body: Body) -> dict[str, Any]:
    """Return the merge patch that lets a workload run and takes our mark off.

    Kueue's object for it, if we made that inactive or paused it by a check, is let go before, so
    that Kueue may be writing too. A patch that takes a gate off or sets the flag applies to the
    version that was read: a gate is one name in a list of others'.
    """
    metadata = body["metadata"]
    gates = gates_of(body)
    left = [gate for gate in gates if gate != OUR_GATE]
    changed: dict[str, Any] = {names.ANNOTATION_LATEST_START: None}
    if paused_in_queue(body):
        changed[names.ANNOTATION_PAUSED_IN_QUEUE] = None
    if names.ANNOTATION_PARKED_IN_QUEUE in mapping_at(metadata, "annotations"):
        changed[names.ANNOTATION_PARKED_IN_QUEUE] = None
    if OUR_GATE in gates:
        changed[GATES] = ",".join(left) or None
    patch: dict[str, Any] = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {names.LABEL_HELD: None},
            "annotations": changed,
        }
    }
    if not is_queued(body):
        set_at(patch, kind.suspend, False)
    elif OUR_GATE not in gates:
        del patch["metadata"]["resourceVersion"]
    return patch


def mapping_at(body: Body, *path: str) -> Mapping[str, Any]:
    """Return the mapping at a path; an empty one where nothing or something else is."""
    value: Any = body
    for part in path:
        value = mapping(value).get(part)
    return mapping(value)


def set_at(patch: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path of dots into a document."""
    *parents, last = path.split(".")
    place = patch
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
