"""`lowtide explain job/NAME`: a workload without a label, from the exporter's series alone."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import click

from lowtide.accounts.usage import WorkloadKey, together
from lowtide.accounts.waiting import outcome_of
from lowtide.cli.jobs import NAME_PATTERN, JobsNotFoundError, KubectlTarget
from lowtide.cli.prometheus import PrometheusApi
from lowtide.cli.stored_usage import PodChoice, PodOwners, choice_of, read_owners, read_usage
from lowtide.cli.stored_waiting import GridQuestion, assumptions_of, default_zone, zone_past
from lowtide.cli.workload_annotations import named_zones
from lowtide.energy.bill import electricity_bill
from lowtide.energy.carbon import operational_grams
from lowtide.ownership import POD
from lowtide.report.workload_story import WorkloadStory, workload_document, workload_text

MOST_NAMED = 8
"""Workloads that are named where the one that was asked for is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastQuestion:
    """How far back is looked, and what is assumed of the grid."""

    start: datetime
    """Start of the time."""
    end: datetime
    """End of the time."""
    zone: str | None
    """Zone; `None` for that of jobs that name none."""
    max_delay: timedelta
    """Longest wait for the start."""
    pue: float | None
    """The data centre's overhead."""
    cluster: KubectlTarget
    """The cluster whose annotations are read."""


def explain_workload(
    prometheus: PrometheusApi,
    namespace: str,
    kind: str,
    name: str,
    asked: PastQuestion,
    output: str,
) -> None:
    """Print what is known of a workload.

    Raises:
        JobsNotFoundError: no pod of it was measured in this time.
        PrometheusApiError: no answer in time, or an error.
    """
    if not NAME_PATTERN.match(namespace):
        raise click.UsageError(f"--namespace {namespace!r} is not a valid name")
    choice = choice_of(asked.start, asked.end, namespace, finest=True)
    story = story_of(prometheus, choice, kind, name, asked)
    if output == "json":
        click.echo(json.dumps(workload_document(story), indent=2, allow_nan=False))
    else:
        click.echo(workload_text(story), nl=False)


def story_of(
    prometheus: PrometheusApi, choice: PodChoice, kind: str, name: str, asked: PastQuestion
) -> WorkloadStory:
    """Return the story of the newest object of a kind and name.

    Raises:
        JobsNotFoundError: no pod of it was measured in this time.
        PrometheusApiError: no answer in time, or an error.
    """
    owners = read_owners(prometheus, choice)
    pods = _owners_of(owners, kind, name)
    if not pods:
        raise JobsNotFoundError(_not_there(owners, choice, kind, name))
    stored = read_usage(prometheus, replace(choice, pods=tuple(sorted(pods))), owners)
    if not stored.usages:
        raise JobsNotFoundError(f"no energy of {kind} {name} was stored in this time")
    newest = max(stored.usages, key=lambda use: use.span.start).pods[0]
    uid = pods[newest.uid].uid
    usage = together(use for use in stored.usages if pods[use.pods[0].uid].uid == uid)
    question = GridQuestion(choice=choice, max_delay=asked.max_delay, pue=asked.pue)
    assumed = assumptions_of(question)
    zone = asked.zone
    if zone is None:
        named = named_zones([pods[newest.uid]], {}, owners, asked.cluster).get(pods[newest.uid])
        zone = default_zone(prometheus, question) if named is None else named.zone
    grid = zone_past(prometheus, question, zone, assumed)
    return WorkloadStory(
        workload=pods[newest.uid],
        usage=usage,
        carbon=None if grid.intensity is None else operational_grams(usage.profile, grid.intensity),
        intensity=grid.intensity,
        bill=None if grid.prices is None else electricity_bill(usage.profile, grid.prices),
        outcome=outcome_of(
            usage,
            grid.intensity,
            grid.forecast_at,
            assumed,
            is_scheduled=any(pod.uid in owners.scheduled for pod in usage.pods),
            prices=grid.prices,
        ),
        assumed=assumed,
        forecasts=grid.forecasts,
        others=tuple(sorted({owner.uid for owner in pods.values()} - {uid})),
    )


def _owners_of(owners: PodOwners, kind: str, name: str) -> dict[str, WorkloadKey]:
    """Return the workload of each of its pods; a pod is found by its own name too."""
    if kind == POD:
        return {
            uid: owners.workloads.get(uid, WorkloadKey("", POD, name, uid))
            for uid, pod in owners.pods.items()
            if pod == name
        }
    return {
        uid: owner
        for uid, owner in owners.workloads.items()
        if (owner.kind, owner.name) == (kind, name)
    }


def _not_there(owners: PodOwners, choice: PodChoice, kind: str, name: str) -> str:
    """Return a sentence that names what there is instead."""
    there = sorted({owner.title for owner in owners.workloads.values()})
    listed = ", ".join(there[:MOST_NAMED]) + (" ..." if len(there) > MOST_NAMED else "")
    found = f"there are: {listed}" if there else "no workload of this namespace has any"
    return (
        f"no pod of {kind} {name} in namespace {choice.namespace} was measured in this time, "
        f"which ends with the last whole step at {choice.window.end:%Y-%m-%d %H:%M} UTC; {found}. "
        "A pod stands under the object at the top of its owners."
    )
