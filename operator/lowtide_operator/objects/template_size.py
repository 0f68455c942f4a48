"""Size of the Job that a template describes, or that somebody wrote, and whether it may be changed.

Kubernetes lets completions of an Indexed Job change together with parallelism and equal to it, and
not of another. What counts single indexes would lose its meaning at another size. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lowtide.lenient_fields import mapping
from lowtide.trainingjob.holding import QUEUE_GROUP, is_queued, mapping_at
from lowtide.trainingjob.sizes_of_workloads import at_own_size
from lowtide.trainingjob.workload_kinds import WorkloadKind

COUNTS_INDEXES: Final = ("maxFailedIndexes", "successPolicy", "backoffLimitPerIndex")
NEEDS: Final = "spec.schedule.elastic needs"
LEAST_ADMITTED: Final = f"{QUEUE_GROUP}/job-min-parallelism"
"""Annotation by which Kueue itself admits a Job with fewer pods."""


class TemplateSize(NamedTuple):
    """Replicas of a template; `fault` says in one sentence why they cannot change, if so."""

    replicas: int
    fault: str = ""


NO_SIZE: Final = TemplateSize(0)


def size_of_template(template: object) -> TemplateSize:
    """Return the size of a template; 0 replicas and a fault where it cannot be changed."""
    body = mapping(template)
    found = _size_of_job(body, "a template", "spec.template.spec.")
    if not found.fault and is_queued({"metadata": body.get("metadata") or {}}):
        fault = (
            f"{NEEDS} a template that names no queue: let spec.targetRef name a Job of the queue, "
            "which Kueue may pause"
        )
        return TemplateSize(0, fault)
    return found


def size_of_workload(kind: WorkloadKind, body: Mapping[str, Any]) -> TemplateSize:
    """Return the size that a workload was written with, likewise."""
    if not kind.size:
        why = kind.fixed_size or "Lowtide changes the size of Jobs only"
        return TemplateSize(0, f"{NEEDS} a Job, and this is a {kind.kind}: {why}")
    if LEAST_ADMITTED in mapping_at(body, "metadata", "annotations"):
        fault = f"{NEEDS} a Job without {LEAST_ADMITTED}, by which Kueue itself changes its size"
        return TemplateSize(0, fault)
    return _size_of_job(at_own_size(kind, body), f"a {kind.kind}", "spec.")


def _size_of_job(body: Mapping[str, Any], what: str, path: str) -> TemplateSize:
    job = mapping(body.get("spec"))
    parallel, complete = job.get("parallelism"), job.get("completions")
    if job.get("completionMode") != "Indexed":
        return TemplateSize(0, f"{NEEDS} {what} that is Indexed: set {path}completionMode")
    if type(parallel) is not int or parallel < 1 or parallel != complete:
        fault = (
            f"{NEEDS} {what} that runs all its indexes at once: parallelism is {parallel}, "
            f"completions is {complete}; make them equal and at least 1"
        )
        return TemplateSize(0, fault)
    counting = next((name for name in COUNTS_INDEXES if name in job), None)
    if counting is not None:
        return TemplateSize(0, f"{NEEDS} {what} without {counting}, which counts single indexes")
    return TemplateSize(parallel)
