"""Workloads that others wrote, of any kind of the table: what is read and written. Pure.

What is written is level-based and says everything itself: a label by which all held workloads are
found, and the latest start, so that a workload can be freed without Lowtide.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import prod
from typing import Any, Final

from lowtide import names
from lowtide.lenient_fields import count, mapping, mappings, moment
from lowtide.trainingjob.holding import (
    OUR_GATE,
    gates_of,
    is_queued,
    parked_in_queue,
    paused_in_queue,
)
from lowtide.trainingjob.pods_of_workloads import TERMINAL_PHASES, value_at
from lowtide.trainingjob.queue_check import QueuedWorkload, queued_workload
from lowtide.trainingjob.sizes_of_workloads import at_own_size, present_size
from lowtide.trainingjob.workload_kinds import EndingRule, PodSet, ProgressRule, WorkloadKind
from lowtide.units import parse_timestamp
from lowtide_operator.objects.gpus import (
    MOST_GPUS,
    GpuDemand,
    demand_of,
    gpus_of_pod,
    gpus_of_resources,
)
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.template_size import NO_SIZE, TemplateSize, size_of_workload
from lowtide_operator.objects.views import Body, ChildView, Ending, JobOutcome, rests_since

SAID_LETTERS: Final = 64
MOST_SECONDS: Final = 10 * 365 * 86_400
"""Estimates of more than ten years are no estimates."""


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """Identity of a workload: where it is, of which kind, and which one of its name."""

    namespace: str
    api_version: str
    kind: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class QueueView:
    """Kueue's object for a workload, by which a queued one is paused."""

    name: str
    active: bool
    """Whether Kueue may start it."""
    short: bool = False
    """Whether Kueue has no quota for it as it is now."""
    pods: int | None = None
    """Pods that Kueue counts the quota of; `None` where it does not say."""
    checked: QueuedWorkload | None = None
    """What decides about our check, where it is paused by that and not by `active`."""
    check: str = ""
    """Name of that check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """What a workload's own status says of its progress; `None` where it says nothing."""

    said: str | None = None
    percent: int | None = None
    remaining_seconds: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """A workload that a TrainingJob names, read from its object."""

    ref: WorkloadRef
    """Which one."""
    kind: WorkloadKind
    """Its entry in the table."""
    child: ChildView
    """The same facts as those of a Job that Lowtide made."""
    gated: bool
    """Whether our gate keeps Kueue from admitting it."""
    marked_until: datetime | None
    """The latest start that our mark names."""
    marked: bool
    """Whether it carries our mark."""
    labelled: bool
    """Whether it asks for Lowtide by its label."""
    gpus: GpuDemand
    """GPUs that its pods hold at a time, at the size that it was written with."""
    unholdable: str
    """Why it must not be suspended, in one sentence; empty where it may."""
    progress: ProgressView = ProgressView()
    """What its own status says of its progress."""
    queue: QueueView | None = None
    """Kueue's object for it, where pauses of queued workloads are allowed."""
    paused_in_queue: str = ""
    """Name of Kueue's object that we made inactive; empty where we did not."""
    parked_in_queue: str = ""
    """Name of Kueue's object that we paused by our check; empty where we did not."""
    size: TemplateSize = NO_SIZE
    """Replicas that it was written with, and why they cannot be changed."""

    @property
    def held(self) -> bool:
        """Whether it is kept from running by what Lowtide may take away again."""
        return self.child.suspended and (self.gated or not self.child.queued)


def workload_view(kind: WorkloadKind, body: Body, owner: Key, owner_uid: str) -> WorkloadView:
    """Return the view of a workload that the TrainingJob `owner` names."""
    metadata = body["metadata"]
    labels = mapping(metadata.get("labels"))
    annotations = mapping(metadata.get("annotations"))
    child = ChildView(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=owner,
        owner_uid=owner_uid,
        resource_version=metadata.get("resourceVersion", ""),
        created=parse_timestamp(metadata["creationTimestamp"]),
        suspended=value_at(body, kind.suspend) is True,
        queued=is_queued(body),
        active=0,
        ready=0,
        started=None,
        ending=_ending(kind.ending, body),
        deleting="deletionTimestamp" in metadata,
        rests_since=rests_since(mapping(body.get("status"))),
        replicas=present_size(kind, body) or 1,
        succeeded=_succeeded(body) if kind.size else 0,
    )
    return WorkloadView(
        ref=WorkloadRef(
            metadata["namespace"],
            kind.api_version,
            kind.kind,
            metadata["name"],
            metadata["uid"],
        ),
        kind=kind,
        child=child,
        gated=OUR_GATE in gates_of(body),
        marked_until=moment(annotations.get(names.ANNOTATION_LATEST_START)),
        marked=labels.get(names.LABEL_HELD) == "true",
        labelled=labels.get(names.LABEL_SCHEDULE) == "true",
        gpus=gpus_of(kind, at_own_size(kind, body)),
        unholdable=_unholdable(kind, body),
        paused_in_queue=paused_in_queue(body),
        parked_in_queue=parked_in_queue(body)[0],
        progress=_progress(kind.progress, body),
        size=size_of_workload(kind, body),
    )


