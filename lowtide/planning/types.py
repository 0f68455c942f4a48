"""What the planner takes and gives.

The shapes are final: the first planner and the stochastic one are exchanged behind them. Nothing
here reads a clock or knows Kubernetes. All times are aware UTC, intensities g/kWh, durations
seconds, ratios between 0 and 1.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lowtide.grid.forecast import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One job as the planner sees it.

    `remaining_seconds` is the median of the full-power running time still to do,
    `remaining_high_seconds` its 90th percentile (used for the latest start). `started` says that
    it ran before (a resume then costs `restart_cost_seconds`), `running` that it runs now.
    `waited` says that an earlier plan made it wait: the minimum saving is asked once, at
    submission, and not again. `since` is when the present stretch of running or resting of a
    started job began; it keeps a job from pausing and resuming in quick turn. `created` orders
    jobs of equal latest start; the key decides last.
    """

    key: str
    earliest: datetime
    deadline: datetime
    remaining_seconds: float
    remaining_high_seconds: float
    interruptible: bool = False
    restart_cost_seconds: float = 0.0
    started: bool = False
    running: bool = False
    minimum_saving_ratio: float = 0.02
    gpus: int = 1
    latency_seconds: float = 120.0
    margin_seconds: float = 300.0
    waited: bool = False
    since: datetime | None = None
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One uninterrupted stretch of running, `[start, end)`."""

    start: datetime
    end: datetime


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
    """What to do now and what is intended; only `run` binds, the segments are provisional.

    `planned_grams_per_kwh` and `run_now_grams_per_kwh` are mean intensities over the running time
    under the same forecast; `saving_ratio` compares their totals, restart work included. They are
    `None` where no forecast reaches far enough. `look_again_at` is when the decision should be
    made again even if nothing changes. `explanation` is one sentence for people, `would_change`
    names what could lead to another plan.
    """

    run: bool
    reason: PlanReason
    segments: tuple[Segment, ...]
    latest_start: datetime
    look_again_at: datetime
    planned_grams_per_kwh: float | None
    run_now_grams_per_kwh: float | None
    saving_ratio: float | None
    sources: tuple[Source, ...]
    provider: str | None
    forecast_generated_at: datetime | None
    explanation: str
    would_change: str = ""
