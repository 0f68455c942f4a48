"""Sizes of workloads that somebody else wrote: their own, the one they have, and how it is changed.

A workload that was given another size says in an annotation which is its own, so that it gets that
back without Lowtide. Who else changes the size meanwhile has changed its own one. A size is changed
only while the workload is suspended. Pure: the patches are JSON merge patches.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from lowtide import names
from lowtide.trainingjob.holding import mapping_at, set_at
from lowtide.trainingjob.pods_of_workloads import value_at
from lowtide.trainingjob.workload_kinds import WorkloadKind

RESIZED: Final = re.compile(r"([1-9][0-9]{0,5})->([1-9][0-9]{0,5})")
"""Own size and given size, as the annotation has them."""

Body = Mapping[str, Any]


def present_size(kind: WorkloadKind, body: Body) -> int | None:
    """Return the replicas that a workload has now; `None` where its numbers are not one size."""
    found = {_whole(value_at(body, path)) for path in kind.size}
    return found.pop() if len(found) == 1 else None


def own_size(kind: WorkloadKind, body: Body) -> int | None:
    """Return the replicas that a workload was written with; `None` where that is not one size."""
    present = present_size(kind, body)
    text = mapping_at(body, "metadata", "annotations").get(names.ANNOTATION_RESIZED)
    said = RESIZED.fullmatch(text) if isinstance(text, str) else None
    return int(said[1]) if said is not None and int(said[2]) == present else present


def at_own_size(kind: WorkloadKind, body: Body) -> Body:
    """Return a workload as it was written: with its own size."""
    own = own_size(kind, body)
    if own is None or own == present_size(kind, body):
        return body
    written: dict[str, Any] = deepcopy(dict(body))
    for path in kind.size:
        set_at(written, path, own)
    return written


def size_patch(kind: WorkloadKind, body: Body, replicas: int | None = None) -> dict[str, Any]:
    """Return the merge patch that gives a suspended workload a size; empty where nothing changes.

    `None` replicas are those that it was written with. It applies to the version that was read:
    what was let go meanwhile keeps its size.
    """
    present, own = present_size(kind, body), own_size(kind, body)
    wanted = own if replicas is None else replicas
    if present is None or wanted == present or value_at(body, kind.suspend) is not True:
        return {}
    note = None if wanted == own else f"{own}->{wanted}"
    metadata = body["metadata"]
    patch: dict[str, Any] = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {names.ANNOTATION_RESIZED: note},
        }
    }
    for path in kind.size:
        set_at(patch, path, wanted)
    return patch


def _whole(value: Any) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return value if usable else None
