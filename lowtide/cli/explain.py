"""`lowtide explain`: why a job waits, or what became of it."""

from datetime import UTC, datetime

import click

from lowtide.cli.jobs import Cluster, fetch_trainingjob
from lowtide.cli.options import cluster_options
from lowtide.report.story import explain


@click.command("explain")
@click.argument("jobs", nargs=-1, required=True)
@cluster_options
def command(jobs: tuple[str, ...], namespace: str | None, context: str | None) -> None:
    r"""Say why a job waits, when it will run, or what became of it.

    \b
    Examples:
      lowtide explain densenet121
      lowtide explain team-a/bert team-b/bert
    """
    cluster = Cluster(namespace, context)
    now = datetime.now(UTC)
    stories = [explain(fetch_trainingjob(job, cluster), now=now) for job in jobs]
    click.echo("\n\n".join(stories))
