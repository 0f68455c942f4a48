"""`lowtide resume`: let a suspended job wait for its window or continue."""

import click

from lowtide.cli.jobs import KubectlTarget, patch_trainingjob
from lowtide.cli.options import cluster_options, complete_jobs


@click.command("resume")
@click.argument("jobs", nargs=-1, required=True, shell_complete=complete_jobs)
@cluster_options
def command(jobs: tuple[str, ...], cluster: KubectlTarget) -> None:
    r"""Let a suspended job continue: a waiting one is planned anew, a paused one runs on.

    \b
    Examples:
      lowtide resume densenet121
    """
    for job in jobs:
        patch_trainingjob(job, cluster, {"spec": {"suspend": False}})
        click.echo(f"{job} resumed", err=True)
