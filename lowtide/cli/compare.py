"""`lowtide compare`: finished jobs side by side."""

import json
import os
import shutil
import sys

import click
import yaml

from lowtide.cli.jobs import KubectlTarget, load_jobs
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.metrics.comparison import compare
from lowtide.metrics.result import MetricError
from lowtide.report import comparison as report

COLOURS = {"better": "green", "worse": "red"}


@click.command("compare")
@click.argument("jobs", nargs=-1, required=True, shell_complete=complete_jobs)
@cluster_options
@click.option(
    "--allow-mismatch",
    is_flag=True,
    help="Show differences although methods, boundaries or units differ; it is said so.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml", "csv", "latex"]),
    default="table",
    show_default=True,
)
def command(
    jobs: tuple[str, ...],
    cluster: KubectlTarget,
    allow_mismatch: bool,
    output: str,
) -> None:
    r"""Put finished jobs side by side; the first is the baseline.

    \b
    Examples:
      lowtide compare densenet121 inceptionv3
      lowtide compare reports/ --output csv
      lowtide compare before.json after.json --output json

    JOBS are names in the cluster (name or namespace/name), files, or directories of files: a
    TrainingJob as JSON or YAML, or a report. Exit code 1 means that a job cannot be read.
    """
    figures = load_jobs(jobs, cluster)
    try:
        comparison = compare(figures, allow_mismatch=allow_mismatch)
    except MetricError as error:
        raise click.UsageError(str(error)) from error
    if output == "json":
        click.echo(json.dumps(report.to_json(comparison), indent=2, allow_nan=False))
    elif output == "yaml":
        click.echo(yaml.safe_dump(report.to_json(comparison), sort_keys=False), nl=False)
    elif output == "latex":
        click.echo(report.to_latex(comparison), nl=False)
    elif output == "csv":
        click.echo(report.to_csv(comparison), nl=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 200
        click.echo(report.render(comparison, width=width, paint=_paint))


def _paint(text: str, verdict: str) -> str:
    # click.echo removes the colour where output is no terminal, but does not know NO_COLOR.
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=COLOURS[verdict])
