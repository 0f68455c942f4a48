"""Kueue's object for a workload, read for what decides about our admission check. Pure.

Both versions of Kueue's API have these fields under the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from lowtide.lenient_fields import count, mappings, moment
from lowtide.trainingjob.holding import gates_of
from lowtide.trainingjob.pods_of_workloads import value_at

DEFAULT_GRACE_SECONDS: Final = 30
"""Time that the kubelet gives a pod whose template names none."""
LONGEST_GRACE_SECONDS: Final = 3600

Body = Mapping[str, Any]


class CheckState(StrEnum):
    """State of an admission check; Lowtide reads the last one and never writes it."""

    PENDING = "Pending"
    READY = "Ready"
    RETRY = "Retry"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEntry:
    """Our check as Kueue's object for a workload has it."""

    state: CheckState
    since: datetime | None = None
    """Time of the state; a timer counts from it."""
    message: str = ""
    requeue_after_seconds: int | None = None
    """Length of the timer that was asked for; `None` where the entry has none."""

    @property
    def asked_until(self) -> datetime | None:
        """End of the timer that this entry asks for; Kueue heeds it in the state Retry only."""
        if self.state is not CheckState.RETRY or not self.requeue_after_seconds or not self.since:
            return None
        return self.since + timedelta(seconds=self.requeue_after_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedWorkload:
    """Kueue's object for a workload."""

    namespace: str
    name: str
    version: str
    """Its resource version, which a write names."""
    owner_kind: str = ""
    """Kind of the workload that it stands for; empty where there is none."""
    owner_name: str = ""
    owner_uid: str = ""
    active: bool = True
    """Whether Kueue may start it."""
    gated: bool = False
    """Whether a gate keeps it out of the queue."""
    finished: bool = False
    reserved: bool = False
    """Whether it holds quota."""
    evicted: bool = False
    """Whether Kueue is taking it from its quota, or has done so."""
    was_evicted: bool = False
    """Whether Kueue ever did."""
    held_back: bool = False
    """Whether Kueue keeps it from the queue until its timer ends, and queues it then."""
    requeue_at: datetime | None = None
    """End of Kueue's timer, before which it is not queued."""
    check: CheckEntry | None = None
    """Our check; `None` where its queue does not ask for it."""
    grace_seconds: int = 0
    """Longest time that its pods get to end."""

    def is_parked(self, now: datetime) -> bool:
        """Return whether Kueue's timer runs."""
        return self.requeue_at is not None and self.requeue_at > now


def queued_workload(body: Body, check: str) -> QueuedWorkload:
    """Return the view of Kueue's object for a workload, with our check of this name."""
    metadata = body["metadata"]
    conditions = {
        one.get("type"): one.get("status") == "True"
        for one in mappings(value_at(body, "status.conditions"))
    }
    owners = mappings(metadata.get("ownerReferences"))
    owner: Body = next((one for one in owners if one.get("controller")), {})
    return QueuedWorkload(
        namespace=metadata["namespace"],
        name=metadata["name"],
        version=metadata["resourceVersion"],
        owner_kind=_text(owner, "kind"),
        owner_name=_text(owner, "name"),
        owner_uid=_text(owner, "uid"),
        active=value_at(body, "spec.active") is not False,
        gated=bool(gates_of(body)),
        finished=conditions.get("Finished", False),
        reserved=conditions.get("QuotaReserved", False),
        evicted=conditions.get("Evicted", False),
        was_evicted="Evicted" in conditions,
        held_back=conditions.get("Requeued") is False,
        requeue_at=moment(value_at(body, "status.requeueState.requeueAt")),
        check=_entry_of(body, check),
        grace_seconds=_grace_of(body),
    )


def _entry_of(body: Body, check: str) -> CheckEntry | None:
    for one in mappings(value_at(body, "status.admissionChecks")):
        if one.get("name") != check or one.get("state") not in tuple(CheckState):
            continue
        return CheckEntry(
            state=CheckState(one["state"]),
            since=moment(one.get("lastTransitionTime")),
            message=_text(one, "message"),
            requeue_after_seconds=count(one.get("requeueAfterSeconds")),
        )
    return None


def _grace_of(body: Body) -> int:
    longest = 0
    for pods in mappings(value_at(body, "spec.podSets")):
        seconds = count(value_at(pods, "template.spec.terminationGracePeriodSeconds"))
        longest = max(longest, DEFAULT_GRACE_SECONDS if seconds is None else seconds)
    return min(longest, LONGEST_GRACE_SECONDS)


def _text(mapping: Body, key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
