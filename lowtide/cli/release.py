"""`lowtide release`: let held workloads run, with or without a living operator."""

import json
from typing import Any

import click

from lowtide import names
from lowtide.cli.jobs import (
    JobsNotFoundError,
    KubectlTarget,
    fetch_all,
    kubectl_json,
    patch_trainingjob,
)
from lowtide.cli.options import cluster_options
from lowtide.records.fields import mapping, text
from lowtide.trainingjob.holding import (
    HELD_SELECTOR,
    QUEUE_GROUP,
    QUEUE_PLURAL,
    free_patch,
    paused_in_queue,
)
from lowtide.trainingjob.workload_kinds import KINDS, WorkloadKind


@click.command("release")
@click.argument("workloads", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="all held workloads of all namespaces")
@cluster_options
def command(workloads: tuple[str, ...], every: bool, cluster: KubectlTarget) -> None:
    r"""Let held workloads run: those with these names, or all.

    \b
    Examples:
      lowtide release bert
      lowtide release --all

    For workloads that somebody else wrote (Job, JobSet, …) and that Lowtide holds or has paused. It
    works without Lowtide: the workload itself says that it is held. A living operator is told first
    (annotation run-now of the TrainingJob), so that it does not hold the workload again.
    """
    if every == bool(workloads):
        raise click.UsageError("name workloads, or give --all")
    wanted = set(workloads)
    found = [
        (kind, body)
        for kind in KINDS
        for body in _held(kind, cluster, every=every)
        if every or text(mapping(body.get("metadata")).get("name")) in wanted
    ]
    missing = wanted - {text(mapping(body.get("metadata")).get("name")) for _, body in found}
    _tell_operator([body for _, body in found], cluster, every=every)
    for kind, body in found:
        _free(kind, body, cluster)
    if missing:
        raise JobsNotFoundError(f"no held workload is called {', '.join(sorted(missing))}")
    if not found:
        click.echo("nothing is held", err=True)


def _held(kind: WorkloadKind, cluster: KubectlTarget, *, every: bool) -> list[dict[str, Any]]:
    """Return the held workloads of a kind; none where the cluster does not know it."""
    where = ["--all-namespaces"] if every else []
    resource = f"{kind.plural}.{kind.version}.{kind.group}"
    command = ["get", resource, *where, f"--selector={HELD_SELECTOR}"]
    target = KubectlTarget(None, cluster.context, cluster.kubeconfig) if every else cluster
    try:
        answer = kubectl_json(command, target)
    except JobsNotFoundError as error:
        if "doesn't have a resource type" in str(error):
            return []
        raise
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _tell_operator(bodies: list[dict[str, Any]], cluster: KubectlTarget, *, every: bool) -> None:
    """Set run-now on the TrainingJobs of these workloads, where there are any."""
    uids = {text(mapping(body.get("metadata")).get("uid")) for body in bodies}
    try:
        jobs = fetch_all(cluster, all_namespaces=every) if bodies else []
    except JobsNotFoundError:
        return  # The definition is gone: nothing will hold them again.
    for job in jobs:
        metadata = mapping(job.get("metadata"))
        target = mapping(mapping(job.get("status")).get("target"))
        if text(target.get("uid")) in uids:
            reference = f"{text(metadata.get('namespace'))}/{text(metadata.get('name'))}"
            change = {"metadata": {"annotations": {names.ANNOTATION_RUN_NOW: "true"}}}
            patch_trainingjob(reference, cluster, change)


def _free(kind: WorkloadKind, body: dict[str, Any], cluster: KubectlTarget) -> None:
    """Let one workload run; one that a living operator has just let go stays as it is."""
    metadata = mapping(body.get("metadata"))
    name, namespace = text(metadata.get("name")), text(metadata.get("namespace"))
    if not (name and namespace):
        click.echo(f"a {kind.kind} without a name or namespace is left as it is", err=True)
        return
    resource = f"{kind.plural}.{kind.version}.{kind.group}"
    where = cluster.within(namespace)
    fresh = kubectl_json(["get", resource, name], where)
    if mapping(mapping(fresh.get("metadata")).get("labels")).get(names.LABEL_HELD) == "true":
        if queued_as := paused_in_queue(fresh):
            active = json.dumps({"spec": {"active": True}})
            place = [f"{QUEUE_PLURAL}.{QUEUE_GROUP}", queued_as]
            kubectl_json(["patch", *place, "--type=merge", f"--patch={active}"], where)
        patch = json.dumps(free_patch(kind, fresh))
        kubectl_json(["patch", resource, name, "--type=merge", f"--patch={patch}"], where)
    click.echo(f"{kind.kind} {namespace}/{name} is free", err=True)
