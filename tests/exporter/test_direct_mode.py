"""One job through both ways: the real exporter over HTTP, Prometheus beside the operator itself."""

import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from standins.nvml.control import gpu_uuid
from standins.prometheus import PrometheusStandIn

from lowtide.accounts.reading import JobReading
from lowtide.accounts.settlement import Ledger, settle
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt, AttemptPod, TrainingJobStatus
from lowtide_exporter.page.server import ExporterServer, Renderer
from lowtide_exporter.settings import ExporterSettings
from lowtide_operator.samples.of_pods import end_times, read_pods
from lowtide_operator.samples.prometheus import Prometheus
from lowtide_operator.samples.scraping import Exporters
from lowtide_operator.samples.store import SampleStore
from lowtide_operator.settings import OperatorSettings

SCRAPE_SECONDS = 15.0
IDLE_WATTS, BUSY_WATTS = 75.0, 600.0


def moment(node, seconds):
    """The UTC time of a library time."""
    return datetime.fromtimestamp(node.unix(seconds), UTC)


class Ways:
    """An exporter that is scraped by a Prometheus and by the operator at the same moments."""

    def __init__(self, node, session, store):
        flags = ExporterSettings(listen_address="127.0.0.1", port=0)
        renderer = Renderer(lambda: node.loop.snapshot(), lambda: node.loop.ticks)
        self.node, self._session, self._store = node, session, store
        self.server = ExporterServer(flags, renderer, lambda: True)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self.server.port}/metrics"
        self.stored = PrometheusStandIn()
        self.restart_operator()

    def restart_operator(self):
        """Begin with a new scraper over the same store, as after the operator's restart."""
        settings = OperatorSettings.model_validate(
            {"exporters": {"url": self.url, "scrapeIntervalSeconds": SCRAPE_SECONDS}}
        )
        self.direct = Exporters(
            self._session,
            settings.exporters,
            self._store,
            lambda: moment(self.node, self.node.seconds),
        )

    async def scrape(self):
        """Let both look at the exporter now."""
        await self.direct.scrape()
        async with self._session.get(self.url) as answer:
            page = await answer.text()
        instance = f"127.0.0.1:{self.server.port}"
        self.stored.store(page, self.node.unix(self.node.seconds), instance)

    async def run_until(self, seconds):
        """Let time pass, with a scrape every fifteen seconds."""
        while self.node.seconds < seconds:
            self.node.run_until(min(seconds, self.node.seconds + SCRAPE_SECONDS))
            await self.scrape()

    def stop(self):
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
async def ways(make_node, tmp_path):
    """A node with one GPU, and both ways to its figures."""
    store = SampleStore(tmp_path, keep_seconds=3600, maximum_samples=100_000)
    async with aiohttp.ClientSession() as session:
        found = Ways(make_node(gpus=1), session, store)
        yield found
        found.stop()
    store.close()


@asynccontextmanager
async def asked(ways):
    """Both stores as the operator asks them, by name of the settings section."""
    async with (
        TestServer(ways.stored.application()) as server,
        aiohttp.ClientSession() as session,
    ):
        url = str(server.make_url("")).rstrip("/")
        section = {"url": url, "scrapeIntervalSeconds": SCRAPE_SECONDS}
        settings = OperatorSettings.model_validate({"prometheus": section})
        yield {"prometheus": Prometheus(session, settings.prometheus), "direct": ways.direct}


async def figures(source, node, start, end, uid="uid-net-1-abcde"):
    """Return the energy section that a job of one pod gets."""
    begin, until = moment(node, start), moment(node, end)
    pod = AttemptPod(name="net-1-abcde", uid=uid, node="n", start=begin, end=until)
    attempt = Attempt(
        number=1, name="net-1", start=begin, end=until, outcome="Complete", pods=(pod,)
    )
    slack = timedelta(seconds=2 * SCRAPE_SECONDS)
    window = (begin - slack, moment(node, node.seconds))
    ends = await end_times(source, "ml", [uid], *window)
    reading = JobReading(
        [attempt], scrape_interval_seconds=SCRAPE_SECONDS, earliest=begin, end_times=ends
    )
    async for piece in read_pods(source, "ml", [uid], *window):
        reading.take(piece)
    ledger = Ledger(
        spec=parse_spec({"template": {}}),
        status=TrainingJobStatus(attempts=(attempt,)),
        samples=reading,
        intensity=None,
        baseline_start=begin,
    )
    section = {"prometheus": {"scrapeIntervalSeconds": SCRAPE_SECONDS}}
    return settle(ledger, OperatorSettings.model_validate(section)).energy, set(ends)


