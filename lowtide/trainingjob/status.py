"""Status of a TrainingJob, which the operator writes.

Every field is optional: a number that cannot be had is absent, and a condition says why. Numbers
are integers or decimal texts with the unit in the name.
"""

from typing import Annotated

from pydantic import Field

from lowtide.trainingjob.base import (
    ApiModel,
    Count,
    Decimal,
    LongText,
    PositiveDecimal,
    ShortText,
    Timestamp,
)
from lowtide.trainingjob.electricity import ElectricityStatus
from lowtide.trainingjob.prediction import (
    PredictedAmount,
    PredictedFigures,
    PredictedMoment,
    PredictionReview,
    PredictionStatus,
)
from lowtide.trainingjob.results import (
    CarbonStatus,
    CheckpointStatus,
    EnergyComponent,
    EnergyStatus,
    EpochEntry,
    TrainingStatus,
)
from lowtide.trainingjob.scaling import ScalingStatus, TrainedStretch
from lowtide.trainingjob.scores import (
    CostStatus,
    CounterfactualStatus,
    EfficiencyMetric,
    EfficiencyStatus,
    RatedProperty,
    SciRange,
    SciStatus,
)

__all__ = [
    "MAX_ATTEMPTS",
    "MAX_PODS",
    "MAX_SEGMENTS",
    "Attempt",
    "AttemptPod",
    "CarbonStatus",
    "CheckpointStatus",
    "Condition",
    "CostStatus",
    "CounterfactualStatus",
    "Display",
    "EfficiencyMetric",
    "EfficiencyStatus",
    "ElectricityStatus",
    "EnergyComponent",
    "EnergyStatus",
    "EpochEntry",
    "PlanSegment",
    "PlanStatus",
    "PredictedAmount",
    "PredictedFigures",
    "PredictedMoment",
    "PredictionReview",
    "PredictionStatus",
    "RatedProperty",
    "ScalingStatus",
    "SciRange",
    "SciStatus",
    "TargetStatus",
    "TrainedStretch",
    "TrainingJobStatus",
    "TrainingStatus",
]

MAX_SEGMENTS = 64
MAX_ATTEMPTS = 256
MAX_PODS = 1024
"""Pods of all attempts together."""


class Condition(ApiModel):
    """A condition after the Kubernetes API conventions."""

    type: Annotated[str, Field(max_length=63)] = Field(description="type is the condition's name.")
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$", max_length=7)] = Field(
        description="status is True, False or Unknown."
    )
    reason: Annotated[str, Field(pattern="^[A-Z][A-Za-z0-9]*$", max_length=63)] = Field(
        description="reason is one word for machines."
    )
    message: Annotated[str, Field(max_length=4096)] = Field(
        default="", description="message is a sentence for people."
    )
    observed_generation: Count | None = Field(
        default=None, description="observedGeneration is the generation this was decided for."
    )
    last_transition_time: Timestamp = Field(
        description="lastTransitionTime is when status last changed."
    )


class PlanSegment(ApiModel):
    """One uninterrupted stretch of running."""

    start: Timestamp = Field(description="start is when the stretch begins.")
    end: Timestamp = Field(description="end is when it ends.")
    replicas: Count | None = Field(
        default=None, description="replicas is the parallelism in this stretch, of an elastic job."
    )


