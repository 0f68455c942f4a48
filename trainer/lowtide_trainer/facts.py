"""Facts of a run: fields of the report that are known beforehand, and what a mistake is told."""

from __future__ import annotations

from lowtide.trainingjob.report_values import PLAIN_CHECKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set
    from typing import Final

FACTS_PER_SAMPLE: Final = "flops_per_sample"
"""A factor for a field of the report."""
OTHER_FACTS: Final = frozenset(
    {"outcome", "started_at", "training_seconds", "history", "checkpoint", "inference"}
)
"""Fields of the report that are neither a text nor a number."""
FACTS: Final = frozenset({*PLAIN_CHECKS, *OTHER_FACTS, FACTS_PER_SAMPLE})
"""Names that a fact of a training may have."""


def unknown_fact(name: str, known: Set[str] = FACTS) -> str:
    """Return the warning about a fact that the report does not have."""
    # Imported only for a mistake: difflib takes milliseconds.
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
    return f"{name} is not a field of the report and is left out: {advice}"
