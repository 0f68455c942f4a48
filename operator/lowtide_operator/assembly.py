"""Assembly of the operator: its parts are made here, put together, and closed at the end."""

import random
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from kubernetes.aio.client import ApiClient

from lowtide_operator.app import App, lane_of, utc_now
from lowtide_operator.cluster.adoption import RETRY_SECONDS, Adoption
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.census import Census
from lowtide_operator.cluster.check_keeper import AT_ONCE as CHECKS
from lowtide_operator.cluster.check_keeper import CheckKeeper
from lowtide_operator.cluster.claim_calls import ClaimCalls
from lowtide_operator.cluster.claims import Claims, ClaimTerms
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.event_lane import WORKERS as EVENT_WORKERS
from lowtide_operator.cluster.event_lane import EventLane
from lowtide_operator.cluster.leadership import Leadership, LeaseTerms
from lowtide_operator.cluster.workload_watch import WorkloadWatch
from lowtide_operator.looks_ahead import JobsAround
from lowtide_operator.measuring.foreseer import Foreseer
from lowtide_operator.measuring.measure import Measurer
from lowtide_operator.samples.breaker import Breaker
from lowtide_operator.samples.live import LiveEnergy
from lowtide_operator.samples.live_reports import LiveReports
from lowtide_operator.samples.prometheus import Prometheus
from lowtide_operator.samples.scraping import Exporters
from lowtide_operator.samples.source import Samples
from lowtide_operator.samples.store import SampleStore
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.capacity import NodePool, OwnPods
from lowtide_operator.schedule.dispatcher import Dispatcher
from lowtide_operator.schedule.forecasts import Forecasts
from lowtide_operator.schedule.joint_plans import Desk
from lowtide_operator.schedule.places import PlacesOfJobs
from lowtide_operator.settings import (
    OperatorSettings,
)
from lowtide_operator.tally import Tally
from lowtide_operator.telemetry.gate import AT_ONCE as REVIEWS
from lowtide_operator.workqueue import Backoff, WorkQueue

CENSUSES_PER_RESYNC: Final = 4


