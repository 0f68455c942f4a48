"""SCI for AI (Green Software Foundation, draft of January 2026): provider and consumer scores.

Two scores that are never merged: the provider's covers inception to retirement with all
intermediate and early-stopped runs, per FLOP, training token or billion parameters; the consumer's
covers operation. A score per training job is a legal SCI but not a legal provider score. Source:
docs/explanation/metrics.md#sci-for-ai.
"""

from enum import StrEnum
from typing import Final

from lowtide.metrics.domain import require_above, require_at_least
from lowtide.metrics.result import MetricError, Refusal, Result, Undefined

METHOD: Final = "SCI for AI, draft of January 2026"


class Persona(StrEnum):
    """The side whose emissions are scored."""

    PROVIDER = "provider"
    CONSUMER = "consumer"


class AiUnit(StrEnum):
    """The units the draft names."""

    FLOP = "FLOP"
    TRAINING_TOKEN = "training token"
    PARAMETER = "parameter"
    TOKEN = "token"
    IMAGE = "image"
    INFERENCE = "inference"
    WORKFLOW = "workflow"


LEGAL_UNITS: Final = {
    Persona.PROVIDER: frozenset({AiUnit.FLOP, AiUnit.TRAINING_TOKEN, AiUnit.PARAMETER}),
    Persona.CONSUMER: frozenset({AiUnit.TOKEN, AiUnit.IMAGE, AiUnit.INFERENCE, AiUnit.WORKFLOW}),
}


def sci_ai(
    *,
    persona: Persona,
    unit: AiUnit,
    carbon_grams: float,
    count: float,
    per: float = 1,
    counting: str = "gross",
) -> Result:
    """Return grams per `per` units (for example per 1e6 training tokens).

    `counting` says whether the count is gross or effective; the draft wants it stated.

    Raises:
        MetricError: unit_mismatch for a unit that is not legal for the persona; out_of_domain.
    """
    if unit not in LEGAL_UNITS[persona]:
        legal = ", ".join(sorted(LEGAL_UNITS[persona]))
        raise MetricError(
            Refusal.UNIT_MISMATCH,
            "unit",
            f"{unit} is not a unit of a {persona} score: use one of {legal}, or report plain SCI",
        )
    require_at_least("carbon_grams", carbon_grams)
    require_at_least("count", count)
    require_above("per", per)
    return Result(
        name=f"SCI-AI {persona}",
        value=carbon_grams / count * per if count > 0 else None,
        unit=f"gCO2eq/{per:g} {unit}" if per != 1 else f"gCO2eq/{unit}",
        reason=None if count > 0 else Undefined.FUNCTIONAL_UNIT_ZERO,
        parameters={
            "carbon_grams": carbon_grams,
            "count": count,
            "per": per,
            "counting": counting,
        },
        method=METHOD,
    )
