"""`lowtide status`: all jobs at a glance, times in the reader's zone."""

import json
import shutil
import sys
from datetime import UTC, datetime

import click
import yaml
from rich.console import Console

from lowtide.cli.jobs import KubectlTarget, fetch_all
from lowtide.cli.local_runs import all_runs
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
@click.option("--runs", "only_runs", is_flag=True, help="The runs of this machine, no cluster.")
@cluster_options
def command(cluster: KubectlTarget, all_namespaces: bool, only_runs: bool, output: str) -> None:
    r"""List training jobs: state, start, progress, energy, what waiting avoided.

    \b
    Examples:
      lowtide status
      lowtide status -A --output json
      lowtide status --runs

    JSON and YAML carry each job's own status, in base units. Where kubectl is not installed, the
    runs of this machine are listed.
    """
    only_runs = only_runs or (shutil.which("kubectl") is None and cluster == KubectlTarget())
    manifests = all_runs() if only_runs else fetch_all(cluster, all_namespaces=all_namespaces)
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
        said = "no runs on this machine" if only_runs else f"no training jobs in {where}"
        click.echo(said, err=True)
        return
    now = datetime.now(UTC)
    jobs = tuple(live_job(item) for item in manifests)
    scene = LiveScene(now=now, jobs=jobs, curve=None, window=(now, now))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width).print(job_table(scene, width=width, namespaces=all_namespaces))
