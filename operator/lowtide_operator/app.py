"""Parts of the running operator, put together once and handed to everything else."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lowtide.trainingjob.spec import Grid
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.accepted import Accepted
from lowtide_operator.cluster.adoption import Adoption
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.census import Census
from lowtide_operator.cluster.check_keeper import CheckKeeper
from lowtide_operator.cluster.claims import Claims
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.event_lane import EventLane
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.cluster.workload_watch import WorkloadWatch
from lowtide_operator.measuring.foreseer import Foreseer
from lowtide_operator.measuring.measure import Measurer
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.summary import ENDED_LIVES
from lowtide_operator.samples.live import LiveEnergy
from lowtide_operator.samples.live_reports import LiveReports
from lowtide_operator.samples.scraping import Exporters
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.capacity import NodePool
from lowtide_operator.schedule.dispatcher import Dispatcher
from lowtide_operator.schedule.forecasts import Forecasts
from lowtide_operator.schedule.joint_plans import Desk
from lowtide_operator.schedule.room import GpuRoom
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.tally import Tally
from lowtide_operator.workqueue import Lane, WorkQueue


def utc_now() -> datetime:
    """Return the time; the only place where the operator reads the wall clock."""
    return datetime.now(UTC)


def lane_of(key: Key, cache: Cache) -> Lane:
    """Return which workers look at a job: one that has ended needs nothing but its figures."""
    record = cache.record(key)
    ended = record is not None and record.summary.state in ENDED_LIVES
    return Lane.MEASURING if ended else Lane.JOBS


@dataclass(slots=True, kw_only=True)
class App:
    """Parts that handlers, workers and servers share; all belong to one event loop."""

    settings: OperatorSettings
    """Settings in force; replaced when the file changes."""
    cluster: Cluster
    """Client of the API server."""
    leadership: Leadership
    """Right to write, where several operators run."""
    claims: Claims = field(default_factory=Claims)
    """Namespaces in which this installation may write."""
    cache: Cache
    """What the watches have told."""
    queue: WorkQueue
    """Jobs to look at."""
    forecasts: Forecasts
    """Grid zones."""
    measurer: Measurer
    """Reader of the energy of ended jobs."""
    exporters: Exporters | None
    """The exporters, where the operator scrapes them itself."""
    live: LiveEnergy
    """Energy of running pods so far."""
    bookings: Bookings
    """Reservations of GPUs."""
    desk: Desk
    """Joint plans of the waiting jobs."""
    tally: Tally
    """Counts for metrics and health."""
    events: EventLane
    """Events that wait to be recorded."""
    census: Census
    """Comparison of the cache with the API server."""
    adoption: Adoption
    """Workloads that are taken up because of their label."""
    workloads: WorkloadWatch
    """Watch of the labelled workloads."""
    checks: CheckKeeper | None = None
    """Keeper of our AdmissionCheck, where the settings name one."""
    kinds: tuple[WorkloadKind, ...] = ()
    """Kinds of workloads that TrainingJobs may name."""
    instance: str
    """Name of this process in Events."""
    reports: LiveReports | None = None
    """Reports of running trainings."""
    foreseer: Foreseer | None = None
    """Predictions of running jobs."""
    dispatcher: Dispatcher | None = None
    """Nomination of clusters for the workloads of a MultiKueue, where this operator does that."""
    nodes: NodePool | None = None
    """Count of the nodes' GPUs, where the settings ask for it."""
    templates: Accepted = field(default_factory=Accepted)
    """Templates that the API server has lately accepted."""
    told: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """What was last said of each zone's forecast and prices: status, reason, message."""
    clock: Callable[[], datetime] = utc_now
    """The wall clock."""
    random: Callable[[], float] = random.random
    """Uniform in [0, 1)."""

    def room(self) -> GpuRoom:
        """Return how many GPUs planned jobs may hold at the same time."""
        counted = None if self.nodes is None else self.nodes.gpus
        return GpuRoom(self.settings.capacity_gpus, counted)

    def plan_again(self, zone: str) -> None:
        """Plan the jobs of a zone again, and look at those for which that means something.

        Waiting jobs are planned together and looked at only where that changes their plan, unless
        there is something new to say about the forecast itself.
        """
        view = self.forecasts.view(Grid(zone=zone))
        said = (view.status, view.reason, f"{view.message} {view.price_trouble}")
        is_news = self.told.get(zone) != said
        self.told[zone] = said
        outlook = self.forecasts.outlook(zone)
        if outlook is not None:
            self.desk.plan_by(outlook)
        for record in self.cache.records():
            concerned = record.summary.plans_with_forecast and record.summary.zone in (zone, None)
            if concerned and (is_news or record.key not in self.desk):
                self.queue.add(record.key)
