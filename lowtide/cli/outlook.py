"""Forecast that a command plans with: from a trace, the settings, or a keyless service."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from lowtide.cli.settings_file import zone_settings
from lowtide.cli.trace_files import read_trace_file
from lowtide.grid.defaults import keyless_settings
from lowtide.grid.errors import Failure
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.grid.trace_zone import zone_of_trace
from lowtide.grid.zone import ZoneState, build_zones
from lowtide.planning import Forecast, Request
from lowtide.planning.durations import HIGH_RATIO
from lowtide.prices.fusion import IntensityBeside

DEFAULT_SLACK: Final = timedelta(hours=24)
"""Longest useful wait where neither a deadline nor a slack is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Basis of a plan: the time, the forecast, and the sources that failed."""

    now: datetime
    forecast: Forecast | None
    failures: tuple[Failure, ...]
    seen: IntensitySeries | None = None
    """Intensity up to now, which prices were seen to follow."""

    @property
    def beside(self) -> IntensityBeside | None:
        """Return the intensity that prices follow, `None` where none is known."""
        return None if self.forecast is None else IntensityBeside(self.seen, self.forecast)


def outlook_for(
    zone: str,
    trace: Path | None,
    moment: datetime | None,
    times_are_utc: bool,
    settings: Path | None,
    signal: str | None,
    factor: str | None = None,
) -> Outlook:
    """Return the forecast that the options ask for, and the time at which it is made."""
    if trace is None and (moment or times_are_utc or signal or factor):
        raise click.UsageError("--at, --utc, --factor and --signal describe a --trace")
    if trace is not None and settings is not None:
        raise click.UsageError("give --trace or --settings, not both")
    now = moment or datetime.now(UTC)
    if trace is not None:
        read = read_trace_file(trace, times_are_utc, factor)
        described = Signal(signal) if signal else Signal.AVERAGE
        state = zone_of_trace(zone, trace, read, described, now=now).refresh(now)
    else:
        chosen = keyless_settings(zone) if settings is None else zone_settings(settings, zone)[0]
        if not chosen.providers:
            raise click.ClickException(
                f"no source of intensity is known for zone {zone}: give --trace, or --settings "
                "with a provider for it"
            )
        built = build_zones({zone: chosen}, started=now, folder=cache_folder())
        state = built[zone].refresh(now)
    if trace is not None and state.actual is None and state.expected is None:
        message = "; ".join(one.message for one in state.failures) or "the trace says nothing"
        if moment is None:
            raise click.UsageError(f"{message}: give --at with a time inside {trace.name}")
        raise click.ClickException(message)
    return Outlook(
        now=now, forecast=state.forecast(now), failures=_troubles(state), seen=state.actual
    )


def _troubles(state: ZoneState) -> tuple[Failure, ...]:
    if state.actual is None and state.expected is None and not state.failures:
        message = f"no intensity is known for zone {state.zone} at this time"
        return (Failure("", "NoData", message),)
    return state.failures


def cache_folder() -> Path:
    """Return the folder that keeps answers and history between calls, to spare the services."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lowtide" / "grid"


def request_for(
    now: datetime,
    duration: timedelta,
    deadline: datetime | None,
    slack: timedelta,
    not_before: datetime | None,
    *,
    replace_with: dict[str, Any],
) -> Request:
    """Return the planner's request that the options describe."""
    earliest = max(now, not_before or now)
    request = Request(
        key="job",
        earliest=earliest,
        deadline=deadline or earliest + slack + duration,
        remaining_seconds=duration.total_seconds(),
        remaining_high_seconds=HIGH_RATIO * duration.total_seconds(),
    )
    return replace(request, **replace_with)
