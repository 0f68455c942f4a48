"""Scaling of an elastic job in its status: what speeds and powers were counted with, and why."""

from typing import Annotated, Literal

from pydantic import Field

from lowtide.planning.errors import RequestError
from lowtide.planning.rates import MOST_SIZES, Rates
from lowtide.planning.scaling import Scaling, ScalingSource
from lowtide.trainingjob.base import ApiModel, Count, PositiveDecimal, decimal_text

SCALING_DIGITS = 5


class TrainedStretch(ApiModel):
    """What the training reported of one attempt: so much was trained on in so long."""

    unit: Literal["Samples", "Epochs"] = Field(description="unit is Samples or Epochs.")
    count: Annotated[int, Field(ge=1)] = Field(
        description="count is how many were trained on in these seconds."
    )
    seconds: PositiveDecimal = Field(
        description="seconds is the training time of them, without start-up and pauses."
    )


class RateStatus(ApiModel):
    """Speed of a size."""

    replicas: Annotated[int, Field(ge=1)] = Field(description="replicas is the size.")
    speed: PositiveDecimal = Field(
        description="speed is that of this size, where that of the smallest measured one is 1."
    )


class ScalingStatus(ApiModel):
    """scaling is how fast and how powerful an elastic job is taken to be at each size."""

    efficiency: PositiveDecimal = Field(description="efficiency is that of a doubling.")
    low: PositiveDecimal = Field(
        description="low is what the deadline counts on above the template's size."
    )
    high: PositiveDecimal = Field(description="high is what it counts on below that size.")
    source: Literal["Given", "Learnt", "Assumed"] = Field(
        description="source is Given (in the spec), Learnt (from attempts) or Assumed."
    )
    attempts: Count = Field(
        default=0, description="attempts is how many attempts the efficiency was learnt from."
    )
    power_exponent: PositiveDecimal = Field(
        default="1",
        description="powerExponent is that of the replicas in the power: 1 is proportional.",
    )
    power_attempts: Count = Field(
        default=0,
        description="powerAttempts is how many attempts' energy says so; 0: it is assumed.",
    )
    rates: Annotated[list[RateStatus], Field(max_length=MOST_SIZES)] | None = Field(
        default=None,
        description="rates are the speeds of three or more measured sizes, which are planned with.",
    )


def scaling_status(scaling: Scaling | None) -> ScalingStatus | None:
    """Return a scaling for the status; `None` for a job of fixed size."""
    if scaling is None:
        return None
    numbers = (scaling.efficiency, scaling.low, scaling.high, scaling.power_exponent)
    efficiency, low, high, exponent = (decimal_text(one, SCALING_DIGITS) or "1" for one in numbers)
    return ScalingStatus(
        efficiency=efficiency,
        low=low,
        high=high,
        source=scaling.source.value,
        attempts=scaling.attempts,
        power_exponent=exponent,
        power_attempts=scaling.power_attempts,
        rates=None
        if scaling.rates is None
        else [
            RateStatus(replicas=size, speed=decimal_text(speed, SCALING_DIGITS) or "1")
            for size, speed in scaling.rates.points
        ],
    )


def scaling_from(status: ScalingStatus | None) -> Scaling | None:
    """Return the scaling that a status remembers, `None` where it is none to plan with."""
    if status is None:
        return None
    try:
        return Scaling(
            efficiency=float(status.efficiency),
            low=float(status.low),
            high=float(status.high),
            source=ScalingSource(status.source),
            attempts=status.attempts,
            power_exponent=float(status.power_exponent),
            power_attempts=status.power_attempts,
            rates=None
            if status.rates is None
            else Rates(tuple((one.replicas, float(one.speed)) for one in status.rates)),
        )
    except RequestError:
        # Whoever may write a status may have written this one.
        return None
