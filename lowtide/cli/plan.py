"""`lowtide plan`: when a job would run, and why, without a cluster.

Intensity comes from a trace file (offline), from the operator's settings, or from the zone's
keyless services. The plan is made by the operator's own planner, so what is shown here is what a
TrainingJob with the same constraints would get.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from lowtide.cli.durations import DURATION, DURATION_OR_ZERO, MOMENT, PERCENT
from lowtide.cli.elastic_options import elastic_options
from lowtide.cli.options import trace_options
from lowtide.cli.plan_batch import slurm_option
from lowtide.cli.plan_view import plan_text
from lowtide.cli.price_options import objective_options, prices_option
from lowtide.cli.price_outlook import prices_at
from lowtide.cli.settings_file import zone_settings
from lowtide.grid.defaults import keyless_settings
from lowtide.grid.errors import Failure
from lowtide.grid.raw_values import usual_step
from lowtide.grid.series import Factor, IntensitySeries, Signal
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.trace import GridTrace, read_trace_of_command
from lowtide.grid.trace_columns import TraceFileError, file_problem
from lowtide.grid.trace_zone import zone_of_trace
from lowtide.grid.watched_file import FILE_MAX_BYTES
from lowtide.grid.zone import ZoneState, build_zones
from lowtide.planning import Forecast, Plan, PlanningError, Request, forecast_for, plan
from lowtide.planning.alternatives import Alternative, alternatives, alternatives_sentence
from lowtide.planning.durations import HIGH_RATIO
from lowtide.planning.elastic import Elastic
from lowtide.planning.objective import Objective
from lowtide.planning.outlook import prices_for
from lowtide.prices.fusion import IntensityBeside
from lowtide.units import format_timestamp

DEFAULT_SLACK: Final = timedelta(hours=24)


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


@click.command("plan")
@click.option("--zone", required=True, metavar="ZONE", help="Grid zone, such as DE or GB.")
@click.option("--duration", type=DURATION, required=True, help="Running time at full power.")
@click.option("--deadline", type=MOMENT, help="The job must have ended by then.")
@click.option(
    "--slack", type=DURATION_OR_ZERO, help="Longest useful wait, instead of --deadline [24h]."
)
@click.option("--not-before", type=MOMENT, help="Earliest permitted start [now].")
@click.option("--interruptible", is_flag=True, help="The job may be paused at checkpoints.")
@click.option(
    "--restart-cost",
    type=DURATION_OR_ZERO,
    default="15m",
    show_default=True,
    help="Running time lost by one resume.",
)
@click.option(
    "--minimum-saving",
    type=PERCENT,
    default="2%",
    show_default=True,
    help="Run at once where waiting saves less.",
)
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with time, g_per_kwh and optionally forecast; no network is used.",
)
@click.option("--at", "moment", type=MOMENT, help="Plan as if it were this time of the trace.")
@trace_options
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Operator settings (YAML) with the zone's providers.",
)
@click.option(
    "--signal", type=click.Choice([str(one) for one in Signal]), help="Signal of the trace."
)
@prices_option(multiple=False)
@objective_options
@elastic_options
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "slurm"]),
    default="table",
    show_default=True,
    help="slurm: the start as an option of sbatch, and the reason on standard error.",
)
def command(
    zone: str,
    duration: timedelta,
    deadline: datetime | None,
    slack: timedelta | None,
    not_before: datetime | None,
    interruptible: bool,
    restart_cost: timedelta,
    minimum_saving: float,
    trace: Path | None,
    moment: datetime | None,
    times_are_utc: bool,
    factor: str | None,
    settings: Path | None,
    signal: str | None,
    prices: Path | None,
    objective: Objective,
    elastic: Elastic | None,
    output: str,
) -> None:
    r"""Show when a job would run, and why.

    \b
    Examples:
      lowtide plan --zone DE --duration 4h
      lowtide plan --zone DE --duration 24h --slack 168h --interruptible
      lowtide plan --zone DE --duration 4h --trace examples/traces/DE.csv --at 2021-08-11T06:00Z
      lowtide plan --zone DE --duration 4h --prices p.csv --objective both --price-per-tonne 100
      lowtide plan --zone DE --duration 24h --slack 8h --elastic-max 4 --efficiency 0.9
      sbatch $(lowtide plan --zone DE --duration 4h --output slurm) job.sh

    Without --trace and --settings the zone's keyless service is asked: NESO for GB,
    Energy-Charts for most of Europe.
    """
    if deadline is not None and slack is not None:
        raise click.UsageError("give --deadline or --slack, not both")
    interruptible = interruptible or elastic is not None
    if output == "slurm" and interruptible:
        raise click.UsageError(
            "--output slurm gives one start, and a plan that pauses may have several: leave out "
            "--interruptible and --elastic-max"
        )
    outlook = outlook_for(zone, trace, moment, times_are_utc, settings, signal, factor)
    request = request_for(
        outlook.now,
        duration,
        deadline,
        DEFAULT_SLACK if slack is None else slack,
        not_before,
        replace_with={
            "interruptible": interruptible,
            "restart_cost_seconds": restart_cost.total_seconds(),
            "minimum_saving_ratio": minimum_saving,
            "objective": objective,
            "elastic": elastic,
        },
    )
    if objective.needs_prices and prices is None:
        raise click.UsageError("--objective cost and both need --prices")
    try:
        known = prices_at(
            prices, outlook.now, outlook.beside, replayed=moment is not None, utc=times_are_utc
        )
        known = prices_for(request, known)
        outlook = replace(outlook, forecast=forecast_for(request, outlook.forecast))
        made = plan(outlook.now, request, outlook.forecast, prices=known)
        others = alternatives(outlook.now, request, outlook.forecast, known)
    except PlanningError as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        click.echo(json.dumps(plan_document(zone, request, made, outlook, others), indent=2))
        return
    if output == "slurm":
        click.echo(made.explanation, err=True)
        click.echo(slurm_option(outlook.now, made))
        return
    width = shutil.get_terminal_size((100, 24)).columns
    click.echo(
        plan_text(
            outlook.now,
            request,
            made,
            outlook.forecast,
            outlook.failures,
            alternatives_sentence(others),
            width=width,
        ),
        nl=False,
    )


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


def read_trace_file(trace: Path, times_are_utc: bool, factor: str | None) -> GridTrace:
    """Return a trace, read once, so that it may come from a pipe.

    Choices that were made where the file is ambiguous are printed to standard error.
    """
    try:
        with trace.open(encoding="utf-8-sig") as file:
            content = file.read(FILE_MAX_BYTES + 1)
        if len(content) > FILE_MAX_BYTES:
            raise TraceFileError(f"it is larger than {FILE_MAX_BYTES} bytes")
        read = read_trace_of_command(
            content.splitlines(),
            factor=Factor(factor or Factor.UNKNOWN),
            times_are_utc=times_are_utc,
        )
    except (TraceFileError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(
            f"{trace.name} is not a valid trace: {file_problem(error)}"
        ) from error
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
    try:
        read = read_trace_of_command(trace.read_text(encoding="utf-8-sig").splitlines())
    except (TraceFileError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(
            f"{trace.name} is not a valid trace: {file_problem(error)}"
        ) from error
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


def plan_document(
    zone: str,
    request: Request,
    made: Plan,
    outlook: Outlook,
    others: tuple[Alternative, ...] = (),
) -> dict[str, Any]:
    """Return the plan as JSON content: base units, UTC, `null` for what is not known."""
    forecast = outlook.forecast
    return {
        "zone": zone,
        "now": format_timestamp(outlook.now),
        "run": made.run,
        "reason": made.reason,
        "explanation": made.explanation,
        "replicas": made.replicas,
        "segments": [
            {
                "start": format_timestamp(one.start),
                "end": format_timestamp(one.end),
                "replicas": one.replicas,
            }
            for one in made.segments
        ],
        "deadline": format_timestamp(request.deadline),
        "latest_start": format_timestamp(made.latest_start),
        "look_again_at": format_timestamp(made.look_again_at),
        "planned_grams_per_kwh": made.planned_grams_per_kwh,
        "run_now_grams_per_kwh": made.run_now_grams_per_kwh,
        "saving_ratio": made.saving_ratio,
        "objective": request.objective.kind.lower(),
        "price_per_tonne": request.objective.price_per_tonne,
        "currency": made.currency,
        "planned_price_per_kwh": made.planned_price_per_kwh,
        "run_now_price_per_kwh": made.run_now_price_per_kwh,
        "money_saving_ratio": made.money_saving_ratio,
        "objective_saving_ratio": made.objective_saving_ratio,
        "alternatives": [
            {
                "objective": one.objective.kind.lower(),
                "start": format_timestamp(one.plan.segments[0].start),
                "saving_ratio": one.plan.saving_ratio,
                "money_saving_ratio": one.plan.money_saving_ratio,
            }
            for one in others
        ],
        "scaling": None if made.scaling is None else asdict(made.scaling),
        "would_change": made.would_change or None,
        "failures": [
            {"provider": one.provider, "reason": one.reason, "message": one.message}
            for one in outlook.failures
        ],
        "forecast": None if forecast is None else _forecast_document(forecast),
    }


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    made = forecast.generated_at
    return {
        "signal": forecast.signal,
        "factor": forecast.factor,
        "provider": forecast.provider,
        "generated_at": None if made is None else format_timestamp(made),
        "start": format_timestamp(forecast.start),
        "slot_seconds": forecast.slot_seconds,
        "grams_per_kwh": list(forecast.grams_per_kwh),
        "spread_grams_per_kwh": list(forecast.spread_grams_per_kwh),
        "sources": [str(source) for source in forecast.sources],
    }
