"""Which Job templates the API server has lately accepted, so that each is tried once only.

A sweep of a thousand trainings differs in arguments only, and what an argument says is nothing the
API server judges. Acceptance is remembered by namespace (quotas and policies differ) and for a
bounded time (they change); a job that is refused at its start in spite of it says so then.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

REMEMBERED: Final = timedelta(minutes=10)
MOST: Final = 10_000
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


class Accepted:
    """The templates that were accepted, by namespace; belongs to one event loop."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], datetime] = {}

    def remember(self, namespace: str, template: str, now: datetime) -> None:
        """Note that a template, given by its fingerprint, was accepted."""
        self._until.pop((namespace, template), None)
        self._until[namespace, template] = now + REMEMBERED
        while len(self._until) > MOST:
            del self._until[next(iter(self._until))]

    def knows(self, namespace: str, template: str, now: datetime) -> bool:
        """Return whether a template was accepted lately."""
        until = self._until.get((namespace, template))
        return until is not None and now < until