def queue_view(body: Body, *, by_active: bool, check: str) -> QueueView | None:
    """Return the view of Kueue's object for a workload; `None` where it cannot be paused by it.

    That is where neither `spec.active` may be written nor its queue asks for our check. Kueue says
    of the specification that it looked at, by its generation, that its quota is short.
    """
    seen = queued_workload(body, check) if check and not by_active else None
    if seen is not None and seen.check is None:
        return None
    metadata = body["metadata"]
    active = value_at(body, "spec.active") is not False
    short = active and any(
        one.get("type") == "QuotaReserved"
        and (one.get("status"), one.get("reason")) == ("False", "Pending")
        and one.get("observedGeneration") == metadata.get("generation")
        for one in mappings(value_at(body, "status.conditions"))
    )
    pods: int | None = None
    for one in mappings(value_at(body, "spec.podSets")):
        pods = (pods or 0) + _count(one.get("count"))
    return QueueView(metadata["name"], active, short, pods, seen, check if seen else "")


def _succeeded(body: Body) -> int:
    return count(value_at(body, "status.succeeded")) or 0


def is_there(pod: PodView) -> bool:
    """Return whether a pod still runs, is about to, or is being removed.

    Its successor must not begin before it is gone: two pods would write one checkpoint, and some
    controllers count the old one's end as a failure of the new run.
    """
    return pod.deleting or pod.phase not in TERMINAL_PHASES


def of_this_run(
    pods: Iterable[PodView], since: datetime, known: Collection[str]
) -> tuple[PodView, ...]:
    """Return the pods that a TrainingJob counts which exists since then.

    A pod that had ended before is no part of it, whether or not its samples are still kept. One
    that still ran counts from its own start; one that is `known` by its uid stays.
    """
    return tuple(pod for pod in pods if pod.uid in known or pod.end is None or pod.end >= since)


def gpus_of(kind: WorkloadKind, body: Body) -> GpuDemand:
    """Return the GPUs that the pods of a workload hold at a time."""
    return demand_of(sum((_gpus_of_set(pods, body) for pods in kind.pod_sets), Counter()))


def longest_seconds(kind: WorkloadKind, body: Body) -> tuple[int, str] | None:
    """Return the bound that a workload sets on its running time, and the path that says it."""
    for path in kind.longest:
        found = value_at(body, path)
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found, path
    return None


def _gpus_of_set(pods: PodSet, body: Body) -> Counter[str]:
    total: Counter[str] = Counter()
    for group in _groups(pods, body):
        if pods.template:
            of_pod = gpus_of_pod(mapping(value_at(group, pods.template)))
        else:
            of_pod = gpus_of_resources(mapping(value_at(group, pods.resources)))
        times = prod(_count(value_at(group, path)) for path in pods.counts)
        if pods.at_most and value_at(group, pods.at_most) is not None:
            times = min(times, _count(value_at(group, pods.at_most)))
        total += Counter({name: min(MOST_GPUS, own * times) for name, own in of_pod.items()})
    return total


def _groups(pods: PodSet, body: Body) -> list[Body]:
    if not pods.groups:
        return [body]
    path, each, _ = pods.groups.partition(".*")
    found = value_at(body, path)
    if not each:
        return [found] if isinstance(found, Mapping) else []
    if isinstance(found, Mapping):
        return [group for group in found.values() if isinstance(group, Mapping)]
    return list(mappings(found))


def _count(value: Any) -> int:
    if value is None:
        return 1
    return min(MOST_GPUS, count(value) or 0)


def _ending(rule: EndingRule, body: Body) -> Ending | None:
    if rule.state:
        return _ending_by_state(rule, body)
    for condition in mappings(value_at(body, "status.conditions")):
        kind = condition.get("type")
        at = moment(condition.get("lastTransitionTime"))
        if condition.get("status") != "True" or kind not in (rule.complete, rule.failed):
            continue
        if at is None:
            continue
        return Ending(
            outcome=JobOutcome.COMPLETE if kind == rule.complete else JobOutcome.FAILED,
            at=at,
            reason=str(condition.get("reason") or ""),
            message=str(condition.get("message") or ""),
        )
    return None


def _ending_by_state(rule: EndingRule, body: Body) -> Ending | None:
    state = value_at(body, rule.state)
    if state not in (*rule.complete_states, *rule.failed_states):
        return None
    at = moment(value_at(body, rule.at)) or moment(body["metadata"]["creationTimestamp"])
    if at is None:
        return None
    return Ending(
        outcome=JobOutcome.COMPLETE if state in rule.complete_states else JobOutcome.FAILED,
        at=at,
        reason=str(value_at(body, rule.reason) or state),
        message=str(value_at(body, rule.message) or ""),
    )


def _progress(rule: ProgressRule, body: Body) -> ProgressView:
    """Return what the status says of the progress; what its controller may not say is left out."""
    said = value_at(body, rule.said)
    percent = count(value_at(body, rule.percent))
    left = count(value_at(body, rule.remaining_seconds))
    return ProgressView(
        said=said[:SAID_LETTERS] if isinstance(said, str) and said else None,
        percent=percent if percent is not None and percent <= 100 else None,
        remaining_seconds=left if left is not None and left <= MOST_SECONDS else None,
        at=moment(value_at(body, rule.at)),
    )


def _unholdable(kind: WorkloadKind, body: Body) -> str:
    for one in kind.requirements:
        if value_at(body, one.path) != one.value:
            return one.sentence
    return ""