class PlanStatus(ApiModel):
    """plan is what is intended; only the decision to run now binds."""

    segments: Annotated[tuple[PlanSegment, ...], Field(max_length=MAX_SEGMENTS)] = Field(
        default=(), description="segments are the planned stretches, in time order."
    )
    start: Timestamp | None = Field(default=None, description="start is the planned start.")
    latest_start: Timestamp | None = Field(
        default=None, description="latestStart is when the job starts at the latest."
    )
    deadline: Timestamp | None = Field(
        default=None, description="deadline is the deadline in force."
    )
    reason: ShortText | None = Field(default=None, description="reason is one word for machines.")
    explanation: LongText | None = Field(
        default=None, description="explanation is one sentence for people."
    )
    would_change: LongText | None = Field(
        default=None, description="wouldChange names what could lead to another plan."
    )
    value_sources: Annotated[tuple[ShortText, ...], Field(max_length=16)] = Field(
        default=(),
        description=(
            "valueSources says of each value that was not written into this TrainingJob by hand "
            "where it comes from, for example `deadline: annotation of JobSet bert`."
        ),
    )
    expected_duration_seconds: Count | None = Field(
        default=None, description="expectedDurationSeconds is the running time planned with."
    )
    duration_source: ShortText | None = Field(
        default=None,
        description="durationSource is Declared, Learnt (from the series) or Default.",
    )
    duration_note: LongText | None = Field(
        default=None,
        description=(
            "durationNote says where the declared duration and the series disagree by more than "
            "the guard allows."
        ),
    )
    expected_joules: Count | None = Field(
        default=None,
        description="expectedJoules is the energy of earlier runs of the series, where there are.",
    )
    planned_grams_per_kwh: PositiveDecimal | None = Field(
        default=None, description="plannedGramsPerKwh is the expected mean intensity as planned."
    )
    run_now_grams_per_kwh: PositiveDecimal | None = Field(
        default=None,
        description=(
            "runNowGramsPerKwh is the expected mean intensity of running at once, as seen when the "
            "job was first planned."
        ),
    )
    expected_saving_percent: Decimal | None = Field(
        default=None, description="expectedSavingPercent compares the two."
    )
    scaling: ScalingStatus | None = Field(
        default=None,
        description="scaling is what speeds and powers of an elastic job were planned with.",
    )
    objective: ShortText | None = Field(
        default=None, description="objective is what was minimised: Carbon, Cost or Both."
    )
    price_per_tonne: PositiveDecimal | None = Field(
        default=None, description="pricePerTonne is what a tonne counted, in currency; for Both."
    )
    objective_note: LongText | None = Field(
        default=None,
        description="objectiveNote says why the plan is by carbon alone where prices should count.",
    )
    currency: Annotated[str, Field(max_length=3)] | None = Field(
        default=None, description="currency is that of the zone's electricity prices."
    )
    planned_price_per_kwh: Decimal | None = Field(
        default=None, description="plannedPricePerKwh is the expected mean price as planned."
    )
    run_now_price_per_kwh: Decimal | None = Field(
        default=None,
        description=(
            "runNowPricePerKwh is the expected mean price of running at once, as seen when the job "
            "was first planned."
        ),
    )
    expected_money_saving_percent: Decimal | None = Field(
        default=None, description="expectedMoneySavingPercent compares the two."
    )
    alternatives: LongText | None = Field(
        default=None,
        description=(
            "alternatives says what carbon alone and cost alone would have chosen and saved, where "
            "prices count."
        ),
    )
    forecast_source: ShortText | None = Field(
        default=None, description="forecastSource names the providers and fallbacks used."
    )
    forecast_generated_at: Timestamp | None = Field(
        default=None, description="forecastGeneratedAt is when the provider made its forecast."
    )


class AttemptPod(ApiModel):
    """A pod of an attempt; its uid finds its energy after it is gone."""

    name: Annotated[str, Field(max_length=253)] = Field(description="name is the pod's name.")
    uid: Annotated[str, Field(max_length=64)] = Field(description="uid is the pod's uid.")
    node: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="node is where it ran."
    )
    start: Timestamp | None = Field(
        default=None, description="start is when its first container began to run."
    )
    end: Timestamp | None = Field(
        default=None, description="end is when its last container ended, or when it was rejected."
    )
    joules: Count | None = Field(default=None, description="joules is what it used.")


class Attempt(ApiModel):
    """One time the job ran: from its start to its end or to its next pause."""

    number: Annotated[int, Field(ge=1)] = Field(description="number counts attempts from 1.")
    name: Annotated[str, Field(max_length=253)] = Field(
        description="name is the name of the batch Job, or of the workload that targetRef names."
    )
    start: Timestamp | None = Field(default=None, description="start is when it started.")
    end: Timestamp | None = Field(default=None, description="end is when it ended.")
    outcome: ShortText | None = Field(
        default=None, description="outcome is Complete, Failed, Paused, Resized, NoRoom or Deleted."
    )
    replicas: Count | None = Field(
        default=None, description="replicas is the parallelism of an elastic job in this attempt."
    )
    base_replicas: Count | None = Field(
        default=None,
        description="baseReplicas is the parallelism that the running time is given for.",
    )
    speed: PositiveDecimal | None = Field(
        default=None,
        description=(
            "speed is that of replicas by the efficiency that is given, learnt or assumed, where "
            "that of baseReplicas is 1."
        ),
    )
    least_speed: PositiveDecimal | None = Field(
        default=None,
        description="leastSpeed is what the deadline counts on, where that is less than speed.",
    )
    power: PositiveDecimal | None = Field(
        default=None,
        description=(
            "power is that of replicas by the energy of attempts, where that of baseReplicas is 1; "
            "absent means proportional."
        ),
    )
    trained: Annotated[tuple[TrainedStretch, ...], Field(max_length=2)] = Field(
        default=(),
        description="trained is what the training reported of this attempt of an elastic job.",
    )
    energy_joules: Count | None = Field(default=None, description="energyJoules is what it used.")
    operational_grams: PositiveDecimal | None = Field(
        default=None, description="operationalGrams is what that emitted."
    )
    pods: Annotated[tuple[AttemptPod, ...], Field(max_length=MAX_PODS)] = Field(
        default=(),
        description="pods are the pods that were seen, the first ones if there are many.",
    )


