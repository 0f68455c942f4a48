"""Workloads that Lowtide holds, read and let go through kubectl.

The workload itself says that it is held, so nothing here needs a living operator.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lowtide import names
from lowtide.cli.jobs import (
    JobsNotFoundError,
    KubectlTarget,
    fetch_all,
    kubectl_json,
    patch_trainingjob,
)
from lowtide.lenient_fields import mapping
from lowtide.records.fields import text
from lowtide.trainingjob.holding import (
    HELD_SELECTOR,
    QUEUE_GROUP,
    QUEUE_PLURAL,
    free_patch,
    parked_in_queue,
    paused_in_queue,
)
from lowtide.trainingjob.pods_of_workloads import pods_left, selectors_while_resting, value_at
from lowtide.trainingjob.queue_check import queued_workload
from lowtide.trainingjob.queue_writes import merged, next_write
from lowtide.trainingjob.sizes_of_workloads import size_patch
from lowtide.trainingjob.workload_kinds import KINDS, WorkloadKind

MOST_WRITES: Final = 4
"""Writes that follow one another when a workload is let go that our check has paused."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HeldWorkload:
    """A workload that carried our mark when it was read."""

    kind: WorkloadKind
    """Its entry in the table of kinds."""
    body: Body
    """Its object."""

    @property
    def name(self) -> str:
        """Its name."""
        return text(mapping(self.body.get("metadata")).get("name"))

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return text(mapping(self.body.get("metadata")).get("namespace"))

    @property
    def uid(self) -> str:
        """Its uid; another workload of its name has another."""
        return text(mapping(self.body.get("metadata")).get("uid"))

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.namespace}/{self.name}"


def held_workloads(
    cluster: KubectlTarget, *, every: bool
) -> tuple[list[HeldWorkload], dict[str, str]]:
    """Return the held workloads, and why those of a kind could not be listed, by kind.

    Raises:
        JobsNotFoundError: those of no kind could be listed.
    """
    found: list[HeldWorkload] = []
    faults: dict[str, str] = {}
    for kind in KINDS:
        try:
            found += [HeldWorkload(kind, body) for body in _held(kind, cluster, every=every)]
        except JobsNotFoundError as error:
            faults[kind.kind] = str(error)
    if len(faults) == len(KINDS):
        raise JobsNotFoundError(next(iter(faults.values())))
    return found, faults


def _held(kind: WorkloadKind, cluster: KubectlTarget, *, every: bool) -> list[Body]:
    """Return the held workloads of a kind; none where the cluster does not know it."""
    where = ["--all-namespaces"] if every else []
    command = ["get", _resource(kind), *where, f"--selector={HELD_SELECTOR}"]
    target = KubectlTarget(None, cluster.context, cluster.kubeconfig) if every else cluster
    try:
        return _items(kubectl_json(command, target))
    except JobsNotFoundError as error:
        if "doesn't have a resource type" in str(error):
            return []
        raise


def tell_operator(
    workloads: Sequence[HeldWorkload], cluster: KubectlTarget, *, every: bool
) -> None:
    """Set run-now on the TrainingJobs of these workloads, where there are any.

    Raises:
        JobsNotFoundError: one of them cannot be written.
    """
    uids = {one.uid for one in workloads}
    try:
        jobs = fetch_all(cluster, all_namespaces=every) if uids else []
    except JobsNotFoundError:
        return  # The definition is gone: nothing will hold them again.
    for job in jobs:
        metadata = mapping(job.get("metadata"))
        target = mapping(mapping(job.get("status")).get("target"))
        if text(target.get("uid")) in uids:
            reference = f"{text(metadata.get('namespace'))}/{text(metadata.get('name'))}"
            change = {"metadata": {"annotations": {names.ANNOTATION_RUN_NOW: "true"}}}
            patch_trainingjob(reference, cluster, change)


def let_go(one: HeldWorkload, cluster: KubectlTarget, *, at_once: bool) -> str:
    """Let one workload run if it may; return why it may not yet, empty where it was written.

    A workload that was paused waits for its last pod, unless `at_once`: two pods would write one
    checkpoint, and a PyTorchJob would be Failed for ever.

    Raises:
        JobsNotFoundError: kubectl is missing, refuses, or gives no answer in time.
    """
    if not (one.name and one.namespace):
        return "it has no name or namespace"
    where = cluster.within(one.namespace)
    fresh = kubectl_json(["get", _resource(one.kind), one.name], where)
    metadata = mapping(fresh.get("metadata"))
    if mapping(metadata.get("labels")).get(names.LABEL_HELD) != "true":
        return ""
    if not at_once and value_at(fresh, one.kind.suspend) is True:
        found = [
            pod
            for selector in selectors_while_resting(one.kind, fresh)
            for pod in _items(kubectl_json(["get", "pods", f"--selector={selector}"], where))
        ]
        if left := pods_left(one.kind, fresh, found):
            return f"pod {left[0]} of it is still there"
    if change := size_patch(one.kind, fresh):
        # Before Kueue may start it, which counts the quota of the size that it has.
        fresh = _patched(one, change, where)
    if queued_as := paused_in_queue(fresh):
        _make_active(queued_as, where)
    parked, check = parked_in_queue(fresh)
    if parked:
        _let_start(parked, check, where)
    _patched(one, free_patch(one.kind, fresh), where)
    return ""


def _patched(one: HeldWorkload, patch: Body, where: KubectlTarget) -> Body:
    """Merge a patch into a workload; return it as stored."""
    change = ["--type=merge", f"--patch={json.dumps(patch)}"]
    return kubectl_json(["patch", _resource(one.kind), one.name, *change], where)


def _make_active(name: str, where: KubectlTarget) -> None:
    """Let Kueue start what was paused in a queue; nothing is to be done where Kueue is gone."""
    active = json.dumps({"spec": {"active": True}})
    place = [f"{QUEUE_PLURAL}.{QUEUE_GROUP}", name]
    try:
        kubectl_json(["patch", *place, "--type=merge", f"--patch={active}"], where)
    except JobsNotFoundError as error:
        if not _is_gone(error):
            raise


def _let_start(name: str, check: str, where: KubectlTarget) -> None:
    """Let Kueue start what was paused by our check; nothing is to be done where Kueue is gone."""
    place = [f"{QUEUE_PLURAL}.{QUEUE_GROUP}", name]
    for _ in range(MOST_WRITES):
        try:
            body = kubectl_json(["get", *place], where)
        except JobsNotFoundError as error:
            if _is_gone(error):
                return
            raise
        now = datetime.now(UTC)
        seen = queued_workload(body, check)
        write = next_write(seen, None, now)
        if write is None:
            return
        patch = json.dumps(merged(write, body, seen, check, now))
        status = ["--subresource=status", "--type=merge", f"--patch={patch}"]
        kubectl_json(["patch", *place, *status], where)


def _is_gone(error: JobsNotFoundError) -> bool:
    return "(NotFound)" in str(error) or "doesn't have a resource type" in str(error)


def _resource(kind: WorkloadKind) -> str:
    return f"{kind.plural}.{kind.version}.{kind.group}"


def _items(answer: Body) -> list[Body]:
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
