"""Defaults of the schedule: what holds for a job that does not say when it may run."""

from typing import Annotated

from pydantic import Field

from lowtide.trainingjob.base import ApiModel
from lowtide.trainingjob.schedule import ObjectiveChoice

Seconds = Annotated[float, Field(ge=0, le=31_536_000)]
PositiveSeconds = Annotated[float, Field(gt=0, le=31_536_000)]


class ScheduleSettings(ApiModel):
    """Defaults of a job that does not say when it may run."""

    maximum_delay_seconds: Seconds = 86_400
    """Longest wait before the start of a job without deadline and maxDelaySeconds; 24 h."""
    expected_duration_seconds: PositiveSeconds = 3_600
    """Running time of a job that states none and has no history in its series; 1 h."""
    duration_high_ratio: Annotated[float, Field(ge=1, le=10)] = 1.2
    """90th percentile of the running time over the expected one while history is short."""
    start_latency_seconds: Seconds = 120
    """Time from the decision to start until a pod runs; kept free before the latest start."""
    margin_seconds: Seconds = 300
    """Spare time kept free before the deadline."""
    forecast_patience_seconds: Seconds = 60
    """How long a job waits for the first forecast after the operator's start, then runs without."""
    look_again_seconds: PositiveSeconds = 900
    """Longest time between two decisions about a waiting job."""
    objective: ObjectiveChoice = Field(default_factory=ObjectiveChoice)
    """What plans minimise where neither the job nor its namespace says: grams (Carbon), money
    (Cost), or money with pricePerTonne (Both)."""
    namespace_objectives: Annotated[dict[str, ObjectiveChoice], Field(max_length=1024)] = Field(
        default_factory=dict
    )
    """The same for the jobs of single namespaces, by name; it goes before the one for all."""
