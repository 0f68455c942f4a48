"""Question and answer of the planner: what it takes and what it gives.

Nothing here reads a clock or knows Kubernetes. All times are aware UTC, intensities g/kWh,
durations seconds, ratios between 0 and 1.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lowtide.grid.forecast import Source
from lowtide.planning.elastic import Elastic
from lowtide.planning.objective import CARBON, Objective
from lowtide.planning.scaling import Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One job as the planner sees it."""

    key: str
    """Unique within a planning pass; decides between jobs that are otherwise equal."""
    earliest: datetime
    """The earliest permitted start."""
    deadline: datetime
    """The job must have ended by then."""
    remaining_seconds: float
    """Median of the full-power running time still to do."""
    remaining_high_seconds: float
    """Its 90th percentile, which the latest start reserves."""
    interruptible: bool = False
    """Whether the job may be paused at checkpoints."""
    restart_cost_seconds: float = 0.0
    """Full-power running time that one resume burns; the first start is free."""
    started: bool = False
    """Whether the job ran before, so that its next start is a resume."""
    running: bool = False
    """Whether the job runs now."""
    minimum_saving_ratio: float = 0.02
    """Below this expected saving the job does not wait; asked once, at submission."""
    gpus: int = 1
    """GPUs that the job holds while it runs."""
    gpu_resource: str = ""
    """Resource name of these GPUs, by which room is kept apart."""
    latency_seconds: float = 120.0
    """Time from the decision to start until the job runs."""
    margin_seconds: float = 300.0
    """Reserve before the deadline."""
    waited: bool = False
    """Whether an earlier plan made it wait: the minimum saving is then not asked again."""
    since: datetime | None = None
    """When the present stretch of running or resting began; pauses and resumes keep a distance."""
    created: datetime | None = None
    """Orders jobs of equal latest start."""
    objective: Objective = CARBON
    """What is minimised."""
    elastic: Elastic | None = None
    """Sizes of a job that may change its size; durations and GPUs are then those at its base."""
    replicas: int = 0
    """Replicas that an elastic job runs with now."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One uninterrupted stretch of running at one size, `[start, end)`."""

    start: datetime
    end: datetime
    replicas: int | None = None
    """Replicas in this stretch; `None` for a job of fixed size."""


class PlanReason(StrEnum):
    """Why a plan says what it says; each with a sentence in the reference."""

    CLEANEST_WINDOW = "CleanestWindow"
    RUN_NOW_IS_BEST = "RunNowIsBest"
    SAVING_TOO_SMALL = "SavingTooSmall"
    LATEST_START = "LatestStartReached"
    DEADLINE_AT_RISK = "DeadlineAtRisk"
    NO_FORECAST = "NoForecast"
    CAPACITY_SHORT = "CapacityShort"
    NOT_YET_PERMITTED = "NotYetPermitted"
    MINIMUM_STRETCH = "MinimumStretch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now and what is intended; only `run` binds, the segments are provisional."""

    run: bool
    """Whether the job should run now."""
    reason: PlanReason
    """Why."""
    segments: tuple[Segment, ...]
    """The intended stretches of running, in order."""
    latest_start: datetime
    """When the job starts whatever the forecast says."""
    look_again_at: datetime
    """When the decision should be made again even if nothing changes."""
    planned_grams_per_kwh: float | None
    """Mean intensity over the planned running time, weighted by the replicas of an elastic job;
    `None` where no forecast reaches far enough."""
    run_now_grams_per_kwh: float | None
    """Mean intensity of a run at once, under the same forecast; of an elastic job at its base."""
    saving_ratio: float | None
    """1 - planned / run now in grams, as totals with the work of resumes."""
    sources: tuple[Source, ...]
    """Where the values under the segments come from, in order of appearance."""
    provider: str | None
    """The forecast's provider."""
    forecast_generated_at: datetime | None
    """When the provider made the forecast."""
    explanation: str
    """One sentence for people."""
    planned_price_per_kwh: float | None = None
    """Mean price over the planned running time; `None` where no price is known so far."""
    run_now_price_per_kwh: float | None = None
    """Mean price of a run at once."""
    currency: str | None = None
    """Currency of the prices."""
    alternatives: str = ""
    """Sentence on what carbon alone and cost alone would have chosen; empty where not asked."""
    money_saving_ratio: float | None = None
    """As `saving_ratio`, in money; `None` too where a run at once costs nothing or less."""
    objective_saving_ratio: float | None = None
    """As `saving_ratio`, in what the job minimises."""
    would_change: str = ""
    """What could lead to another plan."""
    replicas: int | None = None
    """Replicas to run with now, 0 to wait; `None` for a job of fixed size."""
    scaling: Scaling | None = None
    """What speeds and powers of an elastic job come from; `None` for one of fixed size."""
