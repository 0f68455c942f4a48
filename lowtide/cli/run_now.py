"""`lowtide run-now`: start a waiting job at once, whatever the grid does."""

import click

from lowtide.cli.jobs import KubectlTarget, fetch_trainingjob, patch_trainingjob
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.names import ANNOTATION_RUN_NOW
from lowtide.report.live import live_job


@click.command("run-now")
@click.argument("jobs", nargs=-1, required=True, shell_complete=complete_jobs)
@cluster_options
def command(jobs: tuple[str, ...], cluster: KubectlTarget) -> None:
    r"""Start a waiting job at once, whatever the grid does.

    \b
    Examples:
      lowtide run-now densenet121

    Its status still says what waiting would have saved. A job that has already started
    is left alone.
    """
    for job in jobs:
        if live_job(fetch_trainingjob(job, cluster)).started:
            click.echo(f"{job} has already started", err=True)
            continue
        change = {"metadata": {"annotations": {ANNOTATION_RUN_NOW: "true"}}}
        patch_trainingjob(job, cluster, change | {"spec": {"suspend": False}})
        click.echo(f"{job} starts now", err=True)
