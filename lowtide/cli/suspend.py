"""`lowtide suspend`: keep a waiting job from starting, or pause a running one."""

import click

from lowtide.cli.jobs import KubectlTarget, patch_trainingjob
from lowtide.cli.options import cluster_options, complete_jobs


@click.command("suspend")
@click.argument("jobs", nargs=-1, required=True, shell_complete=complete_jobs)
@cluster_options
def command(jobs: tuple[str, ...], cluster: KubectlTarget) -> None:
    r"""Keep a waiting job from starting; pause a running one.

    \b
    Examples:
      lowtide suspend densenet121
      lowtide suspend -n team-a bert gpt

    A running job gets SIGTERM and the grace period of its pods to save a checkpoint; unsaved work
    is lost. The deadline does not move.
    """
    for job in jobs:
        patch_trainingjob(job, cluster, {"spec": {"suspend": True}})
        click.echo(f"{job} suspended; continue it with: lowtide resume {job}", err=True)
