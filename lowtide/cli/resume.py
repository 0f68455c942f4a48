"""`lowtide resume`: let a suspended job wait for its window, or go on, again."""

import click

from lowtide.cli.jobs import Cluster, patch_trainingjob
from lowtide.cli.options import cluster_options


@click.command("resume")
@click.argument("jobs", nargs=-1, required=True)
@cluster_options
def command(jobs: tuple[str, ...], namespace: str | None, context: str | None) -> None:
    r"""Let a suspended job go on: it is planned anew, and a paused one continues.

    \b
    Examples:
      lowtide resume densenet121
    """
    for job in jobs:
        patch_trainingjob(job, Cluster(namespace, context), {"spec": {"suspend": False}})
        click.echo(f"{job} resumed", err=True)
