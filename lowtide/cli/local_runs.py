"""Runs of this machine among the jobs that commands are given.

A name is looked for as a file first, then among this machine's runs, then in the cluster. Where an
option names the cluster (namespace, context or kubeconfig, or `namespace/name`), only it is asked.
"""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from lowtide.local.samples_file import RunFileError
from lowtide.local.store import ANNOTATION_GRID, ANNOTATION_RUN, Document, RunStore

if TYPE_CHECKING:
    from lowtide.local.grid import RunGrid


def run_called(name: str) -> Document | None:
    """Return the document of a run of this machine, `None` where there is none of this name.

    Raises:
        RunFileError: it is there and cannot be read.
    """
    store = RunStore.of()
    return read_run(store, name, is_priced=True) if store.holds(name) else None


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


def read_run(store: RunStore, name: str, *, is_priced: bool = False) -> Document:
    """Return a run as it is now: one that goes on, or whose program was killed, by its samples.

    `is_priced` asks the grid for the intensity that a killed run met, as at the end of a run.

    Raises:
        RunFileError: it cannot be read.
    """
    document = store.load(name)
    conditions = document.get("status", {}).get("conditions", [])
    ends = [c for c in conditions if c.get("type") in ("Complete", "Failed")]
    if any(c.get("status") == "True" for c in ends) and not store.is_going_on(name):
        return document
    from lowtide.local.finishing import finished

    grid = _grid_of(document) if is_priced and not store.is_going_on(name) else None
    return finished(store, name, document=document, grid=grid)


def _grid_of(document: Document) -> "RunGrid | None":
    """Return the grid that a run drew from; `None` where it names none or its trace is gone."""
    annotations = document["metadata"].get("annotations", {})
    written = annotations.get(ANNOTATION_RUN) or annotations.get(ANNOTATION_GRID)
    if written is None:
        return None
    from lowtide.cli.run_grid import GridChoice

    how = json.loads(written)
    try:
        return GridChoice.from_json(how["grid"]).open(datetime.fromisoformat(how["wallStart"]))
    except click.ClickException as error:
        click.echo(f"note: the carbon of a killed run is not known: {error.message}", err=True)
        return None
