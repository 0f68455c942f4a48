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
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import kopf

from lowtide import __version__, names
from lowtide_operator.app import App
from lowtide_operator.assembly import live_period, open_app
from lowtide_operator.cluster.check_keeper import CheckKeeper
from lowtide_operator.cluster.connection import is_in_pod
from lowtide_operator.cluster.errors import ClusterError
from lowtide_operator.cluster.leadership import LostLeadershipError
from lowtide_operator.cluster.pages import bound_pages
from lowtide_operator.cluster.stream import take_events
from lowtide_operator.cluster.unending import outlast_faults
from lowtide_operator.cluster.watches import kopf_settings
from lowtide_operator.handlers import register, takers
from lowtide_operator.logs import configure_logging
from lowtide_operator.reconcile import work
from lowtide_operator.reload import follow_settings
from lowtide_operator.schedule.dispatcher import Dispatcher
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.settings_file import ENV_SETTINGS, OperatorSettingsError, load_settings
from lowtide_operator.startup import until_served
from lowtide_operator.tasks_of_others import TasksOfOthers
from lowtide_operator.telemetry.gate import MetricsGate
from lowtide_operator.telemetry.health import serve_health, watch_loop
from lowtide_operator.telemetry.metrics import build_registry
from lowtide_operator.telemetry.metrics_server import serve_metrics
from lowtide_operator.wall_clock import follow_wall_clock
from lowtide_operator.workqueue import Lane

LOG: Final = logging.getLogger(__name__)
DRAIN_SECONDS: Final = 20.0
"""Longest time for the workers to finish; shorter than the usual grace period of 30 s."""
FLUSH_SECONDS: Final = 3.0
"""Longest time for the last Events to be recorded."""
DEEPEST_OBJECT_FRAMES: Final = 50_000
COLLECTED_TOGETHER: Final = 100_000, 10, 5
"""New objects between two searches for cycles, and searches between two deeper ones."""


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
    if (fault := unled(settings, in_pod=is_in_pod())) is not None:
        sys.stderr.write(f"lowtide-operator: {fault}\n")
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


def unled(settings: OperatorSettings, *, in_pod: bool) -> str | None:
    """Return why an operator in a pod may not write, `None` if it may.

    A pod is easily there twice: by its replicas, or by a second installation. Two that hold no
    Lease would suspend and resume the same Jobs in turn.
    """
    if not in_pod or settings.cluster.lease_namespace is not None:
        return None
    return (
        "cluster.leaseNamespace is not set: in a cluster no operator writes without a Lease, "
        "because another one may serve the same namespaces; name the namespace of the Lease, as "
        "the chart does, or set LOWTIDE_OPERATOR_CLUSTER__LEASE_NAMESPACE"
    )


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
    async with open_app(settings) as app:
        registry = kopf.OperatorRegistry()
        register(registry)
        take_events(takers(app))
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
            asyncio.create_task(app.claims.run()),
            asyncio.create_task(app.queue.run_timer()),
            asyncio.create_task(app.forecasts.run()),
            asyncio.create_task(watch_loop(app)),
            asyncio.create_task(app.events.run()),
            asyncio.create_task(app.census.run()),
            asyncio.create_task(follow_wall_clock(app.queue, app.clock)),
            asyncio.create_task(app.live.run(live_period(settings))),
            asyncio.create_task(app.workloads.run()),
            asyncio.create_task(_adopt(app)),
        ]
        if app.checks is not None:
            helpers.append(asyncio.create_task(_keep_check(app, app.checks)))
        if app.exporters is not None:
            helpers.append(asyncio.create_task(app.exporters.run()))
        if app.reports is not None:
            helpers.append(asyncio.create_task(app.reports.run()))
        if app.dispatcher is not None:
            helpers.append(asyncio.create_task(app.dispatcher.follow()))
            helpers.append(asyncio.create_task(_dispatch(app, app.dispatcher)))
        if app.nodes is not None:
            helpers.append(asyncio.create_task(app.nodes.run()))
        if path is not None:
            helpers.append(asyncio.create_task(follow_settings(app, path)))
        try:
            await until_served(app)
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

    # Its own default asks for the name of the user, who has no name in the image.
    identity = cast("Any", names.FIELD_MANAGER)
    spawned = await kopf.spawn_tasks(
        registry=registry,
        settings=kopf_settings(app.settings),
        identity=identity,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=flag,
    )
    operator = asyncio.create_task(kopf.run_tasks(spawned, ignored=TasksOfOthers(kopf)))
    await asyncio.wait([operator, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = None
    if not operator.done():
        failed = next(task for task in tasks if task.done())
        flag.set()
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


async def _keep_check(app: App, checks: CheckKeeper) -> None:
    """Decide our AdmissionCheck while this operator leads."""
    await app.leadership.turn()
    await checks.run(lambda: app.leadership.remaining_seconds > 0)


async def _dispatch(app: App, dispatcher: Dispatcher) -> None:
    """Nominate clusters for the workloads of a MultiKueue while this operator leads."""
    await app.leadership.turn()
    await dispatcher.run(lambda: app.leadership.remaining_seconds > 0)


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
