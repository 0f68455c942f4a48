"""Trace files that a command is given: read once, and replayed as if their time were now."""

from datetime import datetime
from pathlib import Path

import click

from lowtide.grid.raw_values import usual_step
from lowtide.grid.series import Factor, Signal
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.trace import GridTrace, read_trace_of_command
from lowtide.grid.trace_columns import TraceFileError, file_problem
from lowtide.grid.watched_file import FILE_MAX_BYTES


def read_trace_file(trace: Path, times_are_utc: bool, factor: str | None) -> GridTrace:
    """Return a trace, read once, so that it may come from a pipe.

    Choices that were made where the file is ambiguous are printed to standard error.
    """
    read = _read(trace, times_are_utc=times_are_utc, factor=Factor(factor or Factor.UNKNOWN))
    for note in read.notes:
        click.echo(f"note: {trace.stem}: {note}", err=True)
    return read


def replayed_trace(
    trace: Path, trace_start: datetime, wall_start: datetime, speed: float
) -> ZoneSettings:
    """Return settings that replay a trace: `trace_start` is `wall_start`, its future is unknown.

    Raises:
        click.ClickException: the file is no trace.
    """
    read = _read(trace)
    step = usual_step([value.start for value in read.actuals()])
    if step is None:
        raise click.ClickException(
            f"{trace.name} is not a valid trace: it has fewer than two times"
        )
    provider = {
        "kind": "file",
        "path": str(trace),
        "timesAreUtc": read.utc_was_assumed,
        "replay": {"traceStart": trace_start, "wallStart": wall_start, "speed": speed},
    }
    slots = None if speed == 1.0 else round(86_400 / step.total_seconds())
    return ZoneSettings.model_validate(
        {"signal": Signal.AVERAGE, "providers": [provider], "slotsPerDay": slots}
    )


def _read(
    trace: Path, *, times_are_utc: bool = False, factor: Factor = Factor.UNKNOWN
) -> GridTrace:
    """Return what a file says.

    Raises:
        click.ClickException: the file is no trace.
    """
    try:
        with trace.open(encoding="utf-8-sig") as file:
            content = file.read(FILE_MAX_BYTES + 1)
        if len(content) > FILE_MAX_BYTES:
            raise TraceFileError(f"it is larger than {FILE_MAX_BYTES} bytes")
        return read_trace_of_command(
            content.splitlines(),
            factor=factor,
            times_are_utc=times_are_utc,
        )
    except (TraceFileError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(
            f"{trace.name} is not a valid trace: {file_problem(error)}"
        ) from error
