"""`lowtide compare`: finished runs side by side, and which was better by how much."""

import json
import os
import shutil
import sys
from collections.abc import Sequence

import click
import yaml

from lowtide.cli.jobs import KubectlTarget, load_jobs
from lowtide.cli.many_objects import seldom_collected
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.metrics.comparison import compare
from lowtide.metrics.group_comparison import GROUPINGS, compare_groups
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.quantities import QUANTITIES, Quantity, quantity
from lowtide.metrics.result import MetricError
from lowtide.report import comparison as report
from lowtide.report import comparison_export as export
from lowtide.report import latex
from lowtide.report.group_table import render_groups
from lowtide.report.run_table import Painter, plain_text

COLOURS = {"better": "green", "worse": "red"}
NAMES = {one.name.replace(" ", "-").casefold(): one.name for one in QUANTITIES}
"""Word of the option --by and the quantity's name."""


@click.command("compare")
@click.argument("jobs", nargs=-1, required=True, shell_complete=complete_jobs)
@cluster_options
@click.option(
    "--by",
    type=click.Choice(list(NAMES), case_sensitive=False),
    help="Quantity that sorts the runs and gives the verdict [energy, where it is known].",
)
@click.option("--baseline", metavar="NAME", help="Run or group to compare with [the first].")
@click.option(
    "--group-by",
    "grouping",
    type=click.Choice(list(GROUPINGS)),
    help="Compare the means of runs that share this, for example over seeds of one model.",
)
@click.option(
    "--allow-mismatch",
    is_flag=True,
    help="Show differences although methods, boundaries or data sets differ, and say so.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml", "csv", "latex", "bibtex"]),
    default="table",
    show_default=True,
)
def command(
    jobs: tuple[str, ...],
    cluster: KubectlTarget,
    by: str | None,
    baseline: str | None,
    grouping: str | None,
    allow_mismatch: bool,
    output: str,
) -> None:
    r"""Say which of several finished runs was better, and by how much.

    \b
    Examples:
      lowtide compare densenet121 inceptionv3
      lowtide compare runs.csv --by sci
      lowtide compare seeds.csv --group-by model --baseline base
      lowtide compare reports/ --output latex

    JOBS are names in the cluster (name or namespace/name), files, or directories of files: a
    TrainingJob as JSON or YAML, a report, or a table of runs (also of CodeCarbon, MLflow or W&B).
    The first is the baseline. Exit code 1 means that a job cannot be read, or that no run has
    a figure to compare.
    """
    with seldom_collected():
        figures = load_jobs(jobs, cluster)
        chosen = report.default_quantity(figures) if by is None else quantity(NAMES[by.casefold()])
        try:
            text = (
                _of_runs(figures, chosen, baseline, allow_mismatch, output)
                if grouping is None
                else _of_groups(figures, grouping, chosen, baseline, allow_mismatch, output)
            )
        except MetricError as error:
            if error.field == "jobs":
                raise click.ClickException(str(error)) from error
            raise click.UsageError(str(error)) from error
    click.echo(text, nl=not text.endswith("\n"))


def _of_runs(
    jobs: Sequence[JobFigures],
    by: Quantity,
    baseline: str | None,
    allow_mismatch: bool,
    output: str,
) -> str:
    made = compare(jobs, baseline=baseline, allow_mismatch=allow_mismatch)
    if output == "json":
        return json.dumps(export.to_json(made, by), indent=2, allow_nan=False)
    if output == "yaml":
        return yaml.safe_dump(export.to_json(made, by), sort_keys=False, allow_unicode=True)
    if output == "csv":
        return export.to_csv(made, by)
    if output == "latex":
        return latex.to_latex(made, by)
    if output == "bibtex":
        return latex.to_bibtex(jobs, groups=False)
    return report.render(made, by=by, width=_width(), paint=_painter())


def _of_groups(
    jobs: Sequence[JobFigures],
    grouping: str,
    by: Quantity,
    baseline: str | None,
    allow_mismatch: bool,
    output: str,
) -> str:
    made = compare_groups(jobs, grouping, baseline=baseline, allow_mismatch=allow_mismatch)
    if output == "json":
        return json.dumps(export.groups_to_json(made, by), indent=2, allow_nan=False)
    if output == "yaml":
        return yaml.safe_dump(export.groups_to_json(made, by), sort_keys=False, allow_unicode=True)
    if output == "csv":
        return export.groups_to_csv(made)
    if output == "latex":
        return latex.groups_to_latex(made, by)
    if output == "bibtex":
        return latex.to_bibtex(jobs, groups=True)
    return render_groups(made, by=by, width=_width(), paint=_painter())


def _width() -> int:
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def _paint(text: str, verdict: str) -> str:
    return click.style(text, fg=COLOURS.get(verdict))


def _painter() -> Painter:
    """Return colours for a terminal whose user did not switch them off, else plain text."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return _paint if coloured else plain_text
