"""Figures in the status of an ended job: training, energy, carbon, scores and cost.

A missing number is absent, and a reason beside it or a condition says why. Numbers are integers or
decimal texts with the unit in the name. The inputs of a figure are beside it, so that
`lowtide explain` can compute it again.
"""

from typing import Annotated

from pydantic import Field

from lowtide.grid.series import Signal
from lowtide.trainingjob.base import (
    ApiModel,
    Count,
    Decimal,
    LongText,
    PositiveDecimal,
    ShortText,
    Timestamp,
)
from lowtide.trainingjob.report import HISTORY_LIMIT

MAX_COMPONENTS = 32
MAX_METRICS = 16
MAX_RATINGS = 16


class EpochEntry(ApiModel):
    """One finished epoch, or several neighbours of a long run in one entry."""

    epoch: Count = Field(description="epoch is how many epochs were finished at its end.")
    end: Timestamp = Field(description="end is when it ended.")
    seconds: PositiveDecimal = Field(
        description="seconds is the training time since the entry before, without pauses."
    )
    accuracy: PositiveDecimal | None = Field(
        default=None, description="accuracy at its end, a fraction."
    )
    joules: Count | None = Field(
        default=None,
        description=(
            "joules is what the job's pods used since the entry before, restart work included; "
            "absent where samples are missing."
        ),
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
    accuracy_top5: PositiveDecimal | None = Field(
        default=None, description="accuracyTop5 is the top-5 accuracy, a fraction."
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
    framework: ShortText | None = Field(
        default=None, description="framework is what trained, with its version."
    )
    device: ShortText | None = Field(
        default=None, description="device is what the training says that it ran on."
    )
    seed: Decimal | None = Field(
        default=None,
        description="seed of the random numbers, as text, because it may need 64 bits unsigned.",
    )
    started_at: Timestamp | None = Field(
        default=None, description="startedAt is when the first batch began."
    )
    history: Annotated[tuple[EpochEntry, ...], Field(max_length=HISTORY_LIMIT)] = Field(
        default=(), description="history is the run epoch by epoch; long runs merge neighbours."
    )
    message: LongText | None = Field(
        default=None,
        description="message says why the training failed, and what was wrong with the report.",
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
    run_seconds: PositiveDecimal | None = Field(
        default=None, description="runSeconds is the running time of all pods, added up."
    )
    gpu_model: ShortText | None = Field(
        default=None, description="gpuModel names the GPUs that were held."
    )
    gpu_count: Count | None = Field(
        default=None, description="gpuCount is the most GPUs that one attempt held."
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
    embodied_grams_per_gpu: PositiveDecimal | None = Field(
        default=None,
        description="embodiedGramsPerGpu is TE of one GPU, where all GPUs were of one model.",
    )
    embodied_lifespan_seconds: Count | None = Field(
        default=None, description="embodiedLifespanSeconds is EL that went with it."
    )


class SciRange(ApiModel):
    """The range that should hold the score in 95 of 100 cases, and what was carried into it."""

    low: PositiveDecimal = Field(description="low is its lower end, in grams per unit.")
    high: PositiveDecimal = Field(description="high is its upper end, in grams per unit.")
    energy_ratio: PositiveDecimal = Field(
        description="energyRatio is the relative half width of the energy."
    )
    intensity_ratio: PositiveDecimal | None = Field(
        default=None,
        description="intensityRatio is that of the intensity; absent if none was stated.",
    )
    embodied_low_grams: PositiveDecimal = Field(
        description="embodiedLowGrams is the lower bound of the embodied emissions."
    )
    embodied_high_grams: PositiveDecimal = Field(
        description="embodiedHighGrams is their upper bound."
    )
    basis: ShortText = Field(description="basis says in words what was varied.")


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
    uncertainty: SciRange | None = Field(
        default=None, description="uncertainty is the range of gramsPerUnit."
    )
    message: LongText | None = Field(
        default=None, description="message says in words why there is no score or no range."
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
    restart_joules: Count | None = Field(
        default=None,
        description=(
            "restartJoules is what resuming after pauses used; it counts as the job's energy and "
            "not in the counterfactual."
        ),
    )
    clairvoyant_grams: PositiveDecimal | None = Field(
        default=None,
        description=(
            "clairvoyantGrams is the least that was possible under the same constraints, known "
            "once the deadline has passed."
        ),
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
    target: Decimal | None = Field(
        default=None,
        description="target is the APC or APEC that TTCAPC or TTCAPEC waited for.",
    )
    warnings: Annotated[tuple[ShortText, ...], Field(max_length=8)] = Field(
        default=(), description="warnings name what a reader must know."
    )


class RatedProperty(ApiModel):
    """One property set against the reference: index, letter and what they follow from."""

    property: Annotated[str, Field(max_length=63)] = Field(description="property is its key.")
    unit: ShortText | None = Field(default=None, description="unit of value and reference.")
    value: PositiveDecimal | None = Field(default=None, description="value of the job.")
    reference: PositiveDecimal | None = Field(
        default=None, description="reference is the value that has index 1."
    )
    index: PositiveDecimal | None = Field(
        default=None, description="index is how many times as good as the reference the job is."
    )
    boundaries: Annotated[tuple[Decimal, ...], Field(max_length=4)] = Field(
        default=(), description="boundaries are the indices above which A, B, C and D begin."
    )
    letter: Annotated[str, Field(pattern="^[A-E]$", max_length=1)] | None = Field(
        default=None, description="letter, A to E."
    )
    weight: PositiveDecimal = Field(description="weight in the compound letter.")
    reason: ShortText | None = Field(default=None, description="reason says why it has no letter.")


class EfficiencyStatus(ApiModel):
    """efficiency sets accuracy against consumption."""

    metrics: Annotated[tuple[EfficiencyMetric, ...], Field(max_length=MAX_METRICS)] = Field(
        default=(), description="metrics are SAM, APC, APEC and their relatives."
    )
    label: Annotated[str, Field(pattern="^[A-E]$", max_length=1)] | None = Field(
        default=None, description="label is the compound rating, A to E."
    )
    reference: ShortText | None = Field(
        default=None, description="reference names the set that ratings compare with."
    )
    reference_rows: Count | None = Field(
        default=None, description="referenceRows is how many measurements are behind the set."
    )
    compound: ShortText | None = Field(
        default=None, description="compound is how one letter was made of many."
    )
    ratings: Annotated[tuple[RatedProperty, ...], Field(max_length=MAX_RATINGS)] = Field(
        default=(), description="ratings are the letters of the single properties."
    )
    message: LongText | None = Field(
        default=None, description="message says why the job has no letter."
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
    price_per_hour: PositiveDecimal | None = Field(
        default=None, description="pricePerHour is the price that instance was made with."
    )
    price_per_kilowatt_hour: PositiveDecimal | None = Field(
        default=None, description="pricePerKilowattHour is the tariff that energy was made with."
    )
