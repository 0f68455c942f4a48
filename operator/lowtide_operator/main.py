"""Entry of `lowtide-operator`: puts the parts together, runs them, and stops them in order.

Everything runs in one event loop: kopf's watches, the workers, one timer, the refreshing of the
grid and the health page. If one of them ends unasked, the process ends and Kubernetes starts it
again; nothing is lost, because the cluster knows everything that is kept here. SIGTERM stops the
watches first, then the workers after what they are doing.
"""

import argparse
import asyncio
import gc
import logging
import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
import kopf

from lowtide import __version__, names
from lowtide_operator.app import App, lane_of, utc_now
from lowtide_operator.cluster.adoption import Adoption
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.census import Census
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.definition import OutdatedDefinitionError, outdated
from lowtide_operator.cluster.errors import ClusterError
from lowtide_operator.cluster.event_lane import WORKERS as EVENT_WORKERS
from lowtide_operator.cluster.event_lane import EventLane
from lowtide_operator.cluster.leadership import Leadership, LeaseTerms, LostLeadershipError
from lowtide_operator.cluster.pages import bound_pages
from lowtide_operator.cluster.unending import outlast_faults
from lowtide_operator.cluster.watches import kopf_settings
from lowtide_operator.cluster.workload_watch import WorkloadWatch
from lowtide_operator.handlers import register
from lowtide_operator.logs import configure_logging
from lowtide_operator.measuring.foreseer import Foreseer
from lowtide_operator.measuring.measure import Measurer
from lowtide_operator.observe import JobsAround
from lowtide_operator.reconcile import work
from lowtide_operator.reload import follow_settings
from lowtide_operator.samples.breaker import Breaker
from lowtide_operator.samples.live import LiveEnergy
from lowtide_operator.samples.live_reports import LiveReports
from lowtide_operator.samples.prometheus import Prometheus
from lowtide_operator.samples.scraping import Exporters
from lowtide_operator.samples.source import Samples
from lowtide_operator.samples.store import SampleStore
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.capacity import NodePool
from lowtide_operator.schedule.forecasts import Forecasts
from lowtide_operator.schedule.joint_plans import Desk
from lowtide_operator.settings import (
    ENV_SETTINGS,
    OperatorSettings,
    OperatorSettingsError,
    load_settings,
)
from lowtide_operator.tally import Tally
from lowtide_operator.telemetry.gate import AT_ONCE as REVIEWS
from lowtide_operator.telemetry.gate import MetricsGate
from lowtide_operator.telemetry.health import serve_health, watch_loop
from lowtide_operator.telemetry.metrics import build_registry, serve_metrics
from lowtide_operator.wall_clock import follow_wall_clock
from lowtide_operator.workqueue import Backoff, Lane, WorkQueue

LOG: Final = logging.getLogger(__name__)
CENSUSES_PER_RESYNC: Final = 4
DRAIN_SECONDS: Final = 20.0
"""Longest time for the workers to finish; shorter than the usual grace period of 30 s."""
FLUSH_SECONDS: Final = 3.0
"""Longest time for the last Events to be recorded."""
DEEPEST_OBJECT_FRAMES: Final = 50_000
CRD_RETRY_SECONDS: Final = 5.0
COLLECTED_TOGETHER: Final = 100_000, 10, 5
"""New objects between two searches for cycles, and searches between two deeper ones."""
CRD_PUBLISHED_SECONDS: Final = 20.0
"""Longest time from a change of the definition until the API server publishes its schema."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return the exit code: 0 stopped, 1 failed, 2 wrong use."""
    parser = argparse.ArgumentParser(
        prog="lowtide-operator",
        description="Runs TrainingJobs when the grid is clean and writes down what they used.",
        epilog="example: lowtide-operator --settings /etc/lowtide/settings.yaml",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        default=os.environ.get(ENV_SETTINGS) or None,
        help=f"YAML file; default: ${ENV_SETTINGS}, else all defaults",
    )
    parser.add_argument("--version", action="version", version=f"lowtide-operator {__version__}")
    options = parser.parse_args(arguments)
    path = None if options.settings is None else Path(options.settings)
    try:
        settings = load_settings(path)
    except OperatorSettingsError as error:
        sys.stderr.write(f"lowtide-operator: {error}\n")
        return 2
    configure_logging(settings)
    _collect_seldom()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings, path))
    except (ClusterError, LostLeadershipError) as error:
        LOG.error("%s", error)
        return 1
    except Exception:
        LOG.exception("the operator failed")
        return 1
    return 0


