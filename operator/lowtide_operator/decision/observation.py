"""Observation of one TrainingJob: `decide` sees this value and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lowtide.accounts.figures import Measurement
from lowtide.accounts.progress import Mark
from lowtide.grid.series import Signal
from lowtide.planning import Calendar, Forecast, Plan, Request
from lowtide.planning.durations import Experience
from lowtide.prices.forecast import PriceForecast
from lowtide.trainingjob.conditions import Reason, Truth
from lowtide.trainingjob.status import PredictionStatus, TrainingStatus
from lowtide_operator.objects.pods import PodView
from lowtide_operator.objects.views import ChildView, JobView
from lowtide_operator.objects.workloads import WorkloadView


@dataclass(frozen=True, slots=True, eq=False)
class ZoneOutlook:
    """What jobs of a zone are planned by; compared by identity: the same object, the same plans."""

    forecast: Forecast
    prices: PriceForecast | None = None
    """`None` where the zone has no prices, or none is known."""

    @property
    def zone(self) -> str:
        """Return the zone's name."""
        return self.forecast.zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """What is known about the grid of a job."""

    forecast: Forecast | None = None
    """`None` where nothing is known."""
    prices: PriceForecast | None = None
    """`None` where the zone has no prices, or none is known."""
    price_trouble: str | None = None
    """Why `prices` is `None`."""
    prices_pending_until: datetime | None = None
    """The first prices of the zone are awaited until then."""
    zone: str | None = None
    signal: Signal | None = None
    status: Truth = "Unknown"
    """Of the condition ForecastAvailable, as `reason` and `message`."""
    reason: str = Reason.FORECAST_PENDING
    message: str = ""
    pending_until: datetime | None = None
    """The first fetch is awaited until then."""
    fault: Reason | None = None
    """The job asks for a grid that the settings do not have."""


@dataclass(frozen=True, slots=True)
class StartRefusal:
    """Why the API server refused a Job.

    `lasting` says that the same request can never work.
    """

    reason: Reason
    message: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that was made together with those of other jobs, and the question it answers."""

    request: Request
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is known about one TrainingJob at `now`."""

    now: datetime
    job: JobView
    child: ChildView | None = None
    """Its batch Job."""
    child_is_gone: bool = False
    """The API server, and not only the cache, has no batch Job."""
    workload: WorkloadView | None = None
    """The workload that spec.targetRef names; also `child` once it has started."""
    missing: str = ""
    """That there is no such workload yet, in one sentence."""
    runs_at_once: str = ""
    """Why the workload is not kept waiting, in one sentence; empty where it may be."""
    pods: tuple[PodView, ...] = ()
    """The pods as listed just now."""
    creation_failure: str = ""
    """Why the Job controller cannot create pods, in its words; empty where it can."""
    forecast: ForecastView = ForecastView()
    template_checked: bool = False
    """The API server would take the Job."""
    template_refusal: StartRefusal | None = None
    """Why it would not."""
    refusal: StartRefusal | None = None
    """Why the Job could not be created just now."""
    measurement: Measurement | None = None
    """Figures of an ended job, where they are new."""
    experience: Experience | None = None
    """What the job's series says about its duration and energy."""
    calendar: Calendar | None = None
    """Reservations of others, for a job that is planned by itself."""
    prepared: Prepared | None = None
    """The plan from the last pass over all waiting jobs."""
    training: TrainingStatus | None = None
    """What the running training reported, with the energy of its epochs."""
    marks: tuple[Mark, ...] = ()
    """How far the training was at earlier moments, as far as this operator asked."""
    prediction: PredictionStatus | None = None
    """Totals of the whole run as they are expected now."""
    joules_so_far: Mapping[str, float] = field(default_factory=dict)
    """What running pods have used up to now, by pod uid."""
