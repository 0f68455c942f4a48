"""`lowtide backtest`: replay traces and compare policies, on several cores.

Standard output carries only the result; notes and progress go to standard error. The policies and
their settlement are in `lowtide.backtest.trial`; this module reads files, spreads the work and
prints.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
from rich.console import Console
from rich.table import Table

from lowtide.backtest.files import read_trace
from lowtide.backtest.policies import CLAIRVOYANT, ELASTIC, LOWTIDE, RUN_NOW
from lowtide.backtest.price_files import read_prices, with_prices
from lowtide.backtest.trace import BacktestTrace, Case
from lowtide.backtest.trial import Backtest, JobClass, PolicyScore, run_backtest
from lowtide.cli.durations import DURATION, DURATION_OR_ZERO
from lowtide.cli.elastic_options import elastic_options
from lowtide.cli.options import trace_options
from lowtide.cli.price_options import objective_options, prices_option
from lowtide.grid.series import Factor
from lowtide.planning.elastic import Elastic
from lowtide.planning.errors import BacktestError
from lowtide.planning.objective import Objective, ObjectiveKind
from lowtide.report.drawing import Drawing, write_drawing
from lowtide.report.pareto import CurvePoint, pareto_drawing

Task: TypeAlias = tuple[BacktestTrace, JobClass, Case, None, Objective]

HOUR: Final = timedelta(hours=1)
PIPE_WIDTH: Final = 160
PICTURES: Final = (".svg", ".pdf", ".png")
CURVE: Final = (
    Objective(ObjectiveKind.COST),
    *(Objective(ObjectiveKind.BOTH, price) for price in (25, 50, 100, 200, 400, 800)),
    Objective(),
)
"""From money alone to grams alone, by price per tonne."""


@click.command("backtest")
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--length",
    "lengths",
    type=DURATION,
    multiple=True,
    default=("24h",),
    show_default=True,
    help="Running time at full power; may be repeated.",
)
@click.option(
    "--slack",
    "slacks",
    type=DURATION_OR_ZERO,
    multiple=True,
    default=("24h",),
    show_default=True,
    help="Longest useful wait; may be repeated.",
)
@click.option(
    "--interruptible/--contiguous",
    default=False,
    show_default=True,
    help="Whether jobs may pause.",
)
@click.option(
    "--restart-cost",
    type=DURATION_OR_ZERO,
    default="15m",
    show_default=True,
    help="Full-power time that one resume costs.",
)
@click.option(
    "--forecast",
    "cases",
    type=click.Choice([case.value for case in Case]),
    multiple=True,
    default=(Case.STRICT.value,),
    show_default=True,
    help="Visible part of the forecast column: nothing, the rest of the UTC day, or the whole "
    "window; may be repeated.",
)
@trace_options
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    show_default="one per core",
    help="Processes to use.",
)
@prices_option(multiple=True)
@objective_options
@elastic_options
@click.option(
    "-o",
    "--output",
    default="table",
    show_default=True,
    metavar="table|json|FILE",
    help="Also a FILE ending in .svg, .pdf or .png, for the curve between grams and money.",
)
def command(
    traces: tuple[Path, ...],
    lengths: tuple[timedelta, ...],
    slacks: tuple[timedelta, ...],
    interruptible: bool,
    restart_cost: timedelta,
    cases: tuple[str, ...],
    times_are_utc: bool,
    factor: str | None,
    prices: tuple[Path, ...],
    objective: Objective,
    elastic: Elastic | None,
    processes: int | None,
    output: str,
) -> None:
    r"""Replay traces of carbon intensity and compare planning policies.

    \b
    Examples:
      lowtide backtest examples/traces/DE.csv --length 4h --slack 24h --interruptible
      lowtide backtest *.csv --length 24h --slack 168h --forecast none --output json
      lowtide backtest DE.csv --prices DE-prices.csv --objective both --price-per-tonne 100
      lowtide backtest DE.csv --prices DE-prices.csv --interruptible -o curve.svg
      lowtide backtest CISO.csv --length 24h --slack 2h --elastic-max 2 --efficiency 0.9

    A trace is a CSV file: time, actual g/kWh and, if there is one, the forecast; where the names of
    the columns leave a choice, standard error says which was taken. Every 11 hours after 30 days of
    history a job is submitted; its emissions are settled on the actual values and compared with
    running at once. Nothing is measured here: savings are those of a job of constant power on past
    data.

    Prices are a CSV file with the columns time and, for example, eur_per_mwh; one for each trace,
    in the same order. They are known as a day-ahead market publishes them: at noon (UTC) for the
    next day.

    With --elastic-max jobs may pause and also run with more replicas, at the price of energy: this
    is `elastic`, beside the same jobs at a fixed size, against the same run at once.
    """
    picture = None if output in ("table", "json") else Path(output)
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--output {output}: write table, json or a name with .svg")
    if prices and len(prices) != len(traces):
        raise click.UsageError("give one --prices for each trace, in the same order")
    if not prices and (picture is not None or objective.needs_prices):
        raise click.UsageError("--objective cost and both, and the curve, need --prices")
    classes = [
        JobClass(
            length_hours=length / HOUR,
            slack_hours=slack / HOUR,
            interruptible=interruptible or elastic is not None,
            restart_cost_hours=restart_cost / HOUR,
            elastic=elastic,
        )
        for length, slack in product(lengths, slacks)
    ]
    try:
        files = [
            read_trace(path, factor=Factor(factor or Factor.UNKNOWN), times_are_utc=times_are_utc)
            for path in traces
        ]
        for note in (note for file in files for note in file.notes):
            click.echo(f"note: {note}", err=True)
        replayed = [file.trace for file in files]
        if prices:
            series = [read_prices(path, times_are_utc=times_are_utc) for path in prices]
            replayed = [with_prices(*pair) for pair in zip(replayed, series, strict=True)]
        tasks: list[Task] = [
            (trace, job_class, Case(case), None, objective)
            for trace in replayed
            for case in cases
            for job_class in classes
        ]
        if picture is not None:
            tasks = _curve_tasks(tasks)
        results = _run(tasks, processes or len(os.sched_getaffinity(0)))
        if picture is not None:
            write_drawing(_curve(results), picture)
            return
    except (BacktestError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        click.echo(json.dumps([as_json(result) for result in results], indent=2))
    else:
        _print_table(results)


def _curve_tasks(tasks: list[Task]) -> list[Task]:
    """Return the tasks of a curve: one class on one trace at rising prices per tonne."""
    if len(tasks) > 1:
        raise click.UsageError("a curve is that of one trace, length, slack and forecast")
    trace, job_class, case, _, _ = tasks[0]
    return [(trace, job_class, case, None, objective) for objective in CURVE]


def _curve(results: Sequence[Backtest]) -> Drawing:
    """Return the picture of one class of jobs under several objectives."""

    def saved(score: PolicyScore) -> tuple[float, float]:
        if score.money_saving_percent is None:
            raise BacktestError(
                f"{first.trace}: running at once costs nothing or is paid for, so a curve of money "
                "saved in percent cannot be drawn"
            )
        return score.saving_percent, score.money_saving_percent

    first = results[0]
    kind = first.job_class
    pauses = "pausing" if kind.interruptible else "in one piece"
    return pareto_drawing(
        f"{first.trace}: {kind.length_hours:g} h {pauses}, {kind.slack_hours:g} h of slack, "
        f"forecast {first.case}",
        [
            CurvePoint(
                _label(result),
                saved(result.policies[LOWTIDE]),
                saved(result.policies[CLAIRVOYANT]),
            )
            for result in results
        ],
    )


def _label(result: Backtest) -> str:
    objective = result.objective
    if objective.kind is ObjectiveKind.BOTH:
        return f"{objective.price_per_tonne:g} {result.currency}/t"
    return "money alone" if objective.kind is ObjectiveKind.COST else "grams alone"


def _run(tasks: Sequence[Task], processes: int) -> list[Backtest]:
    """Return the results in the order of the tasks."""
    results: dict[int, Backtest] = {}
    for place, result in _results(tasks, min(processes, len(tasks))):
        results[place] = result
        _show_progress(len(results), len(tasks))
    return [results[place] for place in range(len(tasks))]


def _results(tasks: Sequence[Task], processes: int) -> Iterator[tuple[int, Backtest]]:
    """Yield each result with the place of its task, as they come."""
    if processes == 1:
        yield from ((place, run_backtest(*task)) for place, task in enumerate(tasks))
        return
    # The workers share the cores already; threads of the linear algebra would only get in the way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as workers:
        try:
            places = {workers.submit(run_backtest, *task): n for n, task in enumerate(tasks)}
            for future in as_completed(places):
                yield places[future], future.result()
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def _show_progress(done: int, total: int) -> None:
    """Rewrite the progress line, on a terminal only."""
    if not sys.stderr.isatty():
        return
    click.echo(f"\r{done} of {total} replayed", nl=done == total, err=True)


def as_json(result: Backtest) -> dict[str, Any]:
    """Return one result in base units, as `--output json` prints it."""
    return {
        "trace": result.trace,
        "length_hours": result.job_class.length_hours,
        "slack_hours": result.job_class.slack_hours,
        "interruptible": result.job_class.interruptible,
        "restart_cost_hours": result.job_class.restart_cost_hours,
        "elastic": None if (sizes := result.job_class.elastic) is None else asdict(sizes),
        "forecast": result.case.value,
        "jobs": result.jobs,
        "objective": result.objective.kind.lower(),
        "price_per_tonne": result.objective.price_per_tonne,
        "currency": result.currency,
        "policies": {name: asdict(score) for name, score in result.policies.items()},
    }


def _print_table(results: Sequence[Backtest]) -> None:
    """Print one line per trace, class and case, with every policy's saving in percent."""
    table = Table(box=None, pad_edge=False)
    names = [name for name in results[0].policies if name != RUN_NOW]
    for heading in ("trace", "length", "slack", "pauses", "forecast"):
        table.add_column(heading)
    priced = results[0].currency is not None
    extra = ("grams", "money") if priced else ()
    for name in (*names, *extra, "reach", "restarts", "delay", "missed"):
        table.add_column(name, justify="right")
    for result in results:
        ours = result.policies[LOWTIDE]
        job_class = result.job_class
        table.add_row(
            result.trace,
            f"{job_class.length_hours:g} h",
            f"{job_class.slack_hours:g} h",
            "yes" if job_class.interruptible else "no",
            result.case.value,
            *(_percent(result.policies[name].objective_saving_percent) for name in names),
            *((f"{ours.saving_percent:.1f} %", _percent(ours.money_saving_percent)) * priced),
            _percent(ours.reach_percent, digits=0),
            f"{ours.restarts_per_job:.1f}",
            f"{ours.mean_delay_hours:.1f} h",
            f"{ours.missed_deadlines}",
        )
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table)
    jobs = sum(result.jobs for result in results)
    console.print(
        f"\nsaving of {_unit(results[0].objective)} against running at once, {jobs} jobs; "
        + ("grams, money, " if priced else "")
        + "reach, restarts, delay and missed deadlines are lowtide's; "
        "clairvoyant is the best possible",
        soft_wrap=True,
    )
    for result in (one for one in results if one.job_class.elastic is not None):
        console.print(_resizing(result), soft_wrap=True)


def _resizing(result: Backtest) -> str:
    """Return one sentence about the jobs that change their size."""
    elastic, ours = result.job_class.elastic, result.policies[ELASTIC]
    assert elastic is not None, "only jobs that change their size have this line"
    speeds = ", ".join(f"{speed:.2f}" for speed in elastic.speeds)
    return (
        f"elastic: {elastic.sizes[0]} to {elastic.sizes[-1]} replicas (speeds {speeds}), "
        f"{ours.mean_replicas or 0.0:.2f} in the mean while running; reach "
        f"{_percent(ours.reach_percent, digits=0)} of elastic-clairvoyant, "
        f"{ours.restarts_per_job:.1f} restarts a job, delay {ours.mean_delay_hours:.1f} h, "
        f"{ours.missed_deadlines} missed"
    )


def _percent(value: float | None, *, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f} %"


def _unit(objective: Objective) -> str:
    """Return what is saved, in words."""
    if objective.kind is ObjectiveKind.BOTH:
        return f"money with {objective.price_per_tonne:g} for each tonne"
    return "money" if objective.kind is ObjectiveKind.COST else "grams"
