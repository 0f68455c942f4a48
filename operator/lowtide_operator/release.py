"""Release of everything that Lowtide holds, for the time after it.

The chart's uninstall runs `python -m lowtide_operator.release` when the operator is gone. It looks
again until nothing is held any more, because an operator that is just ending may still have held
one, and because a paused workload waits for its last pod: two pods would write one checkpoint.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter

from lowtide.trainingjob.holding import HELD_SELECTOR
from lowtide.trainingjob.pods_of_workloads import pods_left, selectors_while_resting, value_at
from lowtide.trainingjob.workload_kinds import KINDS, WorkloadKind
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.errors import ClusterError, NotFoundError
from lowtide_operator.cluster.freeing import free_workload
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.cluster.requests import Body
from lowtide_operator.workload_settings import CustomKindSettings

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
    parser.add_argument(
        "--custom", default=(), type=_custom, help="settings.workloads.custom as JSON"
    )
    options = parser.parse_args(arguments)
    wanted = [kind for kind in options.kinds.split(",") if kind]
    known = {kind.kind: kind for kind in (*KINDS, *options.custom)}
    kinds = [kind for kind in known.values() if not wanted or kind.kind in wanted]
    namespaces = [name for name in options.namespaces.split(",") if name] or [None]
    try:
        return asyncio.run(_release(kinds, namespaces))
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _custom(text: str) -> tuple[WorkloadKind, ...]:
    """Return the kinds of other teams in the text of an option; argparse tells a ValueError."""
    found = TypeAdapter(tuple[CustomKindSettings, ...]).validate_json(text)
    return tuple(one.entry() for one in found)


async def _release(kinds: Sequence[WorkloadKind], namespaces: Sequence[str | None]) -> int:
    api = await connect(workers=2)
    try:
        cluster = Cluster(api, Leadership(), timeout_seconds=REQUEST_SECONDS)
        return await release_all(cluster, kinds, namespaces)
    finally:
        await api.close()  # type: ignore[no-untyped-call]


async def release_all(
    cluster: Cluster,
    kinds: Sequence[WorkloadKind],
    namespaces: Sequence[str | None],
    *,
    most_looks: int = MOST_LOOKS,
    apart_seconds: float = APART_SECONDS,
) -> int:
    """Look until nothing is held any more; return 0 then, else 1, with a line for each on stderr.

    Raises:
        ClusterError: what is held cannot be listed.
    """
    quiet, held = 0, dict[str, str]()
    for look in range(most_looks):
        if look:
            await asyncio.sleep(apart_seconds)
        held = await free_all(cluster, kinds, namespaces)
        quiet = 0 if held else quiet + 1
        if quiet == QUIET_LOOKS:
            return 0
    for name, why in held.items():
        sys.stderr.write(f"{name} is still held: {why or 'something holds it again'}\n")
    return 1


async def free_all(
    cluster: Cluster, kinds: Sequence[WorkloadKind], namespaces: Sequence[str | None]
) -> dict[str, str]:
    """Free the held workloads of these kinds once; return them, each with why it is not free yet.

    Raises:
        ClusterError: they cannot be listed.
    """
    held: dict[str, str] = {}
    for kind in kinds:
        for namespace in namespaces:
            # The API server may not serve this kind.
            with suppress(NotFoundError):
                async for bodies, _ in cluster.list_workloads(kind, namespace, HELD_SELECTOR):
                    for body in bodies:
                        metadata = body["metadata"]
                        name = f"{kind.kind} {metadata['namespace']}/{metadata['name']}"
                        held[name] = await _free(cluster, kind, body, name)
    return held


async def _free(cluster: Cluster, kind: WorkloadKind, body: Body, name: str) -> str:
    """Free a workload, one that was paused after its last pod only; return why it is not free."""
    try:
        if left := await _pods_left(cluster, kind, body):
            return f"pod {left[0]} of it is still there"
        await free_workload(cluster, kind, body, datetime.now(UTC))
    except ClusterError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return str(error)
    sys.stdout.write(f"{name} is let go\n")
    return ""


async def _pods_left(cluster: Cluster, kind: WorkloadKind, body: Body) -> list[str]:
    if value_at(body, kind.suspend) is not True:
        return []
    found: list[Body] = []
    for selector in selectors_while_resting(kind, body):
        found += await cluster.list_pods_selected(body["metadata"]["namespace"], selector)
    return pods_left(kind, body, found)


if __name__ == "__main__":
    sys.exit(main())
