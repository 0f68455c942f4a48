"""Pods of a workload that somebody else wrote: how they are found, and which of them are left.

The operator and the command line resume a workload only when its last pod is gone: two pods would
write one checkpoint, and a PyTorchJob would be Failed for ever. Pure: the objects are arguments.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lowtide.trainingjob.workload_kinds import WorkloadKind

PLACEHOLDER: Final = re.compile(r"\{([a-zA-Z.]+)\}")
TERMINAL_PHASES: Final = ("Succeeded", "Failed")

Body = Mapping[str, Any]


def selectors_of(kind: WorkloadKind, body: Body) -> tuple[str, ...]:
    """Return the label selectors that find the pods of a workload as it is now.

    One that names a part of the status which is not there finds nothing and is left out.
    """
    filled = (_filled(selector, body) for selector in kind.pods)
    return tuple(selector for selector in filled if selector is not None)


def own_pods(kind: WorkloadKind, uid: str, bodies: Iterable[Body]) -> list[Body]:
    """Return the pods that belong to a workload, each once."""
    pods = {body["metadata"]["uid"]: body for body in bodies}
    if not kind.pods_name_their_owner:
        return list(pods.values())
    return [
        body
        for body in pods.values()
        if any(owner.get("uid") == uid for owner in body["metadata"].get("ownerReferences") or ())
    ]


def selectors_while_resting(kind: WorkloadKind, body: Body) -> tuple[str, ...]:
    """Return the selectors that find what may be left of a suspended workload's pods."""
    selectors = selectors_of(kind, body)
    return selectors if len(selectors) == len(kind.pods) else (*selectors, *kind.known_pods)


def pods_left(kind: WorkloadKind, body: Body, found: Iterable[Body]) -> list[str]:
    """Return the names of the pods after which a suspended workload may go on; empty: it may now.

    `found` are the pods of `selectors_while_resting`. Where the status has forgotten how to find
    its own, every pod that is being removed counts: it may be one of them.
    """
    pods = list(found)
    if len(selectors_of(kind, body)) < len(kind.pods):
        left = [pod for pod in pods if "deletionTimestamp" in pod["metadata"]]
    else:
        left = [pod for pod in own_pods(kind, body["metadata"]["uid"], pods) if _is_there(pod)]
    return sorted({pod["metadata"]["name"] for pod in left})


def _is_there(pod: Body) -> bool:
    ending = "deletionTimestamp" in pod["metadata"]
    return ending or value_at(pod, "status.phase") not in TERMINAL_PHASES


def value_at(body: Any, path: str) -> Any:
    """Return what stands at a path of dots; `None` where nothing does."""
    value = body
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _filled(selector: str, body: Body) -> str | None:
    metadata = body["metadata"]
    texts = {}
    for field in PLACEHOLDER.findall(selector):
        known = {"uid": metadata["uid"], "name": metadata["name"]}
        texts[field] = known.get(field) or value_at(body, field)
        if not isinstance(texts[field], str) or not texts[field]:
            return None
    return PLACEHOLDER.sub(lambda match: str(texts[match[1]]), selector)
