"""Entry of a Job into its Kueue queue, after its start is recorded and not before.

Kueue lets a Job go as soon as its queue has room, so a Job that is created in its queue may run
before any status tells of it. It is therefore created outside, with the queue's name in an
annotation, and enters by the label later: Kueue takes the label of a suspended Job. Pure.
"""

from collections.abc import Mapping
from typing import Any

from lowtide import names
from lowtide.trainingjob.holding import QUEUE_LABEL, is_queued, mapping_at


def queue_to_enter(body: Mapping[str, Any]) -> str:
    """Return the queue that a Job was created outside of; empty where there is none."""
    queue = mapping_at(body, "metadata", "annotations").get(names.ANNOTATION_QUEUE)
    return "" if is_queued(body) or not isinstance(queue, str) else queue


def outside_of_queue(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a queued Job without its queue, which an annotation remembers."""
    metadata = dict(manifest["metadata"])
    labels = dict(metadata["labels"])
    queue = labels.pop(QUEUE_LABEL)
    notes = {**(metadata.get("annotations") or {}), names.ANNOTATION_QUEUE: queue}
    return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": notes}}


def may_wait_outside(inside: Mapping[str, Any], outside: Mapping[str, Any]) -> bool:
    """Return whether a Job can enter its queue later, by what the API server makes of both forms.

    Not where the queue sends its Jobs to other clusters, which Kueue writes down at the creation
    only, and not where Kueue puts Jobs without a queue into one of its own choice.
    """
    sent_away = inside["spec"].get("managedBy") != outside["spec"].get("managedBy")
    return not sent_away and not is_queued(outside)
