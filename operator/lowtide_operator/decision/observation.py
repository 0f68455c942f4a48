"""Everything a decision is made from, as one value: `decide` sees this and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lowtide.grid.series import Signal
from lowtide.planning import Calendar, Forecast, Plan, Request
from lowtide.trainingjob.status import (
    CarbonStatus,
    CostStatus,
    CounterfactualStatus,
    EfficiencyStatus,
    EnergyStatus,
    SciStatus,
    TrainingStatus,
)
from lowtide_operator.learning import Experience
from lowtide_operator.objects.views import ChildView, JobView, PodView
from lowtide_operator.status.conditions import Reason, Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """What is known about the grid of a job.

    `forecast` is `None` where nothing is known; it is `pending` while the first fetch runs, at
    most until `pending_until`. `status`, `reason` and `message` are those of the condition
    ForecastAvailable. `fault` says that the job asks for a grid that the settings do not have.
    """

    forecast: Forecast | None = None
    zone: str | None = None
    signal: Signal | None = None
    status: Truth = "Unknown"
    reason: str = Reason.FORECAST_PENDING
    message: str = ""
    pending_until: datetime | None = None
    fault: Reason | None = None


@dataclass(frozen=True, slots=True)
class StartRefusal:
    """What the API server said to a Job that was to be created or tried.

    `lasting` says that the same request can never work.
    """

    reason: Reason
    message: str
    lasting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What the energy reading of an ended job gave; a section that cannot be had is `None`.

    `status`, `reason` and `message` are those of the condition Measured; status Unknown means
    that it will be tried again. `training` is the report with the energy of its epochs. `attempts`
    holds joules and grams by attempt number, `pods` joules by pod uid.
    """

    status: Truth
    reason: Reason
    message: str
    training: TrainingStatus | None = None
    energy: EnergyStatus | None = None
    carbon: CarbonStatus | None = None
    sci: SciStatus | None = None
    counterfactual: CounterfactualStatus | None = None
    efficiency: EfficiencyStatus | None = None
    cost: CostStatus | None = None
    attempts: dict[int, tuple[int, float | None]] = field(default_factory=dict)
    pods: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that was made together with those of other jobs, and the question it answers."""

    request: Request
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is known about one TrainingJob at `now`.

    `child` is its batch Job, `pods` the pods seen just now. `child_is_gone` says that the API
    server, and not only the cache, has no batch Job. `template_checked` says that the API server
    would take the Job, `template_refusal` why not; `refusal` is what came of creating it just now.
    `joules_so_far` is what running pods have used up to now, by uid. `prepared` is the plan from
    the last pass over all waiting jobs; `calendar` is there where a job is planned by itself.
    """

    now: datetime
    job: JobView
    child: ChildView | None = None
    child_is_gone: bool = False
    pods: tuple[PodView, ...] = ()
    forecast: ForecastView = ForecastView()
    template_checked: bool = False
    template_refusal: StartRefusal | None = None
    refusal: StartRefusal | None = None
    measurement: Measurement | None = None
    experience: Experience | None = None
    calendar: Calendar | None = None
    prepared: Prepared | None = None
    joules_so_far: Mapping[str, float] = field(default_factory=dict)
