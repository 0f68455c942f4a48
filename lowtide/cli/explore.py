"""`lowtide explore`: the explorer page, self-contained."""

from datetime import UTC, datetime
from pathlib import Path

import click

from lowtide.cli.jobs import JobsNotFoundError, KubectlTarget, fetch_all
from lowtide.cli.local_runs import all_runs
from lowtide.cli.many_objects import seldom_collected
from lowtide.cli.options import cluster_options
from lowtide.cli.output import deliver
from lowtide.metrics.circumstances import some
from lowtide.metrics.job_figures import JobFigures
from lowtide.records.jobs import ReportError, from_trainingjob, read_records
from lowtide.report.explorer import render_page, shipped_data
from lowtide.report.explorer_jobs import job_data


@click.command("explore")
@click.option(
    "--from",
    "source",
    help="`cluster`, `runs` (of this machine), or a file or directory of reports; without it the "
    "shipped ImageNet set.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The page to write, for example explorer.html.",
)
@click.option("-A", "--all-namespaces", is_flag=True, help="Jobs of all namespaces.")
@cluster_options
def command(
    source: str | None,
    output: Path,
    cluster: KubectlTarget,
    all_namespaces: bool,
) -> None:
    r"""Write the explorer: scatter, ranking, ratings and labels of many jobs in one page.

    \b
    Examples:
      lowtide explore -o explorer.html
      lowtide explore --from cluster --all-namespaces -o explorer.html
      lowtide explore --from reports/ -o explorer.html

    The page works offline and keeps what you set in its address.
    """
    with seldom_collected():
        try:
            if source is None:
                data = shipped_data()
            else:
                jobs, origin = _jobs(source, cluster, all_namespaces)
                data = job_data(jobs, origin=origin)
        except ReportError as error:
            raise JobsNotFoundError(str(error)) from error
        deliver(render_page(data, issued=datetime.now(UTC).date()), output)


def _jobs(
    source: str, cluster: KubectlTarget, all_namespaces: bool
) -> tuple[tuple[JobFigures, ...], str]:
    if source == "cluster":
        found = fetch_all(cluster, all_namespaces=all_namespaces)
        jobs = tuple(from_trainingjob(item) for item in found)
        place = (
            "all namespaces" if all_namespaces else f"namespace {cluster.namespace or 'default'}"
        )
        origin = f"the cluster, {place}"
    elif source == "runs":
        jobs, origin = tuple(from_trainingjob(item) for item in all_runs()), "this machine's runs"
    else:
        path = Path(source)
        if not path.exists():
            raise click.UsageError(f"--from {source}: give cluster, runs, or a file or directory")
        found_runs = read_records(path)
        for note in found_runs.notes:
            click.echo(f"note: {note}", err=True)
        jobs, origin = found_runs.jobs, path.name
    finished = tuple(job for job in jobs if _has_energy(job))
    if not finished:
        raise JobsNotFoundError(f"{source} holds no job with measured energy")
    if left := [job.name for job in jobs if not _has_energy(job)]:
        what = "1 job" if len(left) == 1 else f"{len(left)} jobs"
        click.echo(
            f"note: left out, because their energy is unknown: {what}, {some(left)}", err=True
        )
    return finished, origin


def _has_energy(job: JobFigures) -> bool:
    return job.energy_joules is not None or job.properties.get("inference_energy") is not None
