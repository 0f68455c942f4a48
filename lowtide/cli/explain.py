"""`lowtide explain`: why a job waits or ran, and every figure recomputed from its inputs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from lowtide.cli.explain_workload import PastQuestion, explain_workload
from lowtide.cli.jobs import JobsNotFoundError, KubectlTarget, exists, fetch_trainingjob
from lowtide.cli.options import cluster_options, complete_jobs, past_options, prometheus_options
from lowtide.cli.prometheus import PrometheusApi
from lowtide.cli.workload_names import namespace_in_use, split_workload
from lowtide.metrics.job_figures import JobFigures
from lowtide.records.documents import DOCUMENTS, parse_document
from lowtide.records.errors import ReportError
from lowtide.records.jobs import from_trainingjob, read_path
from lowtide.records.trainingjobs import require_api_types
from lowtide.report.explanation import (
    explain_figures,
    explain_metrics,
    plan_lines,
    render,
    to_json,
)
from lowtide.report.status_explanation import explain_status
from lowtide.report.story import explain


@click.command("explain")
@click.argument("job", shell_complete=complete_jobs)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@cluster_options
@past_options
@prometheus_options
def command(
    job: str,
    output: str,
    cluster: KubectlTarget,
    prometheus: PrometheusApi,
    since: timedelta,
    end: datetime | None,
    zone: str | None,
    max_delay: timedelta,
    pue: float | None,
) -> None:
    r"""Explain why a job waits or how it ended, and recompute its figures step by step.

    \b
    Examples:
      lowtide explain densenet121
      lowtide explain finished.json --output json
      lowtide explain job/resnet -n ml --prometheus http://prometheus:9090

    JOB is a name in the cluster (name or namespace/name) or a file. Exit code 1 means that a
    stated figure does not follow from its inputs, which stderr names, or that the job cannot be
    read.

    KIND/NAME is a workload of any kind (job, cronjob, jobset, trainjob, pytorchjob, rayjob,
    deployment, pod ...), labelled or not: its energy over all pods, its emissions and cost, and
    what waiting would have saved, from the exporter's series in Prometheus. The options below
    --kubeconfig are for these.
    """
    workload = None if exists(job) else split_workload(job)
    if workload is not None:
        until = end or datetime.now(UTC)
        asked = PastQuestion(
            start=until - since,
            end=until,
            zone=zone,
            max_delay=max_delay,
            pue=pue,
            cluster=replace(cluster, namespace=None),
        )
        explain_workload(prometheus, namespace_in_use(cluster), *workload, asked, output)
        return
    manifest, figures = _load(job, cluster)
    steps = explain_figures(figures)
    if manifest.get("kind") == "TrainingJob":
        steps += explain_metrics(figures, manifest) + explain_status(figures, manifest)
    if output == "json":
        document = {**to_json(figures, steps), "plan": plan_lines(manifest)}
        click.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        parts = []
        if manifest.get("kind") == "TrainingJob":
            parts.append(explain(manifest, now=datetime.now(UTC)))
        if not parts or figures.energy_joules is not None:
            parts.append("\n".join(render(figures, steps)))
        click.echo("\n\n".join(parts))
    wrong = [step.name for step in steps if step.agrees is False]
    if wrong:
        click.echo(f"does not follow from its inputs: {', '.join(wrong)}", err=True)
        raise SystemExit(1)


def _load(reference: str, cluster: KubectlTarget) -> tuple[dict[str, Any], JobFigures]:
    """Return the manifest (empty for a report file) and the figures of one job."""
    path = Path(reference)
    try:
        if not exists(reference):
            manifest = fetch_trainingjob(reference, cluster)
            return manifest, _explained(manifest)
        # A TrainingJob is read as it stands, because its contradictions are to be explained.
        if path.is_file() and path.suffix.lower() in DOCUMENTS:
            manifest = parse_document(path)
            if isinstance(manifest, dict) and manifest.get("kind") == "TrainingJob":
                return manifest, _explained(manifest)
        jobs = read_path(path)
    except ReportError as error:
        raise JobsNotFoundError(str(error)) from error
    if len(jobs) != 1:
        raise click.UsageError(
            f"{reference} holds {len(jobs)} jobs, but one is explained at a time"
        )
    return {}, jobs[0]


def _explained(manifest: dict[str, Any]) -> JobFigures:
    figures = from_trainingjob(manifest)
    require_api_types(manifest)
    return figures
