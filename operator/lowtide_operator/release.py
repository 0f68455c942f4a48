"""Release of everything that Lowtide holds, for the time after it.

The chart's uninstall runs `python -m lowtide_operator.release` when the operator is gone. It looks
again until nothing is held any more, because an operator that is just ending may still have held
one.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from lowtide.trainingjob.holding import HELD_SELECTOR
from lowtide.trainingjob.workload_kinds import KINDS, WorkloadKind
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.errors import ClusterError, NotFoundError
from lowtide_operator.cluster.freeing import free_workload
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.cluster.requests import Body

QUIET_LOOKS: Final = 3
"""Looks that must find nothing held before it is done."""
APART_SECONDS: Final = 2.0
MOST_LOOKS: Final = 60
REQUEST_SECONDS: Final = 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Free all held workloads; return the exit code: 0 nothing is held any more, 1 something is."""
    parser = argparse.ArgumentParser(
        prog="python -m lowtide_operator.release", description="Frees what Lowtide holds."
    )
    parser.add_argument("--kinds", default="", help="kinds, with commas between; default: all")
    parser.add_argument("--namespaces", default="", help="namespaces likewise; default: all")
    options = parser.parse_args(arguments)
    wanted = [kind for kind in options.kinds.split(",") if kind]
    kinds = [kind for kind in KINDS if not wanted or kind.kind in wanted]
    namespaces = [name for name in options.namespaces.split(",") if name] or [None]
    try:
        return asyncio.run(_release(kinds, namespaces))
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1


async def _release(kinds: Sequence[WorkloadKind], namespaces: Sequence[str | None]) -> int:
    api = await connect(workers=2)
    try:
        cluster = Cluster(api, Leadership(), timeout_seconds=REQUEST_SECONDS)
        quiet = 0
        for _ in range(MOST_LOOKS):
            quiet = 0 if await free_all(cluster, kinds, namespaces) else quiet + 1
            if quiet == QUIET_LOOKS:
                return 0
            await asyncio.sleep(APART_SECONDS)
        return 1
    finally:
        await api.close()  # type: ignore[no-untyped-call]


async def free_all(
    cluster: Cluster, kinds: Sequence[WorkloadKind], namespaces: Sequence[str | None]
) -> int:
    """Free the held workloads of these kinds once; return how many were held.

    Raises:
        ClusterError: they cannot be listed.
    """
    held = 0
    for kind in kinds:
        for namespace in namespaces:
            # The API server may not serve this kind.
            with suppress(NotFoundError):
                async for bodies, _ in cluster.list_workloads(kind, namespace, HELD_SELECTOR):
                    for body in bodies:
                        held += 1
                        await _free(cluster, kind, body)
    return held


async def _free(cluster: Cluster, kind: WorkloadKind, body: Body) -> None:
    metadata = body["metadata"]
    place = kind, metadata["namespace"], metadata["name"]
    try:
        await free_workload(cluster, kind, body)
    except ClusterError as error:
        sys.stderr.write(f"{kind.kind} {place[1]}/{place[2]}: {error}\n")
    else:
        sys.stdout.write(f"{kind.kind} {place[1]}/{place[2]} is free\n")


if __name__ == "__main__":
    sys.exit(main())
