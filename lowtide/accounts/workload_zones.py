"""Zones of measured workloads, and on whose word each one is. Pure.

What was said of a single workload counts before what its TrainingJob accounted for, that before its
own annotation, then comes its namespace's, and a default last.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lowtide import names
from lowtide.accounts.usage import WorkloadKey
from lowtide.trainingjob.annotations import annotated, zone_text


class ZoneSource(StrEnum):
    """On whose word a workload is in a zone."""

    GIVEN = "given"
    TRAINING_JOB = "trainingjob"
    WORKLOAD = "annotation"
    NAMESPACE = "namespace"
    DEFAULT = "default"


WORDS = {
    ZoneSource.GIVEN: "by --workload-zone",
    ZoneSource.TRAINING_JOB: "by a TrainingJob",
    ZoneSource.WORKLOAD: f"by an annotation {names.ANNOTATION_ZONE} of its own",
    ZoneSource.NAMESPACE: f"by the annotation {names.ANNOTATION_ZONE} of the namespace",
    ZoneSource.DEFAULT: "by --zone or the operator's default",
}
"""How a source is called in a sentence."""


@dataclass(frozen=True, slots=True)
class WorkloadZone:
    """Zone of one workload."""

    zone: str | None
    """Zone; `None` where none is known."""
    source: ZoneSource
    """On whose word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """Annotations as the cluster has them now."""

    of_workloads: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Those of each workload that is still there, by its uid."""
    of_namespace: Mapping[str, str] = field(default_factory=dict)
    """Those of the namespace."""

    def zone_of(self, workload: WorkloadKey) -> WorkloadZone | None:
        """Return the zone that a workload or its namespace names; `None` where neither does.

        Raises:
            ValueError: the text is no zone; the message says whose it is.
        """
        own = self.of_workloads.get(workload.uid, {})
        found = annotated(names.ANNOTATION_ZONE, own, self.of_namespace)
        if found is None:
            return None
        try:
            zone = zone_text(found.text)
        except ValueError as error:
            whose = f"namespace {workload.namespace}" if found.of_namespace else workload.title
            raise ValueError(f"{names.ANNOTATION_ZONE} of {whose}: {error}") from None
        source = ZoneSource.NAMESPACE if found.of_namespace else ZoneSource.WORKLOAD
        return WorkloadZone(zone, source)


def sources_sentence(zones: Iterable[WorkloadZone]) -> str:
    """Return how many workloads are in a zone on whose word; empty where all are by default."""
    counts = Counter(one.source for one in zones)
    if not counts.keys() - {ZoneSource.DEFAULT}:
        return ""
    parts = [f"{counts[source]} {WORDS[source]}" for source in ZoneSource if counts[source]]
    return f"Zones of workloads: {', '.join(parts)}."
