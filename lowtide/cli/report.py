"""`lowtide report`: what a namespace used, and what waiting would have saved; touches nothing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from lowtide.accounts.observed import ObservedReport, observe
from lowtide.cli.jobs import NAME_PATTERN
from lowtide.cli.options import past_options, prometheus_options
from lowtide.cli.output import deliver
from lowtide.cli.prometheus import PrometheusApi
from lowtide.cli.stored_usage import PodChoice, choice_of, read_usage
from lowtide.cli.stored_waiting import grid_past
from lowtide.report.observed_report import observed_document, observed_page, observed_text


@click.command("report")
@click.option("-n", "--namespace", required=True, help="Namespace that is looked at.")
@past_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "html"]),
    default="table",
    show_default=True,
    help="A page is one file that works offline.",
)
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it; default: standard output.",
)
@prometheus_options
def command(
    prometheus: PrometheusApi,
    namespace: str,
    since: timedelta,
    end: datetime | None,
    zone: str | None,
    max_delay: timedelta,
    pue: float | None,
    output: str,
    file: Path | None,
) -> None:
    r"""Report what each workload of a namespace used, and what waiting would have saved.

    \b
    Examples:
      lowtide report --namespace ml
      lowtide report --namespace ml --since 14d --max-delay 12h
      lowtide report --namespace ml --output html --file ml.html

    By workload and week, for any kind of workload, labelled or not. The planner is the operator's
    own, with the forecasts of its time; the best is what was possible with hindsight. Nothing is
    touched. Exit code 1 means that Prometheus does not answer.
    """
    if not NAME_PATTERN.match(namespace):
        raise click.UsageError(f"--namespace {namespace!r} is not a valid name")
    until = end or datetime.now(UTC)
    choice = choice_of(until - since, until, namespace)
    report = report_of(prometheus, choice, zone=zone, max_delay=max_delay, pue=pue)
    if output == "json":
        text = json.dumps(observed_document(report, pue), indent=2, allow_nan=False) + "\n"
    else:
        text = observed_text(report, pue) if output == "table" else observed_page(report, pue)
    deliver(text, file)


def report_of(
    prometheus: PrometheusApi,
    choice: PodChoice,
    *,
    zone: str | None,
    max_delay: timedelta,
    pue: float | None,
) -> ObservedReport:
    """Return the report of a time.

    Raises:
        PrometheusApiError: no answer in time, or an error.
    """
    stored = read_usage(prometheus, choice)
    grid = grid_past(prometheus, choice, zone=zone, max_delay=max_delay, pue=pue)
    return observe(
        choice.namespace or "",
        stored.usages,
        grid.intensity,
        grid.prices,
        grid.forecast_at,
        grid.assumed,
        forecasts=grid.forecasts,
        scheduled_pods=stored.scheduled,
    )
