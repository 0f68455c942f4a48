"""Fingerprint of a Job template: equal where the API server's verdict cannot differ.

A sweep of a thousand trainings differs in arguments only, and what an argument says is nothing the
API server judges.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

FREE_TEXTS: Final = frozenset({"args", "command"})
"""Lists of strings in a container that may say anything."""


def fingerprint(template: object) -> str:
    """Return what two templates share if the API server cannot tell them apart when it checks."""
    text = json.dumps(_shape(template), sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _entry(key, child) for key, child in value.items()}
    return [_shape(child) for child in value] if isinstance(value, list) else value


def _entry(key: str, child: Any) -> Any:
    """Return the shape of an entry of a mapping; free texts count by their type only."""
    if key in FREE_TEXTS and isinstance(child, list) and all(isinstance(c, str) for c in child):
        return "texts"
    return _shape(child)