@asynccontextmanager
async def open_app(settings: OperatorSettings) -> AsyncIterator[App]:
    """Give the parts of the operator, and close them."""
    # Besides the workers, Events, reviews, the census and the Lease need a connection each.
    kinds = settings.workloads.entries()
    connections = settings.queue.workers + settings.queue.measuring_workers + EVENT_WORKERS
    connections += REVIEWS + 2
    # Each watch of workloads holds one, and what takes them up needs another.
    watched = max(1, len(settings.cluster.namespaces))
    connections += len(kinds) * watched + 1
    if settings.workloads.admission_check:
        connections += watched + CHECKS + 1
    connections += 2 * settings.dispatcher.enabled
    api = await connect(workers=connections)
    session = aiohttp.ClientSession(trust_env=False)
    queue = WorkQueue(
        clock=time.monotonic,
        random=random.random,
        backoff=Backoff(
            settings.queue.backoff_first_seconds, settings.queue.backoff_maximum_seconds
        ),
        lane_of=lambda key: lane_of(key, cache),
    )
    store = exporters = None
    if settings.exporters.url is not None:
        store = SampleStore(
            settings.history_directory,
            keep_seconds=settings.exporters.keep_seconds,
            maximum_samples=settings.exporters.maximum_samples,
        )
        exporters = Exporters(session, settings.exporters, store, utc_now)
    samples: Samples | None = exporters
    if settings.prometheus.url is not None:
        samples = Breaker(Prometheus(session, settings.prometheus), time.monotonic)
    leadership = Leadership()
    if settings.cluster.lease_namespace is not None:
        leadership.stand_by(
            api,
            LeaseTerms(
                namespace=settings.cluster.lease_namespace,
                name=settings.cluster.lease_name,
                identity=f"{socket.gethostname()}_{uuid.uuid4()}",
                lease_seconds=settings.cluster.lease_seconds,
                retry_seconds=settings.cluster.lease_retry_seconds,
            ),
        )
    claims = _claims(api, leadership, settings)
    cluster = Cluster(
        api, leadership, timeout_seconds=settings.cluster.request_timeout_seconds, claims=claims
    )
    forecasts = Forecasts(settings, clock=utc_now)
    live = LiveEnergy(samples, utc_now)
    reports = LiveReports(
        session,
        settings.prediction,
        clock=utc_now,
        monotonic=time.monotonic,
        on_news=queue.add,
    )
    foreseer = Foreseer(live, reports, forecasts, forecasts.overheads)
    cache, bookings, tally = Cache(), Bookings(), Tally()
    desk = Desk(bookings=bookings, tally=tally, around=JobsAround(lambda: app))
    checks = None
    if settings.workloads.admission_check:
        checks = CheckKeeper(
            cluster,
            cache,
            kinds,
            settings.cluster.namespaces,
            settings.workloads.admission_check,
            on_change=queue.add,
            clock=utc_now,
        )
    adoption = Adoption(
        cluster,
        cache,
        kinds,
        settings.cluster.namespaces,
        on_change=queue.add,
        clock=utc_now,
        on_free=None if checks is None else checks.forget,
        retry_seconds=min(RETRY_SECONDS, settings.cluster.pod_poll_seconds),
    )
    workloads = WorkloadWatch(
        cluster, kinds, settings.cluster.namespaces, adoption.workload_changed
    )
    events = EventLane(cluster, tally)
    app = App(
        settings=settings,
        cluster=cluster,
        leadership=leadership,
        claims=claims,
        cache=cache,
        queue=queue,
        forecasts=forecasts,
        measurer=Measurer(samples, forecasts, forecasts.overheads),
        exporters=exporters,
        live=live,
        reports=reports,
        foreseer=foreseer,
        bookings=bookings,
        desk=desk,
        tally=tally,
        events=events,
        census=Census(
            cluster,
            cache,
            tally,
            namespaces=settings.cluster.namespaces,
            period_seconds=settings.queue.resync_seconds / CENSUSES_PER_RESYNC,
            on_change=queue.add,
        ),
        instance=socket.gethostname(),
        dispatcher=Dispatcher(
            cluster,
            PlacesOfJobs(cluster, forecasts, cache, lambda: app.settings, kinds, clock=utc_now),
            lambda: app.settings,
            post=events.post,
            clock=utc_now,
            instance=socket.gethostname(),
        )
        if settings.dispatcher.enabled
        else None,
        adoption=adoption,
        workloads=workloads,
        checks=checks,
        kinds=kinds,
        nodes=NodePool(
            cluster,
            desk.room_changed,
            lambda: OwnPods(cache.workload_uids(), cache.workload_pods()),
        )
        if settings.capacity_from_nodes
        else None,
    )
    forecasts.on_news = app.plan_again
    try:
        yield app
    finally:
        forecasts.close()
        await desk.close()
        await foreseer.close()
        if store is not None:
            store.close()
        await session.close()
        await api.close()  # type: ignore[no-untyped-call]


def _claims(api: ApiClient, leadership: Leadership, settings: OperatorSettings) -> Claims:
    """Return the claims on namespaces; they are asked for where a Lease is."""
    claims, cluster = Claims(), settings.cluster
    if cluster.lease_namespace is not None:
        terms = ClaimTerms(
            holder=f"{cluster.lease_namespace}/{cluster.lease_name}",
            seconds=cluster.claim_seconds,
            # Every job is looked at within the resync time.
            idle_seconds=2 * settings.queue.resync_seconds + cluster.claim_seconds,
        )
        calls = ClaimCalls(api, leadership, timeout_seconds=cluster.request_timeout_seconds)
        claims.ask_for(terms, calls, utc_now)
    return claims


def live_period(settings: OperatorSettings) -> float:
    """Return how often the energy so far is asked for: as often as looks or predictions need it."""
    return min(settings.cluster.running_look_seconds, settings.prediction.period_seconds)
