"""`lowtide energy`: what every pod used, by owner, namespace or node."""

import json
from datetime import UTC, datetime, timedelta

import click

from lowtide.accounts.usage import PodUsage, grouped
from lowtide.cli.durations import DURATION, MOMENT
from lowtide.cli.jobs import NAME_PATTERN
from lowtide.cli.options import prometheus_options
from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError
from lowtide.cli.stored_usage import (
    choice_of,
    read_intensity,
    read_prices,
    read_usage,
    read_zone,
    unowned_joules,
)
from lowtide.grid.overhead import LARGEST_PUE, with_overhead
from lowtide.report.usage_table import usage_csv, usage_document, usage_table, usage_text


@click.command("energy")
@click.option("-n", "--namespace", help="Only this namespace.")
@click.option(
    "--by",
    type=click.Choice(["owner", "namespace", "node"]),
    default="owner",
    show_default=True,
    help="What the rows are; an owner is the object at the top, such as a Deployment.",
)
@click.option(
    "--pue",
    type=click.FloatRange(1, LARGEST_PUE),
    help="Overhead of the data centre that all grams carry; default: none is assumed.",
)
@click.option(
    "--since", type=DURATION, default="24h", show_default=True, help="Length of the time."
)
@click.option("--to", "end", type=MOMENT, help="End of the time; default: now.")
@click.option("--zone", help="Zone of the intensity; default: that of jobs that name none.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table")
@prometheus_options
def command(
    prometheus: PrometheusApi,
    namespace: str | None,
    by: str,
    since: timedelta,
    end: datetime | None,
    zone: str | None,
    pue: float | None,
    output: str,
) -> None:
    r"""Show energy, carbon and electricity cost of every pod on the measured nodes.

    \b
    Examples:
      lowtide energy
      lowtide energy -n ml --since 7d
      lowtide energy --by node --output csv

    Whoever started them: no label and no TrainingJob is needed. Figures come from Prometheus;
    what is not known is said below the table. Exit code 1 means that Prometheus does not answer.
    """
    if namespace is not None and not NAME_PATTERN.match(namespace):
        raise click.UsageError(f"--namespace {namespace!r} is not a valid name")
    until = end or datetime.now(UTC)
    choice = choice_of(until - since, until, namespace)
    window, step = choice.window, choice.step_seconds
    usages = read_usage(prometheus, choice).usages
    try:
        place = zone or read_zone(prometheus, window)
        intensity = read_intensity(prometheus, place, window, step)
        prices = read_prices(prometheus, place, window, step)
    except PrometheusApiError as error:
        click.echo(f"note: {error}", err=True)
        intensity = prices = None
    table = usage_table(
        grouped(usages, lambda pod: _group(pod, by)),
        by=by,
        window=window,
        intensity=with_overhead(intensity, pue),
        prices=prices,
        pue=pue,
        unowned_joules={} if namespace else unowned_joules(prometheus, window),
    )
    if output == "json":
        click.echo(json.dumps(usage_document(table), indent=2, allow_nan=False))
    elif output == "csv":
        click.echo(usage_csv(table), nl=False)
    else:
        click.echo(usage_text(table), nl=False)


def _group(pod: PodUsage, by: str) -> tuple[str, ...]:
    workload = pod.workload
    if by == "owner":
        return workload.namespace, workload.kind, workload.name
    return (workload.namespace,) if by == "namespace" else (pod.node,)
