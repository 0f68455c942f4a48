"""`lowtide watch`: a live view of all jobs, under the intensity curve where there is one.

Jobs come from the API server with the user's own rights. Power, epochs and the curve (up to now, as
the operator recorded it) come from Prometheus and are left out where none is named: the rest works
with the CRD alone.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from lowtide.cli.jobs import KubectlTarget, fetch_all
from lowtide.cli.options import cluster_options, prometheus_access_options
from lowtide.cli.prometheus import Key, PrometheusApi, PrometheusApiError, intensities, readings
from lowtide.grid.series import IntensitySeries
from lowtide.lenient_fields import mapping
from lowtide.records.fields import text
from lowtide.report.live import LiveJob, LiveReading, LiveScene, changes, live_job
from lowtide.report.live_view import draw

RATE_SECONDS = 120
SHORTEST_WINDOW = timedelta(minutes=10)
FIRST_TIME, LAST_TIME = (moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max))


@click.command("watch")
@click.option("-A", "--all-namespaces", is_flag=True, help="Jobs of every namespace.")
@click.option("--prometheus", metavar="URL", help="Also show power, epochs and accuracy.")
@prometheus_access_options
@click.option("--zone", help="Zone of the curve, where the operator knows several.")
@click.option("--interval-seconds", type=click.FloatRange(min=0.5), default=5.0, show_default=True)
@click.option("--once", is_flag=True, help="Show one picture and end.")
@cluster_options
def command(
    cluster: KubectlTarget,
    all_namespaces: bool,
    prometheus: str | None,
    prometheus_token_file: Path | None,
    prometheus_ca_file: Path | None,
    prometheus_headers: dict[str, str],
    zone: str | None,
    interval_seconds: float,
    once: bool,
) -> None:
    r"""Watch jobs wait and run; Ctrl-C ends it and changes nothing.

    \b
    Examples:
      lowtide watch
      lowtide watch -A --prometheus http://localhost:9090

    Without a terminal, a line is printed for every change.
    """
    server = (
        PrometheusApi(
            url=prometheus,
            token_file=prometheus_token_file,
            ca_file=prometheus_ca_file,
            headers=prometheus_headers,
        )
        if prometheus
        else None
    )
    with contextlib.suppress(KeyboardInterrupt), screen(in_place=not once) as show:
        while True:
            now = datetime.now(UTC)
            measured, note = _measured(server)
            jobs = tuple(
                live_job(item, measured.get(_key(item)))
                for item in fetch_all(cluster, all_namespaces=all_namespaces)
            )
            window = window_of(jobs, now)
            curve = None
            if server is not None and not note:
                window = (min(window[0], now - (window[1] - now) / 2), window[1])
                curve, note = _curve(server, zone, start=window[0], now=now)
            show(LiveScene(now=now, jobs=jobs, curve=curve, window=window, note=note))
            if once:
                return
            time.sleep(interval_seconds)


@contextlib.contextmanager
def screen(*, in_place: bool = True) -> Iterator[Callable[[LiveScene], None]]:
    """Yield a function that shows a scene: redrawn on a terminal, changes as lines elsewhere."""
    console = Console()
    if not in_place:
        yield lambda scene: console.print(draw(scene, width=console.width))
        return
    if not sys.stdout.isatty():
        before: LiveScene | None = None

        def tell(scene: LiveScene) -> None:
            nonlocal before
            value = scene.intensity_grams_per_kwh
            grid = "" if value is None else f"  {value:3.0f} g/kWh"
            for line in changes(before, scene):
                click.echo(f"{scene.now:%H:%M:%S}Z{grid}  {line}")
            before = scene

        yield tell
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        yield lambda scene: live.update(draw(scene, width=console.width), refresh=True)


def window_of(jobs: tuple[LiveJob, ...], now: datetime) -> tuple[datetime, datetime]:
    """Return a period that contains the present and everything planned."""
    moments = [now, *(moment for job in jobs for span in job.planned for moment in span)]
    start, end = min(moments), max(moments)
    room = max(SHORTEST_WINDOW, (end - start) / 20)
    # A plan may name the first or the last year that there is.
    return max(start, FIRST_TIME + room) - room, min(end, LAST_TIME - room) + room


def _measured(server: PrometheusApi | None) -> tuple[dict[Key, LiveReading], str]:
    """Return readings by job, and a sentence when there are none."""
    if server is None:
        return {}, ""
    try:
        return readings(server, rate_seconds=RATE_SECONDS), ""
    except PrometheusApiError as error:
        return {}, f"no live figures: {error}"


def _curve(
    server: PrometheusApi, zone: str | None, *, start: datetime, now: datetime
) -> tuple[IntensitySeries | None, str]:
    """Return the intensity recorded by the operator since `start`, or a sentence without it."""
    try:
        found = intensities(server, start=start, end=now)
    except PrometheusApiError as error:
        return None, f"no curve: {error}"
    chosen = _latest(series for series in found if zone in (None, series.zone))
    if len(chosen) == 1:
        return chosen[0], ""
    if not chosen:
        return None, f"no curve: Prometheus has no intensity of {zone or 'any zone'}"
    known = ", ".join(sorted({series.zone for series in chosen}))
    return None, f"no curve: the operator knows {known}; choose one with --zone"


def _latest(found: Iterable[IntensitySeries]) -> list[IntensitySeries]:
    """Return one curve for each zone and signal: a provider with other factors may have come."""
    latest: dict[tuple[str, str], IntensitySeries] = {}
    for series in found:
        known = latest.get((series.zone, series.signal))
        if known is None or series.points[-1].end > known.points[-1].end:
            latest[series.zone, series.signal] = series
    return list(latest.values())


def _key(manifest: Mapping[str, Any]) -> Key:
    metadata = mapping(manifest.get("metadata"))
    return text(metadata.get("namespace")), text(metadata.get("name"))
