"""`lowtide reference`: a team's reference set, made from its own finished jobs."""

import json
import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import yaml

from lowtide.cli.jobs import NAME_PATTERN, KubectlTarget, load_jobs
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.cli.output import deliver
from lowtide.metrics.environment import FRAMEWORK_MARK
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import PROPERTIES
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.result import MetricError
from lowtide.records.references import reference_from_jobs


@click.command("reference")
@click.argument("jobs", nargs=-1, required=True, shell_complete=complete_jobs)
@click.option("--name", required=True, help="The set's name in ratings, for example `team 2026`.")
@click.option("--model", help="Job whose values have index 1; else the best of each property.")
@click.option(
    "--any-framework", is_flag=True, help="Make the set for the hardware, whatever the framework."
)
@click.option("--weight", multiple=True, metavar="KEY=NUMBER", help="Weight of a property; repeat.")
@click.option("--configmap", metavar="NAME", help="Print a ConfigMap of this name that holds it.")
@click.option(
    "-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead.")
@cluster_options
def command(
    jobs: tuple[str, ...],
    name: str,
    model: str | None,
    any_framework: bool,
    weight: tuple[str, ...],
    configmap: str | None,
    output: str,
    file: Path | None,
    cluster: KubectlTarget,
) -> None:
    r"""Make a reference set for the letters A to E from finished jobs.

    \b
    Examples:
      lowtide reference reports/ --name "team 2026" --file team.yaml
      lowtide reference run-1 run-2 run-3 run-4 run-5 --name "team 2026" --configmap references \
        | kubectl apply -n lowtide-system -f -

    JOBS are names in the cluster, files or directories, at least five of one data set and one
    environment. Boundaries are quantiles of their indices; a property with fewer than five values
    is not rated. Give the file to `lowtide label --reference`, or the ConfigMap to the chart
    (`referenceSets.configMap`), so that the operator rates with it.
    """
    found = load_jobs(jobs, cluster)
    try:
        chosen = None if model is None else _of(found, model)
        made = reference_from_jobs(found, name=name, named=chosen)
    except MetricError as error:
        raise click.ClickException(str(error)) from error
    made = _checked(made, found)
    if any_framework:
        made = replace(made, environment=made.environment.split(FRAMEWORK_MARK, maxsplit=1)[0])
    made = replace(made, weights={**made.weights, **dict(map(_weight, weight))})
    text = _text(made, output, configmap)
    deliver(text, file)


def _of(jobs: tuple[JobFigures, ...], name: str) -> JobFigures:
    for job in jobs:
        if name in (job.name, job.model):
            return job
    raise click.UsageError(f"--model {name}: none of the {len(jobs)} jobs has this name")


def _checked(made: ReferenceSet, jobs: tuple[JobFigures, ...]) -> ReferenceSet:
    """Return the set if it can rate a property, else fail."""
    if not made.boundaries:
        raise click.ClickException(
            f"no property has five values among the {len(jobs)} jobs, so nothing can be rated"
        )
    return made


def _weight(text: str) -> tuple[str, Decimal]:
    key, _, number = text.partition("=")
    try:
        weight = Decimal(number)
    except InvalidOperation:
        weight = Decimal("NaN")
    if key not in PROPERTIES or not weight.is_finite() or weight < 0:
        raise click.UsageError(
            f"--weight {text}: give KEY=NUMBER with a number of at least 0 and one of "
            f"{', '.join(PROPERTIES)}"
        )
    return key, weight


def _text(made: ReferenceSet, output: str, configmap: str | None) -> str:
    document: dict[str, Any] = made.to_json()
    if configmap is not None:
        if not NAME_PATTERN.match(configmap):
            raise click.UsageError(f"--configmap {configmap!r} is not a valid object name")
        key = re.sub(r"[^a-z0-9]+", "-", made.name.lower()).strip("-") or "set"
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": configmap},
            "data": {f"{key}.json": json.dumps(document, indent=1, allow_nan=False) + "\n"},
        }
    if output == "json":
        return json.dumps(document, indent=2, allow_nan=False) + "\n"
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
