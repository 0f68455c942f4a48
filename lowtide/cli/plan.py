"""`lowtide plan`: when a job would run, and why, without a cluster.

Intensity comes from a trace file (offline), from the operator's settings, or from the zone's
keyless services. The plan is made by the operator's own planner, so what is shown here is what a
TrainingJob with the same constraints would get.
"""

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import click

from lowtide.cli.durations import DURATION, DURATION_OR_ZERO, MOMENT, PERCENT
from lowtide.cli.elastic_options import elastic_options
from lowtide.cli.options import trace_options
from lowtide.cli.outlook import DEFAULT_SLACK, outlook_for, request_for
from lowtide.cli.plan_batch import slurm_option
from lowtide.cli.plan_document import plan_document
from lowtide.cli.plan_view import plan_text
from lowtide.cli.price_options import objective_options, prices_option
from lowtide.cli.price_outlook import prices_at
from lowtide.grid.series import Signal
from lowtide.planning import PlanningError, forecast_for, plan
from lowtide.planning.alternatives import alternatives, alternatives_sentence
from lowtide.planning.elastic import Elastic
from lowtide.planning.objective import Objective
from lowtide.planning.outlook import prices_for


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
