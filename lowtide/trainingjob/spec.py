"""Spec of a TrainingJob, which people write.

Everything has a default but what is run: a Job template, or the workload that targetRef names.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from lowtide.grid.series import Signal
from lowtide.metrics.sam import EnergyUnit
from lowtide.metrics.sci import FunctionalUnitKind
from lowtide.trainingjob.base import ApiModel, PositiveDecimal
from lowtide.trainingjob.budget import Budget
from lowtide.trainingjob.schedule import Schedule, Seconds

PUE_PATTERN = r"^([1-9](\.[0-9]+)?|10(\.0+)?)$"
"""A decimal number from 1 to 10 as text."""


TEMPLATE_OR_TARGET: Final = (
    "spec needs either a template (a Job to create) or a targetRef (a workload that exists), "
    "and not both"
)


class Work(StrEnum):
    """What a job does."""

    TRAINING = "Training"
    INFERENCE = "Inference"


UNITS_OF_INFERENCE: Final = (
    FunctionalUnitKind.SAMPLE,
    FunctionalUnitKind.TOKEN,
    FunctionalUnitKind.REQUEST,
    FunctionalUnitKind.CUSTOM,
)
UNIT_AND_WORK: Final = (
    "an Inference counts Sample, Token, Request or Custom in spec.functionalUnit.kind, and Request "
    "is for an Inference"
)


class Grid(ApiModel):
    """grid names the electricity grid that the job's energy comes from."""

    zone: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_.-]+$")] | None
    ) = Field(
        default=None,
        description="zone is a zone of the operator's settings; absent means its default.",
    )
    signal: Signal | None = Field(
        default=None,
        description="signal is Average or Marginal, never mixed; absent means the zone's own.",
    )
    pue: Annotated[str, Field(pattern=PUE_PATTERN, max_length=32)] | None = Field(
        default=None,
        description=(
            "pue is the overhead of the data centre, from 1 to 10, as an assumption; absent means "
            "that of the operator's settings for the zone."
        ),
    )


class FunctionalUnit(ApiModel):
    """functionalUnit is R in SCI = C / R."""

    kind: FunctionalUnitKind = Field(
        default=FunctionalUnitKind.TRAINING_JOB, description="kind names what is counted."
    )
    count: PositiveDecimal | None = Field(
        default=None, description="count is given here or else taken from the trainer's report."
    )
    name: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        default=None, description="name is what a Custom unit is called, for example image."
    )


class Hardware(ApiModel):
    """hardware overrides the embodied emissions that the settings hold by GPU model."""

    embodied_grams: PositiveDecimal | None = Field(
        default=None,
        description="embodiedGrams is TE of one GPU with its share of the server, in grams.",
    )
    lifespan_seconds: Annotated[int, Field(ge=1, le=3_153_600_000)] | None = Field(
        default=None, description="lifespanSeconds is EL, the expected life of the hardware."
    )
    source: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="source says where the embodied figure comes from."
    )


class Price(ApiModel):
    """price turns time and energy into money."""

    per_hour: PositiveDecimal | None = Field(
        default=None,
        description=(
            "perHour is the price of one hour of the hardware that one pod reserves; every pod's "
            "hours count, so it follows the width of an elastic job."
        ),
    )
    per_kilowatt_hour: PositiveDecimal | None = Field(
        default=None, description="perKilowattHour is the tariff of the electricity."
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)] = Field(
        default="USD", description="currency is an ISO 4217 code."
    )


class SamParameters(ApiModel):
    """sam parametrises SAM = beta * accuracy^alpha / log10(E)."""

    alpha: PositiveDecimal = Field(default="5", description="alpha weighs accuracy.")
    beta: PositiveDecimal = Field(default="5", description="beta scales the result.")
    unit: EnergyUnit = Field(default=EnergyUnit.WH, description="unit is the unit of E.")