async def serve(
    settings: OperatorSettings, path: Path | None = None, *, stop: threading.Event | None = None
) -> None:
    """Run the operator until SIGTERM, SIGINT or `stop`.

    Raises:
        ClusterError: there is no cluster to work on.
    """
    # The API server takes objects nested 10,000 deep; the JSON reader needs a frame for each level.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEPEST_OBJECT_FRAMES))
    bound_pages()
    outlast_faults()
    async with _open_app(settings) as app:
        registry = kopf.OperatorRegistry()
        register(registry, app)
        gate = None
        if settings.server.metrics_authentication:
            gate = MetricsGate(app.cluster.may_read_metrics, time.monotonic)
        port = settings.server.metrics_port
        metrics, thread = serve_metrics(port, build_registry(app), gate)
        health = await serve_health(app, settings.server.health_port)
        workers = _workers(app, Lane.JOBS, settings.queue.workers)
        measuring = _workers(app, Lane.MEASURING, settings.queue.measuring_workers)
        helpers = [
            asyncio.create_task(app.leadership.run()),
            asyncio.create_task(app.queue.run_timer()),
            asyncio.create_task(app.forecasts.run()),
            asyncio.create_task(watch_loop(app)),
            asyncio.create_task(app.events.run()),
            asyncio.create_task(app.census.run()),
            asyncio.create_task(follow_wall_clock(app.queue, app.clock)),
            asyncio.create_task(app.live.run(_live_period(settings))),
            asyncio.create_task(app.workloads.run()),
            asyncio.create_task(_adopt(app)),
        ]
        if app.exporters is not None:
            helpers.append(asyncio.create_task(app.exporters.run()))
        if app.reports is not None:
            helpers.append(asyncio.create_task(app.reports.run()))
        if app.nodes is not None:
            helpers.append(asyncio.create_task(app.nodes.run()))
        if path is not None:
            helpers.append(asyncio.create_task(follow_settings(app, path)))
        try:
            await _until_served(app)
            await _watch(app, registry, [*workers, *measuring, *helpers], stop)
        finally:
            await _drain(app, workers, measuring)
            await app.events.flush(FLUSH_SECONDS)
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await app.leadership.release()
            await health.cleanup()
            metrics.shutdown()
            metrics.server_close()
            thread.join(timeout=1)


