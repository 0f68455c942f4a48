"""`lowtide export`: a job's figures in the forms of other tools."""

import importlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from lowtide.cli.jobs import KubectlTarget, exists, fetch_trainingjob, load_jobs
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.cli.output import deliver
from lowtide.export.figures import ExportError, Occasion, RunPeriod
from lowtide.lenient_fields import mapping, mappings, moment
from lowtide.metrics.job_figures import JobFigures
from lowtide.records.documents import DOCUMENTS, parse_document
from lowtide.records.errors import ReportError
from lowtide.records.fields import number
from lowtide.records.jobs import read_object

FORMS: Final = {
    "huggingface": "huggingface",
    "mlflow": "mlflow",
    "wandb": "wandb",
    "codecarbon": "codecarbon",
    "cyclonedx": "cyclonedx",
    "spdx": "spdx",
    "github": "github",
    "openmetrics": "openmetrics",
    "csv-hourly": "hourly",
}
"""Forms, and the module of `lowtide.export` that writes each."""


@click.command("export")
@click.argument("job", shell_complete=complete_jobs)
@click.option(
    "--to",
    "form",
    type=click.Choice(list(FORMS)),
    required=True,
    help="Front matter of a model card; body of MLflow's log-batch; summary, config and tags for "
    "W&B; a row of CodeCarbon's table; an ML bill of materials; a summary for GitHub; OpenMetrics "
    "text; kWh and grams per hour.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here.")
@click.option(
    "--training-type",
    type=click.Choice(["pre-training", "fine-tuning"]),
    help="Kind of training, for a model card and the bills of materials; not stated when left out.",
)
@cluster_options
def command(
    job: str,
    form: str,
    output: Path | None,
    training_type: str | None,
    cluster: KubectlTarget,
) -> None:
    r"""Write a job's figures for the tools that people already use.

    \b
    Examples:
      lowtide export densenet121 --to huggingface --training-type fine-tuning
      lowtide export densenet121 --to cyclonedx -o bom.json
      lowtide export report.json --to github >> "$GITHUB_STEP_SUMMARY"

    A figure that is unknown is left out; a form that cannot do without it is refused.
    """
    figures, attempts = _read(job, cluster)
    occasion = Occasion(created=datetime.now(UTC), training_type=training_type, attempts=attempts)
    module = importlib.import_module(f"lowtide.export.{FORMS[form]}")
    export: Callable[[JobFigures, Occasion], str] = module.export
    try:
        text = export(figures, occasion)
    except ExportError as error:
        raise click.ClickException(str(error)) from error
    deliver(text, output)


def _read(reference: str, cluster: KubectlTarget) -> tuple[JobFigures, tuple[RunPeriod, ...]]:
    """Return a job's figures and its attempts, if its record is a TrainingJob."""
    path = Path(reference)
    if exists(reference) and path.suffix.lower() not in DOCUMENTS:
        return _only(load_jobs([reference], cluster), reference), ()
    try:
        data = parse_document(path) if exists(reference) else fetch_trainingjob(reference, cluster)
        if isinstance(data, dict) and data.get("kind") == "TrainingJob":
            return _only(read_object(data, where=reference), reference), _attempts(data)
    except ReportError as error:
        raise click.ClickException(str(error)) from error
    return _only(load_jobs([reference], cluster), reference), ()


def _only(jobs: tuple[JobFigures, ...], reference: str) -> JobFigures:
    if len(jobs) != 1:
        raise click.UsageError(f"{reference} holds {len(jobs)} jobs, but one is exported at a time")
    return jobs[0]


def _attempts(manifest: Mapping[str, Any]) -> tuple[RunPeriod, ...]:
    """Return the attempts that have a start and an end; none if one is still running."""
    found = []
    for entry in mappings(mapping(manifest.get("status")).get("attempts")):
        start, end = moment(entry.get("start")), moment(entry.get("end"))
        if start is None or end is None or end < start:
            return ()
        found.append(
            RunPeriod(
                start=start,
                end=end,
                energy_joules=number(entry.get("energyJoules")),
                operational_grams=number(entry.get("operationalGrams")),
            )
        )
    return tuple(found)
