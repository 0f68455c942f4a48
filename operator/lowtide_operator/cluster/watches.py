"""Watches of kopf: bounded requests, a server-side filter, and no copies of objects.

kopf copies every object that it hears of, to find out later what has changed. The operator
compares by itself: its handlers are told of every event, and `cache` and `decide` say whether
anything is new. With ten thousand jobs the copies cost a fifth of a restart.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any, Final

import kopf

from lowtide import names
from lowtide_operator.settings import OperatorSettings

CHUNK_OBJECTS: Final = 150
"""Objects in one answer to a list; a page of TrainingJobs is some 1 MB then, and 10 MB parsed."""
RETRY_SECONDS: Final = (1, 1, 2, 3, 5, 8, 13, 21)
"""Waits between the first retries of a list or watch; the last one is then repeated."""


class Unending(Iterable[float]):
    """Waits without an end: a namespace that refuses the operator never ends it for the others.

    With a finite number kopf gives up after the last one, and ends the whole operator.
    """

    def __iter__(self) -> Iterator[float]:
        return chain(RETRY_SECONDS, repeat(RETRY_SECONDS[-1]))


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no last state of an object, so that there is nothing to copy and to compare."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> Any:
        """Return an empty essence: no field counts as changed."""
        return {}

    def fetch(self, *, body: kopf.Body) -> Any:
        """Return that nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Store nothing: objects are never annotated."""


class NoProgress(kopf.ProgressStorage):
    """Remembers nothing of a handler: the queue retries."""

    def fetch(self, *, key: str, body: kopf.Body) -> None:
        """Return that nothing was stored."""

    def store(self, *, key: str, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Store nothing: objects are never annotated."""

    def purge(self, *, key: str, body: kopf.Body, patch: kopf.Patch) -> None:
        """Remove nothing, as nothing is stored."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing: an object is never changed to be woken up."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence, in which nothing is stored."""
        return essence


def kopf_settings(settings: OperatorSettings) -> kopf.OperatorSettings:
    """Return kopf's settings: no Events, no annotations and no scans of its own."""
    ours = kopf.OperatorSettings()
    ours.posting.enabled = False
    ours.scanning.disabled = True
    ours.persistence.diffbase_storage = NoDiffBase()
    ours.persistence.progress_storage = NoProgress()
    ours.watching.server_timeout = 300
    ours.watching.client_timeout = 310
    ours.watching.connect_timeout = 30
    ours.watching.chunk_size = CHUNK_OBJECTS
    ours.watching.label_selectors["batch/v1", "jobs"] = names.LABEL_TRAININGJOB
    # One task per object lives this long after its last event; handlers here take microseconds.
    ours.queueing.idle_timeout = 0.5
    ours.queueing.exit_timeout = 0.5
    ours.networking.error_backoffs = Unending()
    ours.networking.request_timeout = settings.cluster.request_timeout_seconds
    return ours
