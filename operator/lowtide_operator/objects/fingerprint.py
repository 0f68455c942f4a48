"""Fingerprint of a Job template: equal where the API server's verdict cannot differ.

The trainings of a sweep differ in arguments only, and the API server does not judge these.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

NESTED_MAX: Final = 100
"""Levels of a template; a deeper one is no Job, and would cost a stack frame a level."""
FREE_TEXTS: Final = frozenset({"args", "command"})
"""Lists of free texts in a container."""


def nested_at_most(value: object, levels: int) -> bool:
    """Return whether mappings and lists are nested no deeper than this."""
    level: list[object] = [value]
    for _ in range(levels + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, Mapping | list)
            for child in (parent.values() if isinstance(parent, Mapping) else parent)
        ]
        if not level:
            return True
    return False


def fingerprint(template: object) -> str:
    """Return a text that is equal for templates which the API server judges alike."""
    text = json.dumps(_shape(template), sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _entry(key, child) for key, child in value.items()}
    return [_shape(child) for child in value] if isinstance(value, list) else value


def _entry(key: str, child: Any) -> Any:
    """Return the shape of an entry of a mapping; of free texts only the type counts."""
    if key in FREE_TEXTS and isinstance(child, list) and all(isinstance(c, str) for c in child):
        return "texts"
    return _shape(child)
