"""Figures in the status of an ended job: training, energy and carbon.

A missing number is absent, and a reason beside it or a condition says why. Numbers are integers or
decimal texts with the unit in the name. The inputs of a figure are beside it, so that
`lowtide explain` can compute it again.
"""

from typing import Annotated, Literal

from pydantic import Field

from lowtide.grid.series import Factor, Signal
from lowtide.trainingjob.base import (
    ApiModel,
    Count,
    Decimal,
    LongText,
    PositiveDecimal,
    ShortText,
    Timestamp,
)
from lowtide.trainingjob.inference import InferenceStatus
from lowtide.trainingjob.report_values import HISTORY_LIMIT

MAX_COMPONENTS = 32


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


class CheckpointStatus(ApiModel):
    """The newest checkpoint that the trainer reported."""

    saved_at: Timestamp | None = Field(default=None, description="savedAt is when it was saved.")
    batches: Count | None = Field(
        default=None, description="batches is how many batches of training are in it."
    )
    size_bytes: Count | None = Field(default=None, description="sizeBytes is its size.")
    duration_seconds: PositiveDecimal | None = Field(
        default=None, description="durationSeconds is how long saving it took."
    )
    longest_seconds: PositiveDecimal | None = Field(
        default=None, description="longestSeconds is the longest that saving one was seen to take."
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
    samples_planned: Count | None = Field(
        default=None, description="samplesPlanned is how many are trained on in all."
    )
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
    checkpoint: CheckpointStatus | None = Field(
        default=None, description="checkpoint is the newest one."
    )
    inference: InferenceStatus | None = Field(
        default=None,
        description="inference is what a process answered that trained nothing, with its energy.",
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
        default=None, description="operationalGrams is O = sum of PUE x E x I."
    )
    embodied_grams: PositiveDecimal | None = Field(
        default=None, description="embodiedGrams is M, the job's share of making the hardware."
    )
    total_grams: PositiveDecimal | None = Field(default=None, description="totalGrams is O + M.")
    mean_grams_per_kwh: PositiveDecimal | None = Field(
        default=None, description="meanGramsPerKwh is the grid's: O over PUE x E."
    )
    signal: Signal | None = Field(default=None, description="signal is Average or Marginal.")
    factor: Factor | None = Field(
        default=None,
        description=(
            "factor says which emissions the intensity includes: direct, life-cycle, or unknown "
            "where its source does not say."
        ),
    )
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
    pue: PositiveDecimal | None = Field(
        default=None,
        description=(
            "pue is the overhead of the data centre in operationalGrams; absent means that it is "
            "not known and not included."
        ),
    )
    pue_kind: Literal["Measured", "Assumed"] | None = Field(
        default=None, description="pueKind is Measured or Assumed."
    )
    pue_source: ShortText | None = Field(
        default=None, description="pueSource says where pue comes from."
    )
    pue_message: LongText | None = Field(
        default=None, description="pueMessage says why a configured pue is not known."
    )
