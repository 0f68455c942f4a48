"""Figures of an ended job, as its status will hold them."""

from dataclasses import dataclass, field

from lowtide.trainingjob.conditions import Reason, Truth
from lowtide.trainingjob.status import (
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
