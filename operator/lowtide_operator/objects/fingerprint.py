"""Fingerprint of a Job template: equal where the API server's verdict cannot differ.

The trainings of a sweep differ in arguments only, and the API server does not judge these.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

NESTED_MAX: Final = 100
"""Levels of a template; a deeper one is no Job, and would cost a stack frame a level."""
FREE_TEXTS: Final = frozenset({"args", "command"})
"""Lists of free texts in a container."""

_QUOTED: Final = json.encoder.encode_basestring_ascii


def nested_at_most(value: object, levels: int) -> bool:
    """Return whether mappings and lists are nested no deeper than this."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels + 1):
        if not level:
            return True
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return False


def fingerprint(template: object) -> str:
    """Return a text that is equal for templates which the API server judges alike.

    The template is hashed as it is walked: a copy of it, or its text, could take megabytes.
    """
    digest = blake2b(digest_size=12)
    _feed(template, digest.update)
    return digest.hexdigest()


def _feed(value: Any, write: Callable[[bytes], None]) -> None:
    """Write a value as JSON with sorted keys; of free texts only the type counts."""
    if isinstance(value, Mapping):
        write(b"{")
        for key in sorted(value):
            child = value[key]
            write(_QUOTED(key).encode())
            if _is_free(key, child):
                write(b":texts,")
            else:
                write(b":")
                _feed(child, write)
                write(b",")
        write(b"}")
    elif isinstance(value, list):
        write(b"[")
        for child in value:
            _feed(child, write)
            write(b",")
        write(b"]")
    elif isinstance(value, str):
        write(_QUOTED(value).encode())
    else:
        write(json.dumps(value).encode())


def _is_free(key: str, child: Any) -> bool:
    return key in FREE_TEXTS and isinstance(child, list) and all(isinstance(c, str) for c in child)
