"""Faults of the API server that kopf ends the operator for, waited out instead.

Kopf reads once, at its start, which kinds the API server has, and takes any fault of that for the
end; so it does with an error within a watch that is not "too old". Neither concerns one object
more than another, and a new process would meet the same. Here they are tried again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Any, Final

import kopf
from kopf._cogs.clients import scanning, watching

from lowtide import names
from lowtide_operator.cluster.stream import taking
from lowtide_operator.cluster.watches import Unending

LOG: Final = logging.getLogger(__name__)
WATCHED: Final = frozenset({(names.GROUP, names.PLURAL), ("batch", "jobs")})
"""Groups and kinds that kopf is to watch; one that it misses at its start it never watches."""
KOPFS_SCAN: Final = scanning.scan_resources
KOPFS_WATCH: Final = watching.continuous_watch
BROKEN_WATCH_SECONDS: Final = 5.0
"""Wait after an error within a watch: what follows is a new list of all objects."""


def outlast_faults() -> None:
    """Let kopf wait out these faults from now on, and have its events taken in."""
    scanning.scan_resources = scanning_again(KOPFS_SCAN)
    # At once: another operator of this process, as tests have, may begin a watch between two steps.
    watching.continuous_watch = taking(watching_again(KOPFS_WATCH))


def scanning_again(scan: Any, waits: Callable[[], Iterable[float]] = Unending) -> Any:
    """Return a scan of the API server's kinds that succeeds late rather than fails."""

    async def scan_resources(**arguments: Any) -> Collection[Any]:
        for wait in waits():
            try:
                found: Collection[Any] = await scan(**arguments)
                missing = WATCHED - {(one.group, one.plural) for one in found}
                if not missing:
                    return found
                why = f"it does not name {sorted(missing)}"
            except kopf.LoginError:
                raise
            except Exception as error:
                why = repr(error)
            LOG.warning("the API server's kinds cannot be read, next try in %g s: %s", wait, why)
            await asyncio.sleep(wait)
        raise RuntimeError("the waits between tries have an end")

    return scan_resources


def watching_again(watch: Any, wait_seconds: float = BROKEN_WATCH_SECONDS) -> Any:
    """Return a watch that ends, so that it is begun anew, where the API server sends an error."""

    async def continuous_watch(**arguments: Any) -> AsyncIterator[Any]:
        try:
            async for event in watch(**arguments):
                yield event
        except watching.WatchingError as error:
            LOG.warning("a watch ended, the next begins in %g s: %s", wait_seconds, error)
            await asyncio.sleep(wait_seconds)

    return continuous_watch
