"""Objects of Kueue's MultiKueue, as the dispatcher sees them: small frozen values. Pure.

A Workload that has quota in the manager waits until one of the clusters that are nominated for it
admits it. Kueue leaves the nomination to an external dispatcher if its configuration names one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lowtide import names
from lowtide.lenient_fields import mappings, moment
from lowtide.trainingjob.holding import QUEUE_GROUP, QUEUE_PLURAL, mapping_at
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.objects.applied_fields import applied_by
from lowtide_operator.objects.key import Key

QUEUED_WORKLOAD: Final = WorkloadKind(
    kind="Workload", group=QUEUE_GROUP, version="v1beta2", plural=QUEUE_PLURAL, pods=(), pod_sets=()
)
"""Kueue's object for a workload, in the version by which it is dispatched."""
CHECK_CONTROLLER: Final = f"{QUEUE_GROUP}/multikueue"
"""Controller of the admission checks by which workloads are sent to other clusters."""
ADMISSION_MANAGER: Final = "kueue-admission"
"""Field manager that Kueue demands of a dispatcher: it drops the nomination in its own name."""

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadOwner:
    """The object that a Workload stands for."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchedWorkload:
    """A Workload that has quota in the manager and no cluster yet."""

    key: Key
    uid: str
    owner: WorkloadOwner | None
    """`None` where nothing controls it."""
    checks: tuple[str, ...]
    """Names of its admission checks that are pending."""
    reserved_at: datetime
    """When it got its quota in the manager."""
    nominated: tuple[str, ...]
    """Clusters that are nominated already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCluster:
    """A cluster that workloads are sent to."""

    name: str
    zone: str
    """Grid zone; empty where it is not known."""
    connected: bool
    """Whether Kueue reaches it."""


def dispatched_workload(body: Body) -> DispatchedWorkload | None:
    """Return a Workload that waits for a cluster; `None` for any other."""
    status, metadata = mapping_at(body, "status"), body["metadata"]
    conditions = {one.get("type"): one for one in mappings(status.get("conditions"))}
    reserved = conditions.get("QuotaReserved") or {}
    reserved_at = moment(reserved.get("lastTransitionTime"))
    checks = tuple(
        str(check.get("name"))
        for check in mappings(status.get("admissionChecks"))
        if check.get("state") == "Pending"
    )
    if (
        reserved.get("status") != "True"
        or reserved_at is None
        or not checks
        or status.get("clusterName")
        or "deletionTimestamp" in metadata
        or (conditions.get("Finished") or {}).get("status") == "True"
    ):
        return None
    nominated = status.get("nominatedClusterNames")
    return DispatchedWorkload(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        owner=_owner(metadata),
        checks=checks,
        reserved_at=reserved_at,
        nominated=tuple(str(one) for one in nominated) if isinstance(nominated, list) else (),
    )


def configurations_of_checks(checks: Collection[Body]) -> dict[str, str]:
    """Return the name of the MultiKueueConfig by that of its admission check."""
    return {
        check["metadata"]["name"]: str(parameters.get("name"))
        for check in checks
        if mapping_at(check, "spec").get("controllerName") == CHECK_CONTROLLER
        and (parameters := mapping_at(check, "spec", "parameters"))
    }


def clusters_of(configuration: Body) -> tuple[str, ...]:
    """Return the names of the clusters of a MultiKueueConfig."""
    named = mapping_at(configuration, "spec").get("clusters")
    return tuple(str(name) for name in named) if isinstance(named, list) else ()


def worker_cluster(body: Body, zones: Mapping[str, str]) -> WorkerCluster:
    """Return a MultiKueueCluster; the settings' `zones` by name go before its annotation."""
    name = body["metadata"]["name"]
    annotated = mapping_at(body, "metadata", "annotations").get(names.ANNOTATION_ZONE)
    zone = zones.get(name) or (annotated if isinstance(annotated, str) else "")
    connected = any(
        one.get("type") == "Active" and one.get("status") == "True"
        for one in mappings(mapping_at(body, "status").get("conditions"))
    )
    return WorkerCluster(name=name, zone=zone.strip(), connected=connected)


def nomination_patch(body: Body, clusters: Collection[str]) -> dict[str, Any] | None:
    """Return what to apply to a Workload's status so that these clusters are nominated.

    It repeats whatever Kueue's admission manager has applied, because what an apply leaves out is
    given up, and it fits the version of the object that was read only. `None` where Kueue has
    applied nothing, so that nothing is known of how it writes.
    """
    applied = applied_by(ADMISSION_MANAGER, body, subresource="status")
    if applied is None:
        return None
    metadata = body["metadata"]
    return {
        "apiVersion": body["apiVersion"],
        "kind": QUEUED_WORKLOAD.kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "status": {**mapping_at(applied, "status"), "nominatedClusterNames": list(clusters)},
    }


def _owner(metadata: Body) -> WorkloadOwner | None:
    for one in mappings(metadata.get("ownerReferences")):
        if one.get("controller"):
            return WorkloadOwner(
                api_version=str(one.get("apiVersion")),
                kind=str(one.get("kind")),
                name=str(one.get("name")),
                uid=str(one.get("uid")),
            )
    return None
