"""Size of the Job that a template describes, and whether it may be changed while the job rests.

Kubernetes lets completions of an Indexed Job change together with parallelism and equal to it, and
not of another. What counts single indexes would lose its meaning at another size. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lowtide.trainingjob.holding import is_queued

COUNTS_INDEXES: Final = ("maxFailedIndexes", "successPolicy", "backoffLimitPerIndex")


class TemplateSize(NamedTuple):
    """Replicas of a template; `fault` says in one sentence why they cannot change, if so."""

    replicas: int
    fault: str = ""


def size_of_template(template: object) -> TemplateSize:
    """Return the size of a template; 0 replicas and a fault where it cannot be changed."""
    body = template if isinstance(template, dict) else {}
    spec = body.get("spec")
    job: Mapping[str, Any] = spec if isinstance(spec, dict) else {}
    parallel, complete = job.get("parallelism"), job.get("completions")
    needs = "spec.schedule.elastic needs a template that"
    if job.get("completionMode") != "Indexed":
        return TemplateSize(0, f"{needs} is Indexed: set spec.template.spec.completionMode")
    if type(parallel) is not int or parallel < 1 or parallel != complete:
        fault = (
            f"{needs} runs all its indexes at once: parallelism is {parallel}, completions is "
            f"{complete}; make them equal and at least 1"
        )
        return TemplateSize(0, fault)
    counting = next((name for name in COUNTS_INDEXES if name in job), None)
    if counting is not None:
        return TemplateSize(0, f"{needs} has no {counting}, which counts single indexes")
    if is_queued({"metadata": body.get("metadata") or {}}):
        return TemplateSize(0, f"{needs} names no queue: the size of a queued Job is Kueue's")
    return TemplateSize(parallel)
