"""Schedule of a TrainingJob: when it may run, what its plan minimises, and how wide it may be."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, model_validator

from lowtide.planning.elastic import MOST_REPLICAS
from lowtide.planning.objective import ObjectiveKind
from lowtide.trainingjob.base import ApiModel, PositiveDecimal, Timestamp

MAX_SECONDS = 31_536_000
"""One year: an upper bound for every duration, so that CEL can estimate its costs."""

Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]
EFFICIENCY_PATTERN: Final = r"^(0\.[5-9][0-9]*|1(\.0+)?)$"
"""A decimal number from 0.5 to 1 as text."""
SIZES_RISE: Final = "spec.schedule.elastic.minReplicas must not be above maxReplicas"
RESIZES_ARE_PAUSES: Final = (
    "spec.schedule.elastic needs spec.schedule.interruption.allowed: a change of size is a pause "
    "and a resume from a checkpoint"
)


class Policy(StrEnum):
    """When a job may start."""

    IMMEDIATE = "Immediate"
    CARBON_OPTIMAL = "CarbonOptimal"
    OBSERVE = "Observe"


class Interruption(ApiModel):
    """interruption says whether the job saves checkpoints and may be paused."""

    allowed: bool = Field(
        default=False,
        description="allowed says that the job saves a checkpoint on SIGTERM and resumes from it.",
    )
    restart_cost_seconds: Seconds = Field(
        default=900,
        description="restartCostSeconds is the full-power running time that one resume costs.",
    )


class ObjectiveChoice(ApiModel):
    """objective says what a plan minimises; the rest is the namespace's, or the settings'."""

    kind: ObjectiveKind | None = Field(
        default=None,
        description=(
            "kind is Carbon (grams), Cost (money) or Both (money with a price on every tonne); "
            "absent means the default of the namespace or of the settings, else Carbon."
        ),
    )
    price_per_tonne: PositiveDecimal | None = Field(
        default=None,
        description=(
            "pricePerTonne is the price of a tonne of CO2 equivalent in the currency of the zone's "
            "electricity prices; Both needs one."
        ),
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)] | None = Field(
        default=None,
        description=(
            "currency is the ISO 4217 code of pricePerTonne; a zone with prices in another one is "
            "planned by carbon alone, because nothing is converted."
        ),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "ObjectiveChoice":
        if self.price_per_tonne is not None and self.kind not in (None, ObjectiveKind.BOTH):
            raise ValueError(f"pricePerTonne is for kind Both, and kind is {self.kind}")
        if self.currency is not None and self.price_per_tonne is None:
            raise ValueError("currency is that of pricePerTonne, which is missing")
        return self


class ElasticSize(ApiModel):
    """elastic lets the plan choose how wide an Indexed Job runs; a resize is a pause and a resume.

    The parallelism that it is written with is the size that expectedDurationSeconds is given for,
    and the one that the deadline counts on.
    """

    min_replicas: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = Field(
        description="minReplicas is the least parallelism while the job runs."
    )
    max_replicas: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = Field(
        description="maxReplicas is the most."
    )
    efficiency: Annotated[str, Field(pattern=EFFICIENCY_PATTERN, max_length=32)] | None = Field(
        default=None,
        description=(
            "efficiency is that of a doubling, from 0.5 to 1: with 0.9 twice the replicas are 1.8 "
            "times as fast. Absent means that it is learnt from what the training reports at each "
            "size, and 0.8 until then."
        ),
    )

    @model_validator(mode="after")
    def _rises(self) -> "ElasticSize":
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"{SIZES_RISE}: minReplicas is {self.min_replicas}, maxReplicas {self.max_replicas}"
            )
        return self


class DataToMove(ApiModel):
    """data says what is moved where the job runs in another zone than where its data are."""

    gigabytes: PositiveDecimal = Field(description="gigabytes is how much that is.")
    zone: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_.-]+$")] = Field(
        description="zone is where the data are."
    )
    energy_kilowatt_hours: PositiveDecimal = Field(
        description=(
            "energyKilowattHours is the energy of the whole job, which the cost of moving is set "
            "against."
        )
    )


class Schedule(ApiModel):
    """schedule says when the job may run."""

    policy: Policy = Field(
        default=Policy.CARBON_OPTIMAL,
        description=(
            "policy is CarbonOptimal (wait for the cleanest window), Immediate (start at once) or "
            "Observe (start at once and record what waiting would have saved)."
        ),
    )
    start_no_earlier_than: Timestamp | None = Field(
        default=None, description="startNoEarlierThan is the first moment the job may start."
    )
    deadline: Timestamp | None = Field(
        default=None, description="deadline is the moment by which the job should have finished."
    )
    max_delay_seconds: Seconds | None = Field(
        default=None,
        description=(
            "maxDelaySeconds is the longest wait before the start, counted from creation; used "
            "when there is no deadline. Without either the operator's default applies (24 h)."
        ),
    )
    expected_duration_seconds: PositiveSeconds | None = Field(
        default=None,
        description=(
            "expectedDurationSeconds is how long the job runs. From five finished jobs of the "
            "same series on, their latest runs count instead."
        ),
    )
    minimum_saving_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        default=2,
        description="minimumSavingPercent is the expected saving below which a job runs at once.",
    )
    interruption: Interruption = Field(
        default_factory=Interruption, description="interruption says whether the job may be paused."
    )
    objective: ObjectiveChoice | None = Field(
        default=None,
        description="objective says what the plan minimises: grams, money or both.",
    )
    elastic: ElasticSize | None = Field(
        default=None,
        description=(
            "elastic lets the plan choose parallelism and completions of an Indexed Job; the job "
            "must save checkpoints (interruption.allowed)."
        ),
    )

    data: DataToMove | None = Field(
        default=None,
        description=(
            "data says what must be moved to another zone; it counts where the operator nominates "
            "clusters of a MultiKueue and its settings say what a gigabyte costs."
        ),
    )

    @model_validator(mode="after")
    def _resizes_by_pauses(self) -> "Schedule":
        if self.elastic is not None and not self.interruption.allowed:
            raise ValueError(RESIZES_ARE_PAUSES)
        return self
