"""The one live view of the demo: looks once a second until both jobs are measured.

On a terminal the scene is redrawn in place; elsewhere a line is printed when something changed.
"""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from demonstration import day
from demonstration.stage import Stage
from singlenode.errors import ClusterError
from singlenode.layout import PROMETHEUS_URL

from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError, readings
from lowtide.cli.watch import screen
from lowtide.grid.errors import GridError
from lowtide.grid.provider_settings import ElectricityMapsSettings
from lowtide.grid.providers.factory import build_provider
from lowtide.grid.series import IntensitySeries, Signal
from lowtide.report.live import LiveScene, live_job

LOOK_SECONDS = 1.0
RATE_SECONDS = 8
TOKEN_VARIABLE = "LOWTIDE_DEMO_GRID_TOKEN"


def until_measured(
    stage: Stage, replay: day.ReplayedDay, *, limit_seconds: float, count: int = 2
) -> LiveScene:
    """Show `count` jobs until nothing of them is awaited; return the last scene.

    Raises:
        ClusterError: that took longer than `limit_seconds`, or a job failed.
    """
    curve = _curve_source(replay)
    deadline = time.monotonic() + limit_seconds
    with screen() as show:
        while True:
            scene = _look(stage, replay, curve)
            show(scene)
            if len(scene.jobs) >= count and all(job.settled for job in scene.jobs):
                break
            if time.monotonic() > deadline:
                states = ", ".join(f"{job.name} is {job.state}" for job in scene.jobs)
                raise ClusterError(f"not finished after {limit_seconds:.0f} s: {states}")
            time.sleep(LOOK_SECONDS)
    if failed := [f"{job.name}: {job.reason}" for job in scene.jobs if job.failed]:
        raise ClusterError("; ".join(failed))
    return scene


def _look(
    stage: Stage, replay: day.ReplayedDay, curve: Callable[[datetime], IntensitySeries | None]
) -> LiveScene:
    manifests = stage.trainingjobs()
    try:
        measured = readings(PrometheusApi(url=PROMETHEUS_URL), rate_seconds=RATE_SECONDS)
    except PrometheusApiError:
        measured = {}
    now = datetime.now(UTC)
    jobs = [
        live_job(item, measured.get((item["metadata"]["namespace"], item["metadata"]["name"])))
        for item in manifests
    ]
    return LiveScene(
        now=now,
        jobs=tuple(jobs),
        curve=curve(now),
        window=replay.window,
        note=replay.note,
    )


def _curve_source(replay: day.ReplayedDay) -> Callable[[datetime], IntensitySeries | None]:
    """Return a function that asks the grid for the past and the expected, as the operator does."""
    settings = ElectricityMapsSettings(
        kind="electricity-maps",
        url=f"{replay.url}/v4",
        token_env=TOKEN_VARIABLE,
        refresh_seconds=1,
    )
    provider = build_provider(settings, zone=day.ZONE, signal=Signal.AVERAGE, started=replay.begun)
    known: IntensitySeries | None = None
    asked = datetime.fromtimestamp(0, UTC)

    def curve(now: datetime) -> IntensitySeries | None:
        nonlocal known, asked
        if now - asked < timedelta(seconds=replay.slot_seconds / 4):
            return known
        asked = now
        with contextlib.suppress(GridError):
            expected = provider.forecast(day.ZONE, now)
            past = provider.actuals(day.ZONE, replay.window[0], now)
            known = expected.merged(past)
        return known

    return curve
