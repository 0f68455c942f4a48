"""Figures of an ended job, as its status will hold them."""

from dataclasses import dataclass, field
from typing import Any, Final

from lowtide.trainingjob.base import grams_text
from lowtide.trainingjob.conditions import Reason, Truth
from lowtide.trainingjob.status import (
    Attempt,
    CarbonStatus,
    CostStatus,
    CounterfactualStatus,
    EfficiencyStatus,
    ElectricityStatus,
    EnergyStatus,
    SciStatus,
    TrainingStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Figures of an ended job; a section that cannot be had is `None`."""

    status: Truth
    """Of the condition Measured, as `reason` and `message`; Unknown: it will be tried again."""
    reason: Reason
    message: str
    training: TrainingStatus | None = None
    """The trainer's report with the energy of its epochs."""
    energy: EnergyStatus | None = None
    carbon: CarbonStatus | None = None
    sci: SciStatus | None = None
    counterfactual: CounterfactualStatus | None = None
    efficiency: EfficiencyStatus | None = None
    cost: CostStatus | None = None
    electricity: ElectricityStatus | None = None
    attempts: dict[int, tuple[int, float | None]] = field(default_factory=dict)
    """Joules and grams by attempt number."""
    pods: dict[str, int] = field(default_factory=dict)
    """Joules by pod uid."""


SECTIONS: Final = (
    "training",
    "energy",
    "carbon",
    "sci",
    "counterfactual",
    "efficiency",
    "cost",
    "electricity",
)
"""Sections of the status that a measurement may hold."""


def sections_of(figures: Measurement) -> dict[str, Any]:
    """Return the sections of the status that were measured, by field name."""
    found = {name: getattr(figures, name) for name in SECTIONS}
    return {name: section for name, section in found.items() if section is not None}


def with_attempt_figures(
    attempts: tuple[Attempt, ...], figures: Measurement
) -> tuple[Attempt, ...]:
    """Return the attempts with their joules and grams, and those of their pods."""
    return tuple(
        attempt.model_copy(
            update={
                **_attempt_figures(figures, attempt.number),
                "pods": tuple(
                    pod.model_copy(update={"joules": figures.pods.get(pod.uid, pod.joules)})
                    for pod in attempt.pods
                ),
            }
        )
        for attempt in attempts
    )


def _attempt_figures(figures: Measurement, number: int) -> dict[str, Any]:
    if number not in figures.attempts:
        return {}
    joules, grams = figures.attempts[number]
    return {"energy_joules": joules, "operational_grams": grams_text(grams)}
