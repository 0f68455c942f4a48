"""Ownership of Kubernetes objects: who controls an object, and what an object is called by.

Pure, standard library only, because the exporter imports it. An owner is identified by its uid:
names are used again. Only the controller counts, of which an object has at most one; a user may
add other owner references to a pod, so they prove nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

POD: Final = "Pod"
"""Kind of the owner of a pod that nothing controls: the pod itself."""
TEXT_MAX: Final = 253
"""Longest name of an object; a longer text is no reference that an API server wrote."""


@dataclass(frozen=True, slots=True, order=True)
class OwnerReference:
    """One object as an owner reference names it."""

    group: str
    """API group, empty for the core."""
    version: str
    """Version of the group."""
    kind: str
    """Kind, such as Job."""
    name: str
    """Name in the namespace of what it owns."""
    uid: str
    """UID, unique for ever."""


def controller_of(metadata: Mapping[str, Any]) -> OwnerReference | None:
    """Return the object that controls the one with this metadata, `None` where nothing does.

    A reference that is not complete is none: it cannot be told apart from another object's.
    """
    references = metadata.get("ownerReferences")
    if not isinstance(references, list):
        return None
    for item in references:
        if isinstance(item, dict) and item.get("controller") is True:
            return _reference(item)
    return None


def _reference(item: Mapping[str, Any]) -> OwnerReference | None:
    texts = [item.get(key) for key in ("apiVersion", "kind", "name", "uid")]
    if not all(isinstance(text, str) and 0 < len(text) <= TEXT_MAX for text in texts):
        return None
    api_version, kind, name, uid = map(str, texts)
    group, _, version = api_version.rpartition("/")
    return OwnerReference(group, version, kind, name, uid)
