"""Scores in the status of an ended job: SCI, savings, efficiency, letters and cost.

A missing number is absent, and a reason beside it or a condition says why. The inputs of a score
are beside it, so that `lowtide explain` can compute it again.
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

MAX_METRICS = 16
MAX_RATINGS = 16


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
        default=None, description="instance is price per hour times the hours of all pods."
    )
    run_now_instance: PositiveDecimal | None = Field(
        default=None,
        description=(
            "runNowInstance is what the hardware would have cost for the same work at the "
            "template's size, without a pause; of an elastic job."
        ),
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
