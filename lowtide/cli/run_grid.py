"""Options that say which grid a run draws from: a zone, a trace, or the operator's settings."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lowtide.local.grid import RunGrid


@dataclass(frozen=True, slots=True)
class GridChoice:
    """What the options say; nothing is asked or read yet."""

    zone: str | None
    trace: Path | None = None
    trace_start: datetime | None = None
    speed: float = 1.0
    settings: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the choice for the document of a run, so that it can be resumed."""
        return {
            "zone": self.zone,
            "trace": None if self.trace is None else str(self.trace.resolve()),
            "traceStart": None if self.trace_start is None else self.trace_start.isoformat(),
            "speed": self.speed,
            "settings": None if self.settings is None else str(self.settings.resolve()),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "GridChoice":
        """Return the choice that `as_json` described."""
        start = content.get("traceStart")
        trace, settings = content.get("trace"), content.get("settings")
        return cls(
            content.get("zone"),
            None if trace is None else Path(trace),
            None if start is None else datetime.fromisoformat(start),
            float(content.get("speed", 1.0)),
            None if settings is None else Path(settings),
        )

    def open(self, wall_start: datetime) -> "RunGrid | None":
        """Return the grid; `None` where no zone was named. A replay begins at `wall_start`.

        Raises:
            click.ClickException: the zone has no source, or a file cannot be used.
        """
        if self.zone is None:
            return None
        from lowtide.cli.outlook import cache_folder
        from lowtide.cli.settings_file import zone_settings
        from lowtide.cli.trace_files import replayed_trace
        from lowtide.grid.defaults import keyless_settings
        from lowtide.local.grid import RunGrid

        if self.trace is not None:
            start = self.trace_start or wall_start
            chosen = replayed_trace(self.trace, start, wall_start, self.speed)
            return RunGrid(self.zone, chosen, started=wall_start, folder=None)
        pue = None
        if self.settings is not None:
            chosen, pue = zone_settings(self.settings, self.zone)
        else:
            chosen = keyless_settings(self.zone)
        if not chosen.providers:
            raise click.ClickException(
                f"no source of intensity is known for zone {self.zone}: give --trace, or "
                "--settings with a provider for it"
            )
        return RunGrid(self.zone, chosen, started=wall_start, folder=cache_folder(), pue=pue)


def grid_options(command: Any) -> Any:
    """Add --zone, --trace, --trace-start, --speed and --settings."""
    from lowtide.cli.durations import MOMENT

    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--settings", type=file, help="Operator settings (YAML) with the zone."),
        click.option(
            "--speed",
            type=click.FloatRange(min=0, min_open=True, max=86400),
            default=1.0,
            help="Seconds of the trace that pass in one second [1].",
        ),
        click.option(
            "--trace-start", type=MOMENT, help="Moment of the trace that is now [the present]."
        ),
        click.option(
            "--trace", type=file, help="CSV with time and g_per_kwh, replayed; no network is used."
        ),
        click.option(
            "--zone",
            envvar="LOWTIDE_ZONE",
            help="Grid zone, such as DE or GB; with --trace the file's name [LOWTIDE_ZONE].",
        ),
    ):
        command = option(command)
    return command


def chosen_grid(
    zone: str | None,
    trace: Path | None,
    trace_start: datetime | None,
    speed: float,
    settings: Path | None,
) -> GridChoice:
    """Return the choice that the options make.

    Raises:
        click.UsageError: options contradict each other.
    """
    if trace is None and (trace_start is not None or speed != 1.0):
        raise click.UsageError("--trace-start and --speed describe a --trace")
    if trace is not None and settings is not None:
        raise click.UsageError("give --trace or --settings, not both")
    if settings is not None and zone is None:
        raise click.UsageError("--settings needs the --zone of it")
    return GridChoice(
        zone or (None if trace is None else trace.stem), trace, trace_start, speed, settings
    )
