"""`lowtide report`: what a namespace used, and what waiting would have saved; touches nothing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from lowtide.accounts.observed import ObservedReport, observe
from lowtide.accounts.usage import WorkloadKey
from lowtide.accounts.workload_zones import WorkloadZone, ZoneSource
from lowtide.accounts.zone_past import kept_apart
from lowtide.cli.jobs import NAME_PATTERN, KubectlTarget
from lowtide.cli.options import (
    kubeconfig_options,
    past_options,
    prometheus_options,
    trace_options,
)
from lowtide.cli.output import deliver
from lowtide.cli.prometheus import PrometheusApi
from lowtide.cli.stored_usage import choice_of, read_usage
from lowtide.cli.stored_waiting import GridQuestion, assumptions_of, default_zone, zone_past
from lowtide.cli.trace_files import read_trace_file
from lowtide.cli.workload_annotations import named_zones
from lowtide.cli.workload_names import split_workload
from lowtide.cli.zone_files import price_file, zone_file
from lowtide.report.observed_document import observed_document
from lowtide.report.observed_page_data import observed_page
from lowtide.report.observed_text import observed_text

MOST_ZONES: Final = 16
"""Zones of one report; each is some questions to Prometheus."""


@click.command("report")
@click.option("-n", "--namespace", required=True, help="Namespace that is looked at.")
@click.option(
    "--workload-zone",
    "workload_zones",
    multiple=True,
    metavar="KIND/NAME=ZONE",
    help="Zone of one workload, for example job/net=FR; repeat.",
)
@click.option(
    "--trace",
    "traces",
    multiple=True,
    metavar="ZONE=FILE",
    help="CSV with the intensity of a zone in the time, instead of what the operator recorded.",
)
@trace_options
@click.option(
    "--prices",
    multiple=True,
    metavar="[ZONE=]FILE",
    help="CSV with the prices of a zone, as for `lowtide plan`, instead of what the operator "
    "recorded; a file without a zone is of all that have none.",
)
@past_options
@kubeconfig_options
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
    workload_zones: tuple[str, ...],
    traces: tuple[str, ...],
    times_are_utc: bool,
    factor: str | None,
    prices: tuple[str, ...],
    context: str | None,
    kubeconfig: str | None,
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
      lowtide report --namespace ml --zone DE --workload-zone job/net=FR
      lowtide report --namespace ml --trace DE=de.csv --zone DE
      lowtide report --namespace ml --prices tariff.csv

    By workload and week, for any kind of workload, labelled or not. The planner is the operator's
    own, with the forecasts of its time; the best is what was possible with hindsight. A workload is
    in the zone of --workload-zone, else in that of its TrainingJob, else in that of the annotation
    lowtide.dev/zone, its own or its namespace's, which kubectl reads, else in that of --zone or of
    jobs that name none. Nothing is touched. Exit code 1 means that Prometheus does not answer, or
    that a file cannot be read.
    """
    if not NAME_PATTERN.match(namespace):
        raise click.UsageError(f"--namespace {namespace!r} is not a valid name")
    if (times_are_utc or factor) and not traces:
        raise click.UsageError("--utc and --factor describe a --trace")
    until = end or datetime.now(UTC)
    asked = GridQuestion(
        choice=choice_of(until - since, until, namespace),
        max_delay=max_delay,
        pue=pue,
        traces={
            of: read_trace_file(path, times_are_utc, factor)
            for of, path in (zone_file("--trace", one) for one in traces)
        },
        prices=dict(price_file(one) for one in prices),
    )
    zones = dict(_workload_zone(one) for one in workload_zones)
    cluster = KubectlTarget(None, context, kubeconfig)
    report = report_of(prometheus, asked, default=zone, own=zones, cluster=cluster)
    if output == "json":
        text = json.dumps(observed_document(report, pue), indent=2, allow_nan=False) + "\n"
    else:
        text = observed_text(report, pue) if output == "table" else observed_page(report, pue)
    deliver(text, file)


def _workload_zone(text: str) -> tuple[str, str]:
    title, _, zone = text.partition("=")
    workload = split_workload(title)
    if workload is None or not zone:
        raise click.UsageError(f"--workload-zone {text}: give KIND/NAME=ZONE, such as job/net=FR")
    return WorkloadKey("", *workload).title, zone


def report_of(
    prometheus: PrometheusApi,
    asked: GridQuestion,
    *,
    default: str | None,
    own: Mapping[str, str],
    cluster: KubectlTarget,
) -> ObservedReport:
    """Return the report of a time.

    `default` is the zone of workloads that name none, `own` that of single ones by their titles.

    Raises:
        PrometheusApiError: no answer in time, or an error.
        click.ClickException: there are more zones than one report shows.
    """
    stored = read_usage(prometheus, asked.choice)
    workloads = list(dict.fromkeys(usage.pods[0].workload for usage in stored.usages))
    for title in sorted(own.keys() - {one.title for one in workloads}):
        click.echo(f"note: --workload-zone {title}: it was not measured in this time", err=True)
    named = named_zones(workloads, own, stored.owners, cluster)
    if default is None and (not named or len(named) < len(workloads)):
        default = default_zone(prometheus, asked)
    by_default = WorkloadZone(default, ZoneSource.DEFAULT)
    places = list(dict.fromkeys([default, *(one.zone for one in named.values())]))
    if len(places) > MOST_ZONES:
        raise click.ClickException(
            f"the workloads are in {len(places)} zones, more than the {MOST_ZONES} of one report"
        )
    assumed = assumptions_of(asked)
    found = kept_apart(zone_past(prometheus, asked, zone, assumed) for zone in places)
    pasts = {past.zone: past for past in found}
    return observe(
        asked.choice.namespace or "",
        stored.usages,
        lambda workload: named.get(workload, by_default),
        lambda zone: pasts[zone],
        assumed,
        scheduled_pods=stored.owners.scheduled,
    )
