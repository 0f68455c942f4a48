"""One cluster for all processes of one run of the tests.

The workers of pytest-xdist each have fixtures of their own. The first that needs the cluster
starts it, the others join; the starter removes it when the last of them has let it go. A later
worker starts another one.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import footprint
from singlenode import cache, ownership
from singlenode import cluster as single_node
from singlenode.layout import Layout
from singlenode.processes import Identity
from singlenode.progress import Progress


@contextmanager
def shared(layout: Layout, *, keep: bool) -> Iterator[Layout]:
    """Provide a cluster: one that was started with `up`, or that of this run.

    With `keep` it stays for later runs. Otherwise nothing of it may be left afterwards.
    """
    users, run = layout.cache / "tests.users", _run_of_tests()
    with cache.lock(layout.cache / "tests.lock"):
        owner = ownership.current()
        joined = owner is not None and owner.complete and owner.bound in (None, run)
        before = footprint.take()
        if not joined:
            single_node.up(layout, single_node.Settings(), Progress(), bound=None if keep else run)
        using = os.open(users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(using, fcntl.LOCK_SH)
    try:
        yield Layout(Path(owner.state), layout.cache) if joined and owner else layout
    finally:
        os.close(using)
        if not joined and not keep:
            _remove(layout, users, before)


def _remove(layout: Layout, users: Path, before: footprint.Footprint) -> None:
    """Remove the cluster once it is not in use; no worker joins meanwhile."""
    with cache.lock(layout.cache / "tests.lock"), cache.lock(users):
        single_node.down(layout, Progress())
        left = footprint.take().new_since(before)
        assert left == {}, f"the cluster left behind: {left}"


def _run_of_tests() -> Identity | None:
    """Return the process that all workers of this run belong to."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    return Identity.of(os.getppid() if is_worker else os.getpid())
