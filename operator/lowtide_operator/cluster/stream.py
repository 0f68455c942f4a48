"""Events of kopf's watches, taken in as they come.

Kopf makes a queue, a task and a memory for each object that it hears of, and calls handlers through
them. The operator's only remember and enqueue, so they are given each event out of the stream, in
its order: kopf lists and watches. With ten thousand jobs its machinery was a quarter of a restart.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final

from kopf._cogs.clients import watching

LOG: Final = logging.getLogger(__name__)

Takers = Mapping[str, Callable[[str | None, Any], None]]
"""What takes in the events of a kind (their type, `None` in a list, and the object), by plural."""

_takers: ContextVar[Takers] = ContextVar("takers")


def take_events(takers: Takers) -> None:
    """Give `takers` the events of all watches that tasks of this context begin from now on."""
    _takers.set(takers)


def taking(watch: Any) -> Any:
    """Return a watch whose events are taken in; what nothing takes comes out of it."""

    async def continuous_watch(*, resource: Any, **arguments: Any) -> AsyncIterator[Any]:
        take = _takers.get({}).get(resource.plural)
        # A stop comes between two events: what is open is closed from the outside in, by this task.
        async with aclosing(watch(resource=resource, **arguments)) as events:
            async for event in events:
                if take is None or isinstance(event, watching.Bookmark):
                    yield event
                    continue
                if event["type"] != "BOOKMARK":
                    _give(event, take)
                # A page holds many, and nothing else would run between them.
                await asyncio.sleep(0)

    return continuous_watch


def _give(event: Any, take: Callable[[str | None, Any], None]) -> None:
    """Let an event be taken in; one object that cannot be read does not stop the others."""
    try:
        take(event["type"], event["object"])
    except Exception:
        LOG.exception("an event of the API server cannot be taken in")