async def _watch(
    app: App,
    registry: kopf.OperatorRegistry,
    tasks: Sequence[asyncio.Task[None]],
    stop: threading.Event | None,
) -> None:
    """Run kopf until it is told to stop, or until one of `tasks` ends, which none should."""
    namespaces = app.settings.cluster.namespaces
    # kopf waits for a threading event in a thread, which ends only when that event is set.
    flag: asyncio.Event | threading.Event = stop or asyncio.Event()

    # A signal does not set the flag, and kopf would wait five seconds for the task that awaits it.
    @kopf.on.cleanup(registry=registry)
    async def release_the_flag(**_: Any) -> None:
        flag.set()

    operator = asyncio.create_task(
        kopf.operator(
            registry=registry,
            settings=kopf_settings(app.settings),
            # Its own default asks for the name of the user, who has no name in the image.
            identity=cast("Any", names.FIELD_MANAGER),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=flag,
        )
    )
    await asyncio.wait([operator, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = None
    if not operator.done():
        failed = next(task for task in tasks if task.done())
        flag.set()
    # At its end kopf cancels every task that is younger than itself; the ones here are older.
    await operator
    if failed is not None:
        await failed
        raise RuntimeError("a part of the operator ended unasked")


def _workers(app: App, lane: Lane, count: int) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(work(app, lane)) for _ in range(count)]


async def _drain(
    app: App, workers: Sequence[asyncio.Task[None]], measuring: Sequence[asyncio.Task[None]]
) -> None:
    """Let the workers finish what they are doing; measuring begins anew in the next operator."""
    app.queue.stop()
    app.leadership.stop()
    for task in measuring:
        task.cancel()
    await asyncio.gather(*measuring, return_exceptions=True)
    _, busy = await asyncio.wait(workers, timeout=DRAIN_SECONDS)
    for task in busy:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def _adopt(app: App) -> None:
    """Take up labelled workloads while this operator leads."""
    await app.leadership.turn()
    await app.adoption.run(lambda: app.leadership.remaining_seconds > 0)


async def _until_served(app: App) -> None:
    """Wait for the CustomResourceDefinition: kopf would otherwise watch nothing for ever.

    Raises:
        OutdatedDefinitionError: it is too old for this operator.
    """
    namespaces = app.settings.cluster.namespaces or (None,)
    patient_until = time.monotonic() + CRD_PUBLISHED_SECONDS
    while True:
        try:
            if await _any_serves(app, namespaces):
                reason = outdated(await app.cluster.served_schemas())
                if reason is None:
                    return
                # A definition that was just changed is published a little later.
                if time.monotonic() > patient_until:
                    raise OutdatedDefinitionError(reason)
            else:
                LOG.warning("the API server does not know TrainingJobs yet: install crds/")
        except OutdatedDefinitionError:
            raise
        except ClusterError as error:
            LOG.warning("TrainingJobs cannot be listed yet: %s", error)
        await asyncio.sleep(CRD_RETRY_SECONDS)


async def _any_serves(app: App, namespaces: Sequence[str | None]) -> bool:
    """Return whether TrainingJobs can be listed in any of the namespaces.

    Raises:
        ClusterError: in none, for the last one's reason.
    """
    for place, namespace in enumerate(namespaces, start=1):
        try:
            if await app.cluster.serves_training_jobs(namespace):
                return True
        except ClusterError:
            if place == len(namespaces):
                raise
    return False


@asynccontextmanager
async def _open_app(settings: OperatorSettings) -> AsyncIterator[App]:
    # Besides the workers, Events, reviews, the census and the Lease need a connection each.
    kinds = settings.workloads.entries()
    connections = settings.queue.workers + settings.queue.measuring_workers + EVENT_WORKERS
    connections += REVIEWS + 2
    # Each watch of workloads holds one, and what takes them up needs another.
    connections += len(kinds) * max(1, len(settings.cluster.namespaces)) + 1
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
    cluster = Cluster(api, leadership, timeout_seconds=settings.cluster.request_timeout_seconds)
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
    adoption = Adoption(
        cluster, cache, kinds, settings.cluster.namespaces, on_change=queue.add, clock=utc_now
    )
    workloads = WorkloadWatch(
        cluster, kinds, settings.cluster.namespaces, adoption.workload_changed
    )
    app = App(
        settings=settings,
        cluster=cluster,
        leadership=leadership,
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
        events=EventLane(cluster, tally),
        census=Census(
            cluster,
            cache,
            tally,
            namespaces=settings.cluster.namespaces,
            period_seconds=settings.queue.resync_seconds / CENSUSES_PER_RESYNC,
            on_change=queue.add,
        ),
        instance=socket.gethostname(),
        adoption=adoption,
        workloads=workloads,
        kinds=kinds,
        nodes=NodePool(cluster, desk.room_changed, cache.workload_uids)
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


def _live_period(settings: OperatorSettings) -> float:
    """Return how often the energy so far is asked for: as often as looks or predictions need it."""
    return min(settings.cluster.running_look_seconds, settings.prediction.period_seconds)


def _collect_seldom() -> None:
    """Let the garbage collector look for cycles less often, and not among imported modules.

    The records of ten thousand jobs live long and hold no cycles; going through them at every
    700 new objects took a fifth of the CPU time of a restart.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_TOGETHER)


def _loop_factory() -> Any:
    """Return uvloop's event loop where that is installed; it halves the loop's share of CPU."""
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


if __name__ == "__main__":
    sys.exit(main())