class ApcParameters(ApiModel):
    """apc parametrises APC and its relatives."""

    alpha: PositiveDecimal = Field(default="0.1", description="alpha is a, in 0 to 1.")
    beta: PositiveDecimal | None = Field(
        default=None,
        description=(
            "beta is b, at least 0; absent means the published weight of the unit: 0.1 for the Wh "
            "per hour of APC, 50 for the cents per hour of APEC."
        ),
    )


class Metrics(ApiModel):
    """metrics chooses parameters and the series that this job belongs to."""

    sam: SamParameters = Field(default_factory=SamParameters, description="sam parametrises SAM.")
    apc: ApcParameters = Field(default_factory=ApcParameters, description="apc parametrises APC.")
    target_accuracy: (
        Annotated[str, Field(pattern=r"^(0(\.[0-9]+)?|1(\.0+)?)$", max_length=32)] | None
    ) = Field(
        default=None,
        description=(
            "targetAccuracy is a fraction; TTCAPC and TTCAPEC count the training time until its "
            "cell is reached. Absent means the best that the run reached."
        ),
    )
    series: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        default=None,
        description="series groups jobs whose durations and figures may be compared.",
    )


class TargetRef(ApiModel):
    """targetRef names a workload of the same namespace that somebody else wrote."""

    api_version: Annotated[
        str,
        Field(
            min_length=2,
            max_length=253,
            pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$",
        ),
    ] = Field(description="apiVersion is group and version of its kind, for example batch/v1.")
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")] = (
        Field(description="kind is its kind, for example Job or JobSet.")
    )
    name: Annotated[
        str,
        Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
    ] = Field(description="name is its name.")


class TrainingJobSpec(ApiModel):
    """spec is what the user wants."""

    work: Work = Field(
        default=Work.TRAINING,
        description=(
            "work is Training or Inference; an Inference is rated by what it used between the "
            "marks that its process reports."
        ),
    )
    schedule: Schedule = Field(default_factory=Schedule, description="schedule says when to run.")
    grid: Grid = Field(default_factory=Grid, description="grid names the electricity grid.")
    functional_unit: FunctionalUnit = Field(
        default_factory=FunctionalUnit, description="functionalUnit is R of the SCI."
    )
    hardware: Hardware = Field(
        default_factory=Hardware, description="hardware overrides embodied emissions."
    )
    price: Price | None = Field(default=None, description="price turns time and energy into money.")
    budget: Budget | None = Field(
        default=None,
        description="budget limits energy, grams, money or the end, and says what to do.",
    )
    metrics: Metrics = Field(default_factory=Metrics, description="metrics chooses parameters.")
    ttl_seconds_after_finished: Seconds | None = Field(
        default=None,
        description=(
            "ttlSecondsAfterFinished deletes the TrainingJob, with its figures, this long after "
            "its end; never before they are read. Absent means never."
        ),
    )
    suspend: bool = Field(
        default=False,
        description="suspend keeps a waiting job from starting and pauses a running one.",
    )
    managed_by: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        default=None, description="managedBy names another controller that takes this job over."
    )
    template: dict[str, Any] | None = Field(
        default=None,
        description=(
            "template is a batch/v1 JobTemplateSpec (metadata and spec of the Job to create); it "
            "is checked by the API server when the job is first seen."
        ),
    )
    target_ref: TargetRef | None = Field(
        default=None,
        description=(
            "targetRef names an existing workload instead of a template: it is held, released, "
            "paused and measured where it is, and neither object owns the other."
        ),
    )

    @model_validator(mode="after")
    def _unit_fits_work(self) -> "TrainingJobSpec":
        unit = self.functional_unit.kind
        if self.work is Work.INFERENCE and unit not in UNITS_OF_INFERENCE:
            raise ValueError(f"{UNIT_AND_WORK}: the kind is {unit}")
        if self.work is Work.TRAINING and unit is FunctionalUnitKind.REQUEST:
            raise ValueError(f"{UNIT_AND_WORK}: the work is {self.work}")
        return self
