"""Annotations of measured workloads and of their namespace, read through kubectl.

Only what can be asked for by a kind that is known is asked for, because the kinds come from owner
references, which anyone may write. A report does without them where they cannot be read, and says
so.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from lowtide.accounts.usage import TRAINING_JOB, WorkloadKey
from lowtide.accounts.workload_zones import Annotations, WorkloadZone, ZoneSource
from lowtide.cli.jobs import JobsNotFoundError, KubectlTarget, kubectl_json
from lowtide.cli.stored_usage import PodOwners
from lowtide.cli.workload_names import WORDS
from lowtide.lenient_fields import mapping, mappings
from lowtide.records.fields import text
from lowtide.trainingjob.workload_kinds import KINDS

RESOURCES: Final = {
    **{kind: word for word, kind in reversed(WORDS.items())},
    **{kind.kind: f"{kind.plural}.{kind.version}.{kind.group}" for kind in KINDS},
}
"""What kubectl is asked for, by kind."""


def named_zones(
    workloads: Iterable[WorkloadKey],
    given: Mapping[str, str],
    owners: PodOwners,
    cluster: KubectlTarget,
) -> dict[WorkloadKey, WorkloadZone]:
    """Return the zones of the workloads of a namespace that anybody names; not of the others.

    `given` are those that the user says, by the workloads' titles.
    """
    found: dict[WorkloadKey, WorkloadZone] = {}
    left: list[WorkloadKey] = []
    for one in workloads:
        if one.title in given:
            found[one] = WorkloadZone(given[one.title], ZoneSource.GIVEN)
        elif (zone := owners.zone_of(one)) is not None:
            found[one] = WorkloadZone(zone, ZoneSource.TRAINING_JOB)
        else:
            left.append(one)
    if not left:
        return found
    annotations = read_annotations(cluster, left[0].namespace, left)
    faults: dict[str, None] = {}
    for one in left:
        try:
            named = annotations.zone_of(one)
        except ValueError as error:
            faults[str(error)] = None
            continue
        if named is not None:
            found[one] = named
    for fault in faults:
        click.echo(f"note: {fault}", err=True)
    return found


def read_annotations(
    cluster: KubectlTarget, namespace: str, workloads: Iterable[WorkloadKey]
) -> Annotations:
    """Return the annotations of a namespace and of those of the workloads that are still there.

    What cannot be read is told on standard error and is empty.
    """
    where = cluster.within(namespace)
    try:
        body = kubectl_json(["get", "namespace", namespace], cluster)
        of_namespace = _annotations(body)
    except JobsNotFoundError as error:
        click.echo(f"note: annotations of namespace {namespace} are not read: {error}", err=True)
        if "(Forbidden)" not in str(error):
            return Annotations()
        of_namespace = {}
    wanted: dict[str, set[str]] = {}
    for one in workloads:
        if one.kind in RESOURCES and one.kind != TRAINING_JOB and one.uid:
            wanted.setdefault(one.kind, set()).add(one.uid)
    found: dict[str, Mapping[str, str]] = {}
    for kind, uids in sorted(wanted.items()):
        try:
            listed = kubectl_json(["get", RESOURCES[kind]], where)
        except JobsNotFoundError as error:
            if "doesn't have a resource type" not in str(error):
                click.echo(f"note: annotations of kind {kind} are not read: {error}", err=True)
            continue
        for item in mappings(listed.get("items")):
            uid = text(mapping(item.get("metadata")).get("uid"))
            if uid in uids:
                found[uid] = _annotations(item)
    return Annotations(of_workloads=found, of_namespace=of_namespace)


def _annotations(body: Mapping[str, Any]) -> dict[str, str]:
    written = mapping(mapping(body.get("metadata")).get("annotations"))
    return {name: value for name, value in written.items() if isinstance(value, str)}
