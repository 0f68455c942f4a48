"""Runs of this machine among the jobs that commands are given.

A name is looked for as a file first, then among this machine's runs, then in the cluster. Where an
option names the cluster (namespace, context or kubeconfig, or `namespace/name`), only it is asked.
"""

from typing import Any

from lowtide.local.samples_file import RunFileError
from lowtide.local.store import Document, RunStore


def run_called(name: str) -> Document | None:
    """Return the document of a run of this machine, `None` where there is none of this name.

    Raises:
        RunFileError: it is there and cannot be read.
    """
    store = RunStore.of()
    return read_run(store, name) if store.holds(name) else None


def all_runs() -> list[dict[str, Any]]:
    """Return the documents of all runs of this machine, the latest last.

    One that cannot be read is left out: the others are not lost with it.
    """
    store, found = RunStore.of(), []
    for name in store.names():
        try:
            found.append(read_run(store, name))
        except RunFileError:
            continue
    return found


def read_run(store: RunStore, name: str) -> Document:
    """Return a run as it is now: one that goes on, or whose program was killed, by its samples.

    Raises:
        RunFileError: it cannot be read.
    """
    document = store.load(name)
    conditions = document.get("status", {}).get("conditions", [])
    ends = [c for c in conditions if c.get("type") in ("Complete", "Failed")]
    if any(c.get("status") == "True" for c in ends) and not store.is_going_on(name):
        return document
    from lowtide.local.finishing import finished

    return finished(store, name, document=document)