def draw(node, start, end):
    """Let the GPU work between two times, and return the truth."""
    node.control.set_trace(0, [(0, IDLE_WATTS), (start, BUSY_WATTS), (end, IDLE_WATTS)])
    return node.true_joules(0, start, end)


async def test_a_job_has_the_same_figures_through_both_ways(ways):
    """Joules by part, coverage, GPU-seconds, finality: equal; and within a thousandth of truth."""
    node = ways.node
    truth = draw(node, 130, 205)
    await ways.run_until(130)
    node.start_pod("net-1-abcde", gpu_uuid(0))
    await ways.run_until(205)
    node.end_pod("net-1-abcde")
    await ways.run_until(250)

    async with asked(ways) as sources:
        found = {name: await figures(it, node, 130, 205) for name, it in sources.items()}

    energy, marked = found["direct"]
    assert found["direct"] == found["prometheus"]
    assert marked == {"uid-net-1-abcde"}
    assert energy.final
    assert energy.mock
    assert energy.energy_coverage == "1.0000"
    assert energy.total_joules == pytest.approx(truth, rel=1e-3)


async def test_a_restarted_operator_has_the_energy_of_the_time_it_was_away(ways):
    """The exporter counts from the pod's beginning, so a gap of scrapes costs only timing."""
    node = ways.node
    truth = draw(node, 130, 430)
    await ways.run_until(130)
    node.start_pod("net-1-abcde", gpu_uuid(0))
    await ways.run_until(175)
    node.run_until(400)  # without a scrape
    ways.restart_operator()
    await ways.run_until(430)
    node.end_pod("net-1-abcde")
    await ways.run_until(475)

    energy, _ = await figures(ways.direct, node, 130, 430)

    assert energy.total_joules == pytest.approx(truth, rel=1e-3)
    assert energy.energy_coverage == "1.0000"
    assert float(energy.time_coverage) == pytest.approx(1 - 225 / 300, abs=0.06)


async def test_an_operator_without_its_store_has_the_whole_energy_too(ways, tmp_path):
    """The last value of a kept counter is the pod's energy, even if only one scrape saw it."""
    node = ways.node
    truth = draw(node, 130, 430)
    await ways.run_until(130)
    node.start_pod("net-1-abcde", gpu_uuid(0))
    node.run_until(430)
    node.end_pod("net-1-abcde")
    node.run_until(440)
    await ways.scrape()

    energy, marked = await figures(ways.direct, node, 130, 430)

    assert energy.total_joules == pytest.approx(truth, rel=1e-3)
    assert energy.energy_coverage == "1.0000"
    assert marked


async def test_a_restarted_exporter_without_state_begins_a_segment_that_adds(ways):
    """Both ways add the segments, and say that the time in between is not covered."""
    node = ways.node
    draw(node, 130, 430)
    await ways.run_until(130)
    node.start_pod("net-1-abcde", gpu_uuid(0))
    await ways.run_until(205)
    node.ledger = type(node.ledger)()
    node.control.set_clock(node.seconds + 60)
    node.seconds += 60
    node.loop = node.make_loop(period_seconds=1.0)
    await ways.run_until(430)
    node.end_pod("net-1-abcde")
    await ways.run_until(475)

    async with asked(ways) as sources:
        found = {name: await figures(it, node, 130, 430) for name, it in sources.items()}

    energy, _ = found["direct"]
    assert found["direct"] == found["prometheus"]
    assert energy.total_joules == pytest.approx(BUSY_WATTS * 240, rel=0.01)
    assert float(energy.energy_coverage) == pytest.approx(240 / 300, abs=0.01)
