"""Reports asked from running pods: real trainer pages, and pods that hang, flood or lie."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from lowtide.accounts.progress import MARKS_MAX
from lowtide_operator.objects.key import Key
from lowtide_operator.process_settings import PredictionSettings
from lowtide_operator.samples.live_reports import LiveReports
from lowtide_trainer.metrics import serve_metrics
from lowtide_trainer.reporter import Reporter

KEY = Key("default", "digits")


class Clocks:
    """A wall clock and a monotonic one that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> datetime:
        """Return the time of day."""
        return datetime(2026, 5, 4, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.seconds


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@contextmanager
def training(**facts: object) -> Iterator[tuple[Reporter, int]]:
    """Serve the pages of a training; yield its reporter and its port."""
    reporter = Reporter(write=lambda _: None, **facts)
    with serve_metrics(reporter, 0, "127.0.0.1") as port:
        assert port is not None
        reporter.start()
        yield reporter, port


def asking(
    session: aiohttp.ClientSession, port: int, clocks: Clocks, news: list[Key]
) -> LiveReports:
    """Return what asks pods on this port every ten seconds, for half a second at most."""
    settings = PredictionSettings(report_port=port, period_seconds=10, timeout_seconds=0.5)
    return LiveReports(
        session,
        settings,
        clock=clocks.wall,
        monotonic=clocks.monotonic,
        on_news=news.append,
    )


async def test_a_running_training_tells_its_epochs(session: aiohttp.ClientSession) -> None:
    """The page of a real trainer is read, and a finished epoch is news."""
    clocks, news = Clocks(), list[Key]()
    with training(epochs_planned=3) as (reporter, port):
        reports = asking(session, port, clocks, news)
        assert reports.of_job(KEY, "u1", ["127.0.0.1"]) is None
        await reports.ask()
        reporter.batch_ended(samples=64)
        reporter.epoch_ended(accuracy=0.5)
        clocks.seconds = 10
        await reports.ask()

        live = reports.of_job(KEY, "u1", ["127.0.0.1"])

    assert live is not None
    assert (live.report.epochs, live.report.epochs_planned, live.report.samples) == (1, 3, 64)
    assert len(live.report.history) == 1
    assert news == [KEY, KEY]


async def test_time_that_passes_is_no_news(session: aiohttp.ClientSession) -> None:
    """A job in a long epoch is not looked at with every answer."""
    clocks, news = Clocks(), list[Key]()
    with training(epochs_planned=3) as (_, port):
        reports = asking(session, port, clocks, news)
        reports.of_job(KEY, "u1", ["127.0.0.1"])
        for clocks.seconds in (0, 10, 20):
            await reports.ask()

    assert news == [KEY]


@pytest.mark.slow
async def test_marks_stay_bounded_and_keep_the_whole_run(session: aiohttp.ClientSession) -> None:
    """Three hundred answers of a training: its first and its last mark are there."""
    clocks = Clocks()
    with training() as (reporter, port):
        reports = asking(session, port, clocks, [])
        for step in range(300):
            reports.of_job(KEY, "u1", ["127.0.0.1"])
            reporter.batch_ended(samples=1)
            clocks.seconds = 10.0 * step
            await reports.ask()
        live = reports.of_job(KEY, "u1", ["127.0.0.1"])

    assert live is not None
    samples = [mark.samples for mark in live.marks]
    assert len(samples) <= MARKS_MAX
    assert samples[0] == 1
    assert samples[-1] == 300
    assert samples == sorted(samples)


@pytest.mark.parametrize("kind", ["hangs", "floods", "lies", "redirects", "refuses"])
async def test_what_is_no_report_is_no_answer(session: aiohttp.ClientSession, kind: str) -> None:
    """A pod is a stranger: nothing that it does costs more than one bounded question."""
    asked = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if kind == "hangs":
            await asyncio.sleep(5)
        if kind == "floods":
            return web.Response(body=b"x" * 1_000_000)
        if kind == "redirects":
            raise web.HTTPFound("http://127.0.0.1:1/")
        return web.Response(text="[[[[" if kind == "lies" else "", status=200)

    application = web.Application()
    application.router.add_get("/report", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    if kind == "refuses":
        await site.stop()
    clocks = Clocks()
    reports = asking(session, port, clocks, [])
    reports.of_job(KEY, "u1", ["127.0.0.1"])
    try:
        for clocks.seconds in (0, 10, 20, 30, 40, 50):
            await reports.ask()

        assert reports.of_job(KEY, "u1", ["127.0.0.1"]) is None
        # At 0, 20 and, with the pause doubled, at 60: a silent pod is asked less and less often.
        assert asked == (0 if kind == "refuses" else 2)
    finally:
        await runner.cleanup()


async def test_a_job_that_no_look_names_is_forgotten(session: aiohttp.ClientSession) -> None:
    """An ended job is asked no more, and its answer goes."""
    clocks, news = Clocks(), list[Key]()
    with training() as (_, port):
        reports = asking(session, port, clocks, news)
        reports.of_job(KEY, "u1", ["127.0.0.1"])
        await reports.ask()
        clocks.seconds = 4_000
        await reports.ask()

        assert reports.of_job(KEY, "u1", ["127.0.0.1"]) is None
