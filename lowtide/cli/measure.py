"""`lowtide measure`: what a command uses, on this machine and without a cluster.

The command is started before anything heavy is imported. Its standard output is its own: what is
said here goes to standard error, except for JSON that was asked for.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lowtide.cli.run_accounts import RunAccounts, account_options
from lowtide.cli.run_grid import GridChoice, chosen_grid, grid_options
from lowtide.local.command import CommandError
from lowtide.local.measured_command import MeasuredCommand
from lowtide.local.samples_file import RunFileError, SamplesWriter
from lowtide.local.store import ANNOTATION_GRID, RunStore, new_document
from lowtide.names import ENV_REPORT_PATH

if TYPE_CHECKING:
    from lowtide.local.store import Document

CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command("measure", context_settings=CONTEXT)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=60),
    default=1.0,
    show_default=True,
    help="Seconds between two samples.",
)
@click.option("--name", help="Name of the run [made from the command and the time].")
@click.option("--series", help="Series that the run belongs to; its durations are learnt.")
@click.option(
    "--model",
    "is_modelled",
    is_flag=True,
    help="Model CPU and memory where no meter reads them; the joules are then called modelled.",
)
@grid_options
@account_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "none"]),
    default="table",
    show_default=True,
    help="Summary on standard error, or one line of JSON on standard output after the command's.",
)
@click.argument("command_line", nargs=-1, required=True, metavar="-- COMMAND...")
def command(
    interval: float,
    name: str | None,
    series: str | None,
    is_modelled: bool,
    zone: str | None,
    trace: Path | None,
    trace_start: datetime | None,
    speed: float,
    settings: Path | None,
    accounts: RunAccounts,
    output: str,
    command_line: tuple[str, ...],
) -> None:
    r"""Measure the energy of a command, without waiting and without a cluster.

    \b
    Examples:
      lowtide measure -- python train.py
      lowtide measure --zone DE --name baseline -- python train.py --epochs 10
      srun lowtide measure --output json -- python train.py

    GPUs are those of CUDA_VISIBLE_DEVICES, by the driver's energy counter; CPU and memory are read
    by RAPL and shared by CPU time and memory held. What cannot be read is named, never guessed.
    The run is kept in ~/.local/share/lowtide/runs for status, compare and the other commands.
    The exit status is the command's own: 127 where it does not exist, 128 + n after signal n.
    """
    grid = chosen_grid(zone, trace, trace_start, speed, settings)
    spec: dict[str, Any] = {"schedule": {"policy": "Immediate"}}
    if series is not None:
        spec["metrics"] = {"series": series}
    if grid.zone is not None:
        spec["grid"] = {"zone": grid.zone}
    accounts.write(spec)
    raise SystemExit(_measure(command_line, spec, grid, name, interval, is_modelled, output))


def _measure(
    command_line: Sequence[str],
    spec: dict[str, Any],
    grid: GridChoice,
    name: str | None,
    interval: float,
    is_modelled: bool,
    output: str,
) -> int:
    began = datetime.now(UTC)
    document = new_document(command_line, spec, began.timestamp(), {})
    drawn_from = {"wallStart": began.isoformat(), "grid": grid.as_json()}
    document["metadata"]["annotations"][ANNOTATION_GRID] = json.dumps(drawn_from)
    notes: list[str] = []
    store, name = kept_run(document, name, command_line, notes)
    environment = dict(os.environ)
    environment.setdefault(ENV_REPORT_PATH, str(store.report_path(name)))
    writer = SamplesWriter(store.samples_path(name))
    try:
        measured = MeasuredCommand(
            command_line,
            environment,
            writer,
            1,
            interval_seconds=interval,
            is_modelled=is_modelled,
        )
    except CommandError as error:
        forget(store, name, writer)
        click.echo(f"lowtide: {error}", err=True)
        return error.exit_status
    while measured.ended_at is None:
        measured.step(3600)
    measured.close()
    writer.close()
    status = measured.exit_status or 0
    try:
        report(store, name, grid, began, [*notes, *measured.notes], output)
    except Exception as error:  # the command's own exit status comes through, whatever fails here
        click.echo(f"lowtide: the figures of {name} cannot be made: {error}", err=True)
    return status


def kept_run(
    document: "Document", name: str | None, command_line: Sequence[str], notes: list[str]
) -> tuple[RunStore, str]:
    """Return where a new run is kept, and its name; on a disk that takes nothing, for now only.

    Raises:
        click.UsageError: the name cannot be given.
    """
    store = RunStore.of()
    try:
        return store, store.create(document, name, command_line)
    except RunFileError as error:
        if name is not None and (store.holds(name) or "cannot be a run's name" in str(error)):
            raise click.UsageError(str(error)) from None
        notes.append(f"this run is not kept: {error}")
    store = RunStore(Path(tempfile.mkdtemp(prefix="lowtide-")))
    return store, store.create(document, name, command_line)


def forget(store: RunStore, name: str, writer: SamplesWriter) -> None:
    """Remove a run that never began."""
    writer.close()
    for path in (store.document_path(name), store.samples_path(name)):
        path.unlink(missing_ok=True)


def report(
    store: RunStore,
    name: str,
    grid: GridChoice,
    began: datetime,
    notes: Sequence[str],
    output: str,
) -> "Document":
    """Settle a run that has ended, write its document, say what it used, and return it."""
    from lowtide.local.finishing import finished
    from lowtide.local.run_summary import summary_document, summary_lines

    said = list(notes)
    opened = None
    try:
        opened = grid.open(began)
    except click.ClickException as error:
        said.append(f"carbon is not reported: {error.message}")
    document = finished(store, name, grid=opened)
    try:
        store.save(name, document)
    except RunFileError as error:
        said.append(f"the figures are not kept: {error}")
    if output == "json":
        click.echo(json.dumps(summary_document(document, said), ensure_ascii=False))
    elif output == "table":
        sys.stderr.write("\n".join(summary_lines(document, said)) + "\n")
    return document
