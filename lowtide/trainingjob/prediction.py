"""Prediction in the status of a job that runs, and how good it was once the job has ended.

Every amount carries the interval that should hold what comes in 90 of 100 cases. A quantity that
cannot be predicted is absent, and `message` says why.
"""

from typing import Annotated

from pydantic import Field

from lowtide.trainingjob.base import (
    ApiModel,
    Decimal,
    LongText,
    PositiveDecimal,
    ShortText,
    Timestamp,
)


class PredictedAmount(ApiModel):
    """An expected amount with its 90 % interval."""

    expected: PositiveDecimal = Field(description="expected is the most likely amount.")
    low: PositiveDecimal = Field(description="low is the lower end of the 90 % interval.")
    high: PositiveDecimal = Field(description="high is the upper end of the 90 % interval.")


class PredictedMoment(ApiModel):
    """An expected moment with its 90 % interval."""

    expected: Timestamp = Field(description="expected is the most likely moment.")
    earliest: Timestamp = Field(description="earliest is the lower end of the 90 % interval.")
    latest: Timestamp = Field(description="latest is the upper end of the 90 % interval.")


class PredictedFigures(ApiModel):
    """Totals of the whole run, pauses and finished work included, as predicted at one moment."""

    made_at: Timestamp | None = Field(
        default=None, description="madeAt is when the prediction was made."
    )
    method: ShortText | None = Field(
        default=None,
        description="method is Series (earlier runs), Epochs or Samples (what is finished).",
    )
    progress: PositiveDecimal | None = Field(
        default=None, description="progress is the finished share of the planned work, 0 to 1."
    )
    energy_joules: PredictedAmount | None = Field(
        default=None, description="energyJoules is the energy of the whole run."
    )
    grams: PredictedAmount | None = Field(
        default=None,
        description="grams is what the run emits: operational, and embodied where that is known.",
    )
    sci_grams_per_unit: PredictedAmount | None = Field(
        default=None, description="sciGramsPerUnit is the Software Carbon Intensity."
    )
    money: PredictedAmount | None = Field(
        default=None,
        description=(
            "money is the price of the reserved hardware; where none is known, that of the energy."
        ),
    )
    finish: PredictedMoment | None = Field(
        default=None, description="finish is the end of the run, planned pauses included."
    )


class PredictionReview(ApiModel):
    """The first prediction of one quantity, set against what came."""

    quantity: ShortText = Field(
        description="quantity is energyJoules, grams, sciGramsPerUnit, money or runSeconds."
    )
    actual: PositiveDecimal = Field(description="actual is what was measured.")
    error_percent: Decimal = Field(
        description="errorPercent is the predicted amount less the actual one, over the latter."
    )
    held: bool = Field(description="held says whether the 90 % interval held the actual amount.")


class PredictionStatus(PredictedFigures):
    """prediction is what the whole run is expected to use, with 90 % intervals."""

    currency: ShortText | None = Field(default=None, description="currency of money.")
    explanation: LongText | None = Field(
        default=None, description="explanation says what the prediction follows from."
    )
    message: LongText | None = Field(
        default=None, description="message says why there is no prediction, or a part is absent."
    )
    first: PredictedFigures | None = Field(
        default=None, description="first is the first prediction from the run's own progress."
    )
    review: Annotated[tuple[PredictionReview, ...], Field(max_length=8)] = Field(
        default=(), description="review says after the end how good the first prediction was."
    )
