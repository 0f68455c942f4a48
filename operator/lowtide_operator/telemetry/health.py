"""Health of the operator: whether it does its work, not only whether its process answers.

The check fails when a key has waited in the queue for too long or the event loop was late, as
happens in a stuck operator.
"""

import asyncio
import time
from typing import Final

from aiohttp import web

from lowtide_operator.app import App
from lowtide_operator.cluster.claims import served_by

LAG_PERIOD_SECONDS: Final = 0.5


class UnhealthyError(Exception):
    """The operator is stuck; a restart may help."""


def check(app: App) -> dict[str, float | list[str]]:
    """Return the figures of the health page.

    Raises:
        UnhealthyError: a limit of the settings is passed.
    """
    age = app.queue.oldest_age_seconds
    leads = app.leadership.is_held
    if leads and age > app.settings.queue.stuck_seconds:
        raise UnhealthyError(
            f"a job has waited in the queue for {age:.0f} s, more than queue.stuckSeconds"
        )
    lag = app.tally.loop_lag_seconds
    if lag > app.settings.server.loop_lag_seconds:
        raise UnhealthyError(
            f"the event loop was late by {lag:.1f} s, more than server.loopLagSeconds"
        )
    tally = app.tally
    return {
        "leads": float(leads),
        "served_by_others": [served_by(*one) for one in sorted(app.claims.of_others.items())],
        "queue_oldest_age_seconds": round(age, 3),
        "queue_length": app.queue.length + app.queue.active,
        "loop_lag_seconds": round(lag, 3),
        "longest_loop_lag_seconds": round(tally.longest_loop_lag_seconds, 3),
        "looks": tally.reconciles["ok"],
        "errors": tally.reconciles["error"],
        "status_writes": tally.status_writes["ok"],
        "planning_passes": tally.planning_passes,
        "planning_seconds": round(tally.planning_seconds, 3),
    }


async def serve_health(app: App, port: int) -> web.AppRunner:
    """Serve `/healthz` on all addresses; return the server, to be cleaned up by the caller."""

    async def answer(_: web.Request) -> web.Response:
        try:
            return web.json_response(check(app))
        except UnhealthyError as error:
            return web.json_response({"error": str(error)}, status=503)

    site = web.Application()
    site.add_routes([web.get("/healthz", answer), web.get("/readyz", answer)])
    runner = web.AppRunner(site, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


async def watch_loop(app: App) -> None:
    """Measure how late the event loop is until cancelled."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(LAG_PERIOD_SECONDS)
        lag = max(0.0, time.monotonic() - before - LAG_PERIOD_SECONDS)
        app.tally.loop_lag_seconds = lag
        app.tally.longest_loop_lag_seconds = max(app.tally.longest_loop_lag_seconds, lag)