class TargetStatus(ApiModel):
    """target is the workload that spec.targetRef led to."""

    api_version: Annotated[str, Field(max_length=253)] = Field(
        description="apiVersion is group and version of its kind."
    )
    kind: Annotated[str, Field(max_length=63)] = Field(description="kind is its kind.")
    name: Annotated[str, Field(max_length=253)] = Field(description="name is its name.")
    uid: Annotated[str, Field(max_length=64)] = Field(
        description="uid is its identity; another one under the same name is another run."
    )
    gpus: Count | None = Field(
        default=None, description="gpus is how many GPUs its pods hold at a time."
    )
    gpu_resource: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="gpuResource is the resource name of these GPUs, by which room is counted.",
    )
    said: ShortText | None = Field(
        default=None,
        description="said is the word of the workload's own status for what it does, where its "
        "kind has one: RUNNING of a RayJob.",
    )
    progress_percent: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="progressPercent is how far the workload's own status says that it is; after "
        "a pause it is of before.",
    )
    remaining_seconds: Count | None = Field(
        default=None,
        description="remainingSeconds is the workload's own estimate of what is left, made when "
        "progressPercent was reported.",
    )
    progress_at: Timestamp | None = Field(
        default=None, description="progressAt is when progressPercent was reported."
    )


class Display(ApiModel):
    """display holds the texts of kubectl's columns; code never reads it."""

    state: ShortText | None = Field(default=None, description="state is one word.")
    start: ShortText | None = Field(
        default=None, description="start is the planned or actual start."
    )
    deadline: ShortText | None = Field(default=None, description="deadline in force.")
    energy: ShortText | None = Field(default=None, description="energy for people.")
    sci: ShortText | None = Field(default=None, description="sci for people.")
    avoided: ShortText | None = Field(
        default=None, description="avoided is what waiting saved; ~ marks what is expected."
    )
    predicted: ShortText | None = Field(
        default=None, description="predicted is the energy of the whole run and its 90 % interval."
    )
    finish: ShortText | None = Field(
        default=None, description="finish is the predicted end of the run."
    )
    replicas: ShortText | None = Field(
        default=None,
        description="replicas is how wide an elastic job runs now, and between which sizes.",
    )


class TrainingJobStatus(ApiModel):
    """status is what the operator found and did."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), description="conditions are the job's state, keyed by type."
    )
    observed_generation: Count | None = Field(
        default=None, description="observedGeneration is the generation acted upon."
    )
    display: Display | None = Field(default=None, description="display is for kubectl's columns.")
    target: TargetStatus | None = Field(
        default=None, description="target is the workload that spec.targetRef led to."
    )
    plan: PlanStatus | None = Field(default=None, description="plan is what is intended.")
    attempts: Annotated[tuple[Attempt, ...], Field(max_length=MAX_ATTEMPTS)] = Field(
        default=(), description="attempts are the times the job ran, in time order."
    )
    training: TrainingStatus | None = Field(
        default=None, description="training is the trainer's report."
    )
    prediction: PredictionStatus | None = Field(
        default=None, description="prediction is what the whole run is expected to use."
    )
    energy: EnergyStatus | None = Field(default=None, description="energy is what the pods used.")
    carbon: CarbonStatus | None = Field(default=None, description="carbon is what that emitted.")
    sci: SciStatus | None = Field(default=None, description="sci is the Software Carbon Intensity.")
    counterfactual: CounterfactualStatus | None = Field(
        default=None, description="counterfactual is the honest account of what waiting saved."
    )
    efficiency: EfficiencyStatus | None = Field(
        default=None, description="efficiency sets accuracy against consumption."
    )
    cost: CostStatus | None = Field(default=None, description="cost is money.")
    electricity: ElectricityStatus | None = Field(
        default=None,
        description="electricity is what the energy cost at the zone's prices in time, and saved.",
    )
