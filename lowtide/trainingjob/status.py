"""The part of a TrainingJob that the operator writes.

Every field is optional: a number that cannot be had is absent, and a condition says why. Numbers
are integers or decimal texts with the unit in the name.
"""

from typing import Annotated

from pydantic import Field

from lowtide.grid.series import Signal
from lowtide.trainingjob.base import ApiModel, Decimal, PositiveDecimal, Timestamp

ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0)]

MAX_SEGMENTS = 64
MAX_ATTEMPTS = 32
MAX_COMPONENTS = 32
MAX_PODS = 64


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
    expected_duration_seconds: Count | None = Field(
        default=None, description="expectedDurationSeconds is the running time planned with."
    )
    duration_source: ShortText | None = Field(
        default=None,
        description="durationSource is Declared, Learnt (from the series) or Default.",
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
    start: Timestamp | None = Field(default=None, description="start is when the node took it.")
    end: Timestamp | None = Field(default=None, description="end is when its last container ended.")
    joules: Count | None = Field(default=None, description="joules is what it used.")


class Attempt(ApiModel):
    """One time the job ran: from its start to its end or to its next pause."""

    number: Annotated[int, Field(ge=1)] = Field(description="number counts attempts from 1.")
    name: Annotated[str, Field(max_length=63)] = Field(description="name is the batch Job's name.")
    start: Timestamp | None = Field(default=None, description="start is when it started.")
    end: Timestamp | None = Field(default=None, description="end is when it ended.")
    outcome: ShortText | None = Field(
        default=None, description="outcome is Complete, Failed, Paused or Deleted."
    )
    energy_joules: Count | None = Field(default=None, description="energyJoules is what it used.")
    operational_grams: PositiveDecimal | None = Field(
        default=None, description="operationalGrams is what that emitted."
    )
    pods: Annotated[tuple[AttemptPod, ...], Field(max_length=MAX_PODS)] = Field(
        default=(), description="pods are the pods that were seen, the newest if there are many."
    )


class TrainingStatus(ApiModel):
    """training is what the trainer reported."""

    model: ShortText | None = Field(default=None, description="model is the network's name.")
    dataset: ShortText | None = Field(default=None, description="dataset is the data's name.")
    epochs: Count | None = Field(default=None, description="epochs is how many are finished.")
    epochs_planned: Count | None = Field(
        default=None, description="epochsPlanned is how many were asked for."
    )
    samples: Count | None = Field(default=None, description="samples is how many were seen.")
    accuracy: PositiveDecimal | None = Field(
        default=None, description="accuracy is a fraction in 0 to 1, on the validation data."
    )
    loss: Decimal | None = Field(default=None, description="loss is the last training loss.")
    training_seconds: PositiveDecimal | None = Field(
        default=None, description="trainingSeconds is the time spent training."
    )
    parameters: Count | None = Field(
        default=None, description="parameters is the number of trainable parameters."
    )
    tokens: Count | None = Field(default=None, description="tokens is how many were trained on.")
    flops: PositiveDecimal | None = Field(
        default=None, description="flops is the number of floating-point operations."
    )
    message: LongText | None = Field(
        default=None, description="message says what was wrong with the report."
    )


class EnergyComponent(ApiModel):
    """Joules of one component, by how and how well they were measured."""

    component: Annotated[str, Field(max_length=16)] = Field(
        description="component is gpu, cpu or dram."
    )
    part: Annotated[str, Field(max_length=16)] = Field(description="part is active or idle_held.")
    method: Annotated[str, Field(max_length=32)] = Field(
        description="method is how device energy was given to the pod."
    )
    quality: Annotated[str, Field(max_length=32)] = Field(
        description="quality is how the joules were metered."
    )
    joules: Count = Field(description="joules is the energy.")


class EnergyStatus(ApiModel):
    """energy is what the job's pods used, every attempt included."""

    total_joules: Count | None = Field(default=None, description="totalJoules is the sum.")
    components: Annotated[tuple[EnergyComponent, ...], Field(max_length=MAX_COMPONENTS)] = Field(
        default=(), description="components are the parts of the sum."
    )
    kind: ShortText | None = Field(default=None, description="kind is Measured, Modelled or Mixed.")
    mock: bool | None = Field(
        default=None, description="mock is true when a GPU of the node is a stand-in."
    )
    energy_coverage: PositiveDecimal | None = Field(
        default=None,
        description="energyCoverage is the share of the running time whose energy is known.",
    )
    time_coverage: PositiveDecimal | None = Field(
        default=None,
        description="timeCoverage is the share of the running time with samples close together.",
    )
    mean_power_watts: PositiveDecimal | None = Field(
        default=None, description="meanPowerWatts is the energy over the running time."
    )
    gpu_seconds: PositiveDecimal | None = Field(
        default=None, description="gpuSeconds is the time for which GPUs were held."
    )
    final: bool | None = Field(
        default=None, description="final is true when every pod's end marker was seen."
    )
    unavailable: Annotated[tuple[ShortText, ...], Field(max_length=8)] = Field(
        default=(), description="unavailable names components without a meter."
    )


class CarbonStatus(ApiModel):
    """carbon is what the energy and the hardware emitted."""

    operational_grams: PositiveDecimal | None = Field(
        default=None, description="operationalGrams is O = sum of E x I."
    )
    embodied_grams: PositiveDecimal | None = Field(
        default=None, description="embodiedGrams is M, the job's share of making the hardware."
    )
    total_grams: PositiveDecimal | None = Field(default=None, description="totalGrams is O + M.")
    mean_grams_per_kwh: PositiveDecimal | None = Field(
        default=None, description="meanGramsPerKwh is O over E."
    )
    signal: Signal | None = Field(default=None, description="signal is Average or Marginal.")
    zone: ShortText | None = Field(default=None, description="zone is the grid zone.")
    source: ShortText | None = Field(default=None, description="source names the provider.")
    resolution_seconds: Count | None = Field(
        default=None, description="resolutionSeconds is the step of the intensity data."
    )
    provisional: bool | None = Field(
        default=None, description="provisional is true while estimates stand in for actual values."
    )
    embodied_source: ShortText | None = Field(
        default=None, description="embodiedSource says where the embodied figure comes from."
    )


class SciStatus(ApiModel):
    """sci is the Software Carbon Intensity, ISO/IEC 21031."""

    grams_per_unit: PositiveDecimal | None = Field(
        default=None, description="gramsPerUnit is C / R."
    )
    functional_unit: ShortText | None = Field(
        default=None, description="functionalUnit is what R counts."
    )
    functional_unit_count: PositiveDecimal | None = Field(
        default=None, description="functionalUnitCount is R."
    )
    boundary: LongText | None = Field(
        default=None, description="boundary says what is in and what is out."
    )
    warnings: Annotated[tuple[ShortText, ...], Field(max_length=8)] = Field(
        default=(), description="warnings name what a reader must know."
    )


class CounterfactualStatus(ApiModel):
    """counterfactual is the same run placed at submission, on actual intensity."""

    run_now_grams: PositiveDecimal | None = Field(
        default=None, description="runNowGrams is what running at once would have emitted."
    )
    avoided_grams: Decimal | None = Field(
        default=None, description="avoidedGrams is the difference; negative stays negative."
    )
    avoided_percent: Decimal | None = Field(
        default=None, description="avoidedPercent is the difference in percent of runNowGrams."
    )
    baseline_start: Timestamp | None = Field(
        default=None, description="baselineStart is when the counterfactual run begins."
    )
    clairvoyant_grams: PositiveDecimal | None = Field(
        default=None, description="clairvoyantGrams is the least that was possible."
    )
    reach_percent: Decimal | None = Field(
        default=None, description="reachPercent is the share of the possible saving realised."
    )
    provisional: bool | None = Field(
        default=None, description="provisional is true while actual values are still missing."
    )
    observed_plan_grams: PositiveDecimal | None = Field(
        default=None,
        description="observedPlanGrams is what waiting would have emitted, under policy Observe.",
    )
    message: LongText | None = Field(
        default=None, description="message says why a figure is absent."
    )


class EfficiencyMetric(ApiModel):
    """One efficiency metric, with the parameters that are part of its name."""

    name: Annotated[str, Field(max_length=63)] = Field(description="name, for example SAM5[Wh].")
    value: Decimal | None = Field(default=None, description="value is absent when undefined.")
    unit: ShortText | None = Field(default=None, description="unit of the value.")
    reason: ShortText | None = Field(default=None, description="reason says why there is no value.")
    warnings: Annotated[tuple[ShortText, ...], Field(max_length=8)] = Field(
        default=(), description="warnings name what a reader must know."
    )


class EfficiencyStatus(ApiModel):
    """efficiency sets accuracy against consumption."""

    metrics: Annotated[tuple[EfficiencyMetric, ...], Field(max_length=16)] = Field(
        default=(), description="metrics are SAM, APC, APEC and their relatives."
    )
    label: Annotated[str, Field(pattern="^[A-E]$", max_length=1)] | None = Field(
        default=None, description="label is the compound rating, A to E."
    )
    reference: ShortText | None = Field(
        default=None, description="reference names the set that ratings compare with."
    )


class CostStatus(ApiModel):
    """cost is money; the two amounts are different quantities and never added."""

    currency: Annotated[str, Field(max_length=3)] | None = Field(
        default=None, description="currency is an ISO 4217 code."
    )
    instance: PositiveDecimal | None = Field(
        default=None, description="instance is price per hour times reserved hours."
    )
    energy: PositiveDecimal | None = Field(
        default=None, description="energy is kilowatt-hours times tariff."
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


class TrainingJobStatus(ApiModel):
    """status is what the operator found and did."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), description="conditions are the job's state, keyed by type."
    )
    observed_generation: Count | None = Field(
        default=None, description="observedGeneration is the generation acted upon."
    )
    display: Display | None = Field(default=None, description="display is for kubectl's columns.")
    plan: PlanStatus | None = Field(default=None, description="plan is what is intended.")
    attempts: Annotated[tuple[Attempt, ...], Field(max_length=MAX_ATTEMPTS)] = Field(
        default=(), description="attempts are the times the job ran, in time order."
    )
    training: TrainingStatus | None = Field(
        default=None, description="training is the trainer's report."
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
