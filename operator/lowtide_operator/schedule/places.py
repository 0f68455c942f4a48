"""Places of a job: what it would cost in each cluster if it began there now.

A Workload that has quota begins as soon as a cluster admits it, because Lowtide let it go only when
its time had come. So the window that counts is the one that begins now, and the rule is that of
`lowtide where` (`lowtide.planning.places`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from lowtide import names
from lowtide.planning.durations import PastRun, learn
from lowtide.planning.moving import Moving
from lowtide.planning.objective import CARBON, Objective
from lowtide.planning.places import place_of
from lowtide.trainingjob.attempts import worked_seconds
from lowtide.trainingjob.objectives import asked_objective
from lowtide.trainingjob.requests import request_to_begin
from lowtide.trainingjob.spec import Grid, TrainingJobSpec
from lowtide.trainingjob.window import window_of
from lowtide.trainingjob.workload_kinds import JOB, WorkloadKind, kind_of
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.decision.nomination import Ranking, all_of, ranking
from lowtide_operator.decision.observation import ForecastView
from lowtide_operator.dispatch_settings import DispatcherSettings
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.multikueue import DispatchedWorkload, WorkerCluster
from lowtide_operator.objects.opt_in import trainingjob_name, wanted_trainingjob
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.views import Fault, JobView, controller_of
from lowtide_operator.settings import OperatorSettings

NOT_OURS: Final = "Lowtide does not schedule this workload"

Body = dict[str, Any]


class JobStore(Protocol):
    """Reads of jobs; `lowtide_operator.cluster.client.Cluster` has them."""

    async def get_workload(self, kind: WorkloadKind, namespace: str, name: str) -> Body | None:
        """Return a workload."""
        ...

    async def get_training_job(self, key: Key) -> Body | None:
        """Return a TrainingJob."""
        ...

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        """Return the annotations of a namespace."""
        ...


class ZoneViews(Protocol):
    """What is known of grid zones; `lowtide_operator.schedule.forecasts.Forecasts` is one."""

    def view(self, grid: Grid) -> ForecastView:
        """Return what is known about a grid."""
        ...


class PlacesOfJobs:
    """Order of clusters for the job behind a Workload."""

    def __init__(
        self,
        store: JobStore,
        zones: ZoneViews,
        cache: Cache,
        settings: Callable[[], OperatorSettings],
        kinds: Sequence[WorkloadKind],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._zones = zones
        self._cache = cache
        self._settings = settings
        self._kinds = (JOB, *kinds)
        self._clock = clock

    async def rank(
        self, workload: DispatchedWorkload, clusters: Sequence[WorkerCluster]
    ) -> Ranking | None:
        """Return the order; `None` while the first forecast of a zone is awaited.

        Raises:
            ClusterError: the job cannot be read.
        """
        job = await self._job_of(workload)
        if job is None:
            return all_of(clusters, NOT_OURS)
        if isinstance(job.spec, Fault):
            return all_of(clusters, job.spec.message)
        now = self._clock()
        names_of_zones = {one.zone for one in clusters if one.zone}
        views = {zone: self._zones.view(Grid(zone=zone)) for zone in names_of_zones}
        if not workload.nominated and any(_is_awaited(view, now) for view in views.values()):
            return None
        past = self._cache.past_runs(job)
        return rank_for(job, job.spec, clusters, views, past, self._settings(), now)

    async def _job_of(self, workload: DispatchedWorkload) -> JobView | None:
        """Return the TrainingJob behind a Workload; `None` where Lowtide has no part in it."""
        owner, namespace = workload.owner, workload.key.namespace
        kind = None if owner is None else kind_of(self._kinds, owner.api_version, owner.kind)
        if owner is None or kind is None:
            return None
        body = await self._store.get_workload(kind, namespace, owner.name)
        if body is None or body["metadata"]["uid"] != owner.uid:
            return None
        metadata = body["metadata"]
        ours = controller_of(metadata)
        labelled = (metadata.get("labels") or {}).get(names.LABEL_SCHEDULE) == "true"
        keys = [] if ours is None else [Key(namespace, ours["name"])]
        keys += self._cache.naming(namespace, kind.kind, owner.name)
        keys += [Key(namespace, trainingjob_name(owner.name, owner.uid))] * labelled
        for key in keys:
            found = await self._store.get_training_job(key)
            if found is not None:
                return Record.of(found).view()
        if not labelled:
            return None
        # Its TrainingJob is about to be made: what it will say is known already.
        notes = await self._store.namespace_annotations(namespace)
        made = wanted_trainingjob(kind, body, notes)
        created = {"uid": metadata["uid"], "creationTimestamp": metadata["creationTimestamp"]}
        return Record.of({**made, "metadata": {**made["metadata"], **created}}).view()


def rank_for(
    job: JobView,
    spec: TrainingJobSpec,
    clusters: Sequence[WorkerCluster],
    views: Mapping[str, ForecastView],
    past: Sequence[PastRun],
    settings: OperatorSettings,
    now: datetime,
) -> Ranking:
    """Return the order of clusters for a job that begins now; `views` is keyed by zone."""
    window = window_of(spec, job.created, settings.schedule, learn(past))
    worked = worked_seconds(
        job.status.attempts, now, float(spec.schedule.interruption.restart_cost_seconds)
    )
    objective, note = _objective(spec, job.key.namespace, views, settings)
    request = request_to_begin(window, worked, now, objective)
    moving = moving_of(spec, settings.dispatcher, objective)
    in_zone = {
        zone: place_of(
            zone,
            zone,
            now,
            request,
            view.forecast,
            view.prices,
            trouble=_trouble(zone, view),
            moving=moving,
        )
        for zone, view in views.items()
    }
    places = [replace(in_zone[one.zone], name=one.name) for one in clusters if one.zone]
    return ranking(clusters, places, objective, note)


def moving_of(
    spec: TrainingJobSpec, settings: DispatcherSettings, objective: Objective
) -> Moving | None:
    """Return what moving the job's data costs; `None` where nothing counts in its objective."""
    data = spec.schedule.data
    grams, price = settings.grams_per_gigabyte, settings.price_per_gigabyte
    counts = (objective.per_gram > 0 and grams is not None) or (
        objective.needs_prices and price is not None
    )
    if data is None or not counts:
        return None
    return Moving(
        gigabytes=float(data.gigabytes),
        home=data.zone,
        energy_kwh=float(data.energy_kilowatt_hours),
        grams_per_gb=grams,
        price_per_gb=price,
    )


def _is_awaited(view: ForecastView, now: datetime) -> bool:
    return view.pending_until is not None and now < view.pending_until


def _trouble(zone: str, view: ForecastView) -> str:
    if view.fault is not None:
        return f"zone {zone} is not in the operator's settings"
    return view.message if view.forecast is None else ""


def _objective(
    spec: TrainingJobSpec,
    namespace: str,
    views: Mapping[str, ForecastView],
    settings: OperatorSettings,
) -> tuple[Objective, str]:
    """Return what the places are weighed by, and why it is not what was asked for.

    It is what was asked for where any zone has the prices for it: one without them comes last.
    """
    asked = asked_objective(spec, namespace, settings.schedule)
    in_force = [asked.in_force(view.prices, view.price_trouble) for view in views.values()]
    wanted = next((one for one in in_force if one.objective.needs_prices), None)
    if wanted is not None:
        return wanted.objective, ""
    note = next((one.note for one in in_force if one.note), "")
    return CARBON, note or ""
