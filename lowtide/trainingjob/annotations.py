"""Annotations by which a workload, or its namespace for all of them, says what a spec says. Pure.

One rule for the operator, which makes a TrainingJob of them, and for reports on workloads that it
never saw: what the workload says counts before what its namespace says, and a deadline and sizes
are the workload's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from lowtide import names
from lowtide.trainingjob.spec import Grid

OF_WORKLOADS_ONLY: Final = frozenset(
    {
        names.ANNOTATION_DEADLINE,
        names.ANNOTATION_MIN_REPLICAS,
        names.ANNOTATION_MAX_REPLICAS,
        names.ANNOTATION_EFFICIENCY,
    }
)
"""Annotations that a namespace cannot set for its workloads."""


@dataclass(frozen=True, slots=True)
class AnnotatedText:
    """Text of an annotation, and which object has it."""

    text: str
    """The text, as it was written."""
    of_namespace: bool
    """Whether it is the namespace's, because the workload says nothing of its own."""


def annotated(
    annotation: str, of_workload: Mapping[str, str], of_namespace: Mapping[str, str]
) -> AnnotatedText | None:
    """Return the text that counts for a workload; `None` where neither object has any."""
    if annotation in of_workload:
        return AnnotatedText(of_workload[annotation], of_namespace=False)
    if annotation in of_namespace and annotation not in OF_WORKLOADS_ONLY:
        return AnnotatedText(of_namespace[annotation], of_namespace=True)
    return None


def zone_text(text: str) -> str:
    """Return the zone that the text of an annotation names.

    Raises:
        ValueError: it can be no zone's name.
    """
    zone = text.strip()
    try:
        Grid(zone=zone)
    except ValidationError:
        raise ValueError(
            f"{text[:64]!r} is not the name of a zone: write letters, digits, '_', '.' and '-', "
            "such as DE"
        ) from None
    return zone
