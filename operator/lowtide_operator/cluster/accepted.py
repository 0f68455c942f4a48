"""Job templates that the API server has lately accepted, so that each is tried only once.

Acceptance is remembered by namespace (quotas and policies differ) and for a
bounded time (they change); a job that is refused at its start in spite of it says so then.
"""

from datetime import datetime, timedelta
from typing import Final

REMEMBERED: Final = timedelta(minutes=10)
MOST: Final = 10_000


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
