"""`lowtide status`: all jobs at a glance, times in the reader's zone."""

import json
import shutil
import sys
from datetime import UTC, datetime

import click
import yaml
from rich.console import Console

from lowtide.cli.jobs import KubectlTarget, fetch_all
from lowtide.cli.options import cluster_options
from lowtide.report.live import LiveScene, live_job
from lowtide.report.live_view import job_table

PIPE_WIDTH = 160


@click.command("status")
@click.option("-A", "--all-namespaces", is_flag=True, help="Jobs of every namespace.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
)
@cluster_options
def command(cluster: KubectlTarget, all_namespaces: bool, output: str) -> None:
    r"""List training jobs: state, start, progress, energy, what waiting avoided.

    \b
    Examples:
      lowtide status
      lowtide status -A --output json

    JSON and YAML carry each job's own status, in base units.
    """
    manifests = fetch_all(cluster, all_namespaces=all_namespaces)
    if output != "table":
        listed = [
            {"namespace": job.namespace, "name": job.name, "status": item.get("status", {})}
            for item in manifests
            for job in [live_job(item)]
        ]
        dump = json.dumps(listed, indent=2) if output == "json" else yaml.safe_dump(listed)
        click.echo(dump.rstrip())
        return
    if not manifests:
        where = "the cluster" if all_namespaces else f"namespace {cluster.namespace or 'in use'}"
        click.echo(f"no training jobs in {where}", err=True)
        return
    now = datetime.now(UTC)
    jobs = tuple(live_job(item) for item in manifests)
    scene = LiveScene(now=now, jobs=jobs, curve=None, window=(now, now))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width).print(job_table(scene, width=width, namespaces=all_namespaces))
