"""Direct mode: exporters that misbehave, the store of samples, and the whole operator."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from standins.ports import free_port

from lowtide.energy.integration import integrate_pod
from lowtide.energy.profile import Span
from lowtide_operator.sample_settings import ScrapingSettings
from lowtide_operator.samples.exporter_page import PageError, parse_page
from lowtide_operator.samples.scraping import Exporters, ExportersError
from lowtide_operator.samples.source import selector_of_pods
from lowtide_operator.samples.store import FILE_NAME, SampleStore
from lowtide_operator.settings import OperatorSettings

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ENERGY = "lowtide_pod_energy_joules_total"
JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
PODS = ("v1", "pods")


def page_of(
    uid: str, joules: float, *, began: float = 0.0, ended: float | None = None, pod: str = "net-1-x"
) -> str:
    """Return a page as an exporter of one pod writes it."""
    who = f'namespace="default",pod="{pod}",pod_uid="{uid}"'
    kind = 'component="gpu",part="active",method="exclusive",quality="counter"'
    lines = [
        "# HELP lowtide_build_info Always 1",
        'lowtide_build_info{version="1"} 1',
        'lowtide_gpu_info{gpu="0",uuid="GPU-1",model="NVIDIA A100",source="mock"} 1',
        f'{ENERGY}{{{who},container="train",{kind}}} {joules}',
        f"lowtide_pod_segment_start_timestamp_seconds{{{who}}} {began}",
        f'lowtide_pod_gpu_held_seconds_total{{{who},container="train",model="NVIDIA A100"}} 2',
        f'lowtide_pod_gpu_share_ratio{{{who},container="train",uuid="GPU-1"}} 1',
    ]
    if ended is not None:
        lines.append(f"lowtide_pod_end_timestamp_seconds{{{who}}} {ended}")
    return "\n".join(lines) + "\n"


opened: list[SampleStore] = []


@pytest.fixture(autouse=True)
def _close_stores() -> Iterator[None]:
    """Close what the test opened: Python 3.13 warns of databases that are left open."""
    yield
    while opened:
        opened.pop().close()


def store_in(
    directory: Path | None, *, maximum_samples: int = 100_000, keep_seconds: float = 3600
) -> SampleStore:
    """Return a store that keeps samples for an hour."""
    store = SampleStore(directory, keep_seconds=keep_seconds, maximum_samples=maximum_samples)
    opened.append(store)
    return store


class Node:
    """An exporter's server that gives one answer until told otherwise."""

    def __init__(self) -> None:
        self.text = page_of("a", 1.0)
        self.status = 200
        self.hangs = False
        self._asked = asyncio.Event()

    async def is_scraped(self) -> None:
        """Wait for the answer to the second question from now: then the first one is stored."""
        for _ in range(2):
            self._asked.clear()
            await asyncio.wait_for(self._asked.wait(), 240)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer as told; a hanging one ends with the test's server."""
        self._asked.set()
        if self.hangs:
            await asyncio.sleep(3600)
        return web.Response(status=self.status, text=self.text)

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve /metrics; yields the port."""
        application = web.Application()
        application.add_routes([web.get("/metrics", self.answer)])
        async with TestServer(application, host=host, port=port or None) as server:
            assert server.port is not None
            yield server.port


@asynccontextmanager
async def scraping(*nodes: Node, **settings: Any) -> AsyncIterator[Exporters]:
    """Exporters on addresses of their own behind one host name, and what scrapes them."""
    addresses = [f"127.0.0.{number}" for number in range(1, len(nodes) + 1)]

    async def resolve(host: str, port: int) -> list[str]:
        assert host == "exporters.test"
        return addresses

    async with aiohttp.ClientSession() as session, _served(nodes, addresses) as port:
        chosen = ScrapingSettings.model_validate(
            {"url": f"http://exporters.test:{port}/metrics", "timeoutSeconds": 60, **settings}
        )
        store = store_in(None)
        yield Exporters(session, chosen, store, lambda: NOON, resolve)
        store.close()


@asynccontextmanager
async def _served(nodes: tuple[Node, ...], addresses: list[str]) -> AsyncIterator[int]:
    if not nodes:
        yield 9400
        return
    async with nodes[0].serve(addresses[0], 0) as port:
        async with asyncio.timeout(240):
            servers = [
                node.serve(address, port)
                for node, address in zip(nodes[1:], addresses[1:], strict=True)
            ]
            for server in servers:
                await server.__aenter__()
        yield port
        for server in servers:
            await server.__aexit__(None, None, None)


async def joules_of(exporters: Exporters, uid: str) -> list[float]:
    """Return the stored values of a pod's energy."""
    selector = selector_of_pods(ENERGY, "default", [uid])
    found = await exporters.samples(selector, NOON - timedelta(hours=1), NOON)
    return [sample.value for series in found for sample in series.samples]


def flood(node: Node) -> None:
    """Answer five megabytes."""
    node.text = page_of("b", 1.0) * 8000


def refuse(node: Node) -> None:
    """Answer an error."""
    node.status = 500


def babble(node: Node) -> None:
    """Answer something that is not a metrics page."""
    node.text = "<html>" + "x" * 1000


def lie(node: Node) -> None:
    """Answer a page with a value that cannot be an amount."""
    node.text = page_of("b", float("nan"))


def tear(node: Node) -> None:
    """Answer a page that breaks off inside a label."""
    node.text = page_of("b", 1.0)[:-60] + "\n"


def hang(node: Node) -> None:
    """Never answer."""
    node.hangs = True


@pytest.mark.parametrize(
    ("misbehave", "message"),
    [
        (flood, "larger than 4194304 bytes"),
        (refuse, "500"),
        (babble, "not the page of a Lowtide exporter"),
        (lie, "must be finite and not negative"),
        (tear, "cannot be read"),
        (hang, "no answer within 0.3 s"),
    ],
)
async def test_an_exporter_that_misbehaves_costs_only_itself(
    misbehave: Callable[[Node], None], message: str
) -> None:
    """The other one is stored; of the bad page nothing is; the reason is kept."""
    good, bad = Node(), Node()
    misbehave(bad)
    patience = {"timeoutSeconds": 0.3} if misbehave is hang else {}
    async with scraping(good, bad, **patience) as exporters:
        failures: list[str | None] = ["not asked yet"]
        while failures[0] is not None:  # a busy machine may be too slow for so short a time
            await exporters.scrape()
            failures = [state.failure for state in exporters.exporters.values()]
        assert await joules_of(exporters, "a") == [1.0]
        assert await joules_of(exporters, "b") == []
        assert await exporters.started_at() == NOON
    assert failures[0] is None
    assert failures[1] is not None
    assert message in failures[1]


async def test_samples_are_unavailable_while_no_exporter_answers() -> None:
    """The sentence says what the first one did; one good answer is enough afterwards."""
    node = Node()
    node.status = 503
    async with scraping(node) as exporters:
        with pytest.raises(ExportersError, match="asked yet"):
            await exporters.started_at()
        await exporters.scrape()
        with pytest.raises(ExportersError, match="503"):
            await exporters.started_at()
        node.status = 200
        await exporters.scrape()
        assert await exporters.started_at() == NOON


async def test_a_name_without_addresses_is_said() -> None:
    """A headless Service without ready pods has no address."""

    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    store = store_in(None)
    settings = ScrapingSettings(url="http://absent.test:9400/metrics")
    async with aiohttp.ClientSession() as session:
        exporters = Exporters(session, settings, store, lambda: NOON, resolve)
        await exporters.scrape()
        with pytest.raises(ExportersError, match=r"absent\.test has no address"):
            await exporters.started_at()
    store.close()


async def test_a_name_service_that_does_not_answer_is_said() -> None:
    """The round is given up after the time of a scrape, and the reason is more than nothing."""

    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(3600)
        return []

    store = store_in(None)
    settings = ScrapingSettings(url="http://slow.test:9400/metrics", timeout_seconds=0.05)
    async with aiohttp.ClientSession() as session:
        exporters = Exporters(session, settings, store, lambda: NOON, resolve)
        await exporters.scrape()
        with pytest.raises(ExportersError, match=r"slow\.test was not looked up within 0\.05 s"):
            await exporters.started_at()
    store.close()


async def test_what_running_pods_have_used_is_that_of_the_last_good_page() -> None:
    """A page that fails leaves the figure; an exporter that is gone takes its pods with it."""
    node = Node()
    async with scraping(node) as exporters:
        await exporters.scrape()
        refuse(node)
        await exporters.scrape()
        assert await exporters.pod_joules(NOON) == {("default", "a"): 1.0}


async def test_the_password_of_the_exporters_is_sent(tmp_path: Path) -> None:
    """Basic authentication from a file that is read anew at each scrape."""
    secret = tmp_path / "credentials"
    secret.write_text("scraper:s3cret\n")
    node, seen = Node(), []
    answer = node.answer

    async def remember(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return await answer(request)

    node.answer = remember  # type: ignore[method-assign]
    async with scraping(node, credentialsFile=str(secret)) as exporters:
        await exporters.scrape()
        secret.unlink()
        await exporters.scrape()
        failure = next(iter(exporters.exporters.values())).failure
    assert seen == ["Basic c2NyYXBlcjpzM2NyZXQ="]
    assert failure is not None
    assert "credentialsFile" in failure
    assert "s3cret" not in failure


@pytest.mark.parametrize("text", ["", "\x00\x01", "up 1\n", "# TYPE x counter\nx_total 1\n"])
def test_a_page_of_another_program_is_refused(text: str) -> None:
    """An empty page would look like pods that are gone."""
    with pytest.raises(PageError):
        parse_page(text)


def test_a_page_says_the_same_with_and_without_the_one_before() -> None:
    """Known series are not parsed again; new values, new series and gone ones are seen."""
    before = parse_page(page_of("a", 1.0) + page_of("gone", 5.0, pod='quo\\"te'))
    text = page_of("a", 2.0) + page_of("new", 3.0, pod="sla\\\\sh")

    with_it, without = parse_page(text, before.known), parse_page(text)

    assert with_it == without
    assert {s.labels["pod_uid"]: s.value for s in with_it.samples if s.metric == ENERGY} == {
        "a": 2.0,
        "new": 3.0,
    }
    assert {s.labels["pod"] for s in with_it.samples if "pod" in s.labels} == {
        "net-1-x",
        "sla\\sh",
    }


@given(st.text(max_size=300))
def test_any_text_is_a_page_or_an_error(text: str) -> None:
    """Nothing else comes out, whatever another machine writes."""
    try:
        page = parse_page('lowtide_build_info{version="1"} 1\n' + ENERGY + "{" + text)
    except PageError:
        return
    assert all(sample.value >= 0 for sample in page.samples)


def fill(store: SampleStore, joules: list[float], *, uid: str = "a", ended: bool = False) -> None:
    """Store a page every fifteen seconds from noon on; the last one is final if `ended`."""
    for number, value in enumerate(joules):
        at = NOON.timestamp() + 15 * number
        last = at if ended and number == len(joules) - 1 else None
        page = parse_page(page_of(uid, value, began=NOON.timestamp(), ended=last))
        store.add(page, instance="node-1", at_seconds=at)


def energy_in(store: SampleStore, seconds: float, uid: str = "a") -> Any:
    """Return what the store's samples say about a pod that ran from noon on."""
    window = (NOON.timestamp() - 60, NOON.timestamp() + seconds + 600)
    series = {
        metric: store.read(selector_of_pods(metric, "default", [uid]), *window)
        for metric in (
            ENERGY,
            "lowtide_pod_segment_start_timestamp_seconds",
            "lowtide_pod_end_timestamp_seconds",
        )
    }
    energy, starts, ends = series.values()
    return integrate_pod(
        uid,
        energy=energy,
        segment_start=starts,
        end_marker=ends,
        run=Span(NOON, NOON + timedelta(seconds=seconds)),
        scrape_interval_seconds=15,
    )


def test_too_many_samples_lose_their_timing_and_no_joule() -> None:
    """Two hundred rising samples thinned twice: 15 s apart, then 30 s, then 60 s."""
    store = store_in(None, keep_seconds=1e6, maximum_samples=220)
    fill(store, [100.0 * n for n in range(201)], ended=True)
    store.prune(NOON.timestamp() + 3_000)
    once = energy_in(store, 3_000)
    fill(store, [100.0 * n for n in range(201)], uid="b", ended=True)
    store.prune(NOON.timestamp() + 3_000)
    twice = energy_in(store, 3_000)
    assert once.total_joules == twice.total_joules == 20_000.0
    assert once.energy_coverage_ratio == twice.energy_coverage_ratio == 1.0
    assert once.time_coverage_ratio == 1.0
    assert twice.time_coverage_ratio < 1.0


def test_final_values_are_stored_once() -> None:
    """A page of ended pods costs nothing while it is scraped again."""
    store = store_in(None)
    fill(store, [10.0, 20.0, 20.0], ended=True)
    page = parse_page(page_of("a", 20.0, began=NOON.timestamp(), ended=NOON.timestamp() + 30))
    for number in range(3, 30):
        store.add(page, instance="node-1", at_seconds=NOON.timestamp() + 15 * number)
    stored = store._database.execute("SELECT count(*) FROM sample").fetchone()[0]
    assert stored == 3 + 3 + 4  # energy and GPU-seconds at three times, four gauges once
    (series,) = store.read(selector_of_pods(ENERGY, "default", ["a"]), 0, 4e9)
    assert [sample.value for sample in series.samples] == [10.0, 20.0, 20.0, 20.0]
    assert series.samples[-1].time_seconds == NOON.timestamp() + 15 * 29
    assert energy_in(store, 30).final


def test_pods_not_seen_for_long_are_forgotten() -> None:
    """An hour after its last page a pod's samples go."""
    store = store_in(None)
    fill(store, [10.0])
    store.prune(NOON.timestamp() + 3599)
    assert store.read(selector_of_pods(ENERGY, "default", ["a"]), 0, 4e9)
    store.prune(NOON.timestamp() + 3601)
    assert not store.read(selector_of_pods(ENERGY, "default", ["a"]), 0, 4e9)


def test_samples_outlive_the_process(tmp_path: Path) -> None:
    """A second store over the same file goes on where the first ended."""
    first = store_in(tmp_path)
    fill(first, [10.0, 20.0])
    first.close()
    second = store_in(tmp_path)
    assert energy_in(second, 15).total_joules == 20.0
    second.close()


def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The operator starts, says so, and keeps the old file for inspection."""
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 500)
    store = store_in(tmp_path)
    fill(store, [10.0])
    assert energy_in(store, 15).total_joules == 10.0
    assert (tmp_path / "samples.damaged").exists()
    assert "put aside" in caplog.text
    store.close()


def test_without_a_usable_directory_samples_stay_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file where the directory should be: it works, and says that a restart would forget."""
    (tmp_path / "history").write_text("")
    store = store_in(tmp_path / "history")
    fill(store, [10.0])
    assert energy_in(store, 15).total_joules == 10.0
    assert "in memory only" in caplog.text
    store.close()


async def test_a_full_disk_is_an_unavailable_store_and_no_crash() -> None:
    """The exporter still holds what could not be stored; the next scrape brings it."""
    node = Node()
    async with scraping(node) as exporters:
        database: sqlite3.Connection = exporters._store._database
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        node.text = "".join(page_of(f"uid-{n}", 1.0) for n in range(200))
        await exporters.scrape()
        with pytest.raises(ExportersError, match="full"):
            await exporters.started_at()
        database.execute("PRAGMA max_page_count = 100000")
        await exporters.scrape()
        assert await joules_of(exporters, "uid-7") == [1.0]


def test_names_cannot_change_what_is_selected() -> None:
    """Quotes, percent signs and patterns in names are only characters."""
    store = store_in(None)
    hostile = "a') OR 1=1 --"
    page = parse_page(page_of(hostile, 5.0, pod='x\\"},up{') + page_of("other", 7.0))
    store.add(page, instance="node-1", at_seconds=NOON.timestamp())
    (series,) = store.read(selector_of_pods(ENERGY, "default", [hostile]), 0, 4e9)
    assert series.pod_uid == hostile
    assert store.read(selector_of_pods(ENERGY, "default", [".*"]), 0, 4e9) == ()
    assert store.read(selector_of_pods(ENERGY, "other", [hostile]), 0, 4e9) == ()


def status(api: Any) -> dict[str, Any]:
    """Return the stored status of the job `net`."""
    return api.get(TRAININGJOBS, "net").get("status") or {}


def measured(api: Any) -> dict[str, Any]:
    """Return the condition Measured of the job `net`, or an empty one."""
    conditions = status(api).get("conditions") or []
    return next((c for c in conditions if c["type"] == "Measured"), {})


@pytest.fixture
def run_job(api: Any, training_job: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine that runs the job on a node, and returns its exporter's final page."""

    async def run(node: Node, joules: float) -> str:
        api.create(TRAININGJOBS, training_job(schedule={"policy": "Immediate"}))
        await api.until(lambda: api.get(JOBS, "net-1"))
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
        pod = api.run_pod("net-1", startTime=f"{began:%Y-%m-%dT%H:%M:%SZ}")
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        node.text = page_of(uid, joules / 2, began=began.timestamp(), pod=name)
        await api.until(lambda: status(api).get("energy", {}).get("totalJoules") == joules / 2)
        ended = datetime.now(UTC).timestamp()
        return page_of(uid, joules, began=began.timestamp(), ended=ended, pod=name)

    return run


async def page_at(url: str) -> str:
    """Return a page, fetched while the loop goes on."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def test_a_job_is_measured_without_prometheus(
    api: Any,
    operator: Callable[..., Any],
    zones: Callable[..., Any],
    run_job: Callable[..., Any],
) -> None:
    """7200 J at 300 g/kWh are 0.6 g: energy while it runs, and all figures after its end."""
    node = Node()
    async with node.serve("127.0.0.1", 0) as port:
        section = {"url": f"http://127.0.0.1:{port}/metrics", "scrapeIntervalSeconds": 0.2}
        own_port = free_port()
        server = {"metricsPort": own_port}
        async with operator(exporters=section, zones=zones(1000), server=server):
            node.text = await run_job(node, 7200.0)
            # The end marker is stored before the time to wait for it begins.
            await node.is_scraped()
            own = await page_at(f"http://127.0.0.1:{own_port}/metrics")
            assert 'lowtide_operator_exporters{state="answering"} 1.0' in own
            assert 'lowtide_operator_exporters{state="failing"} 0.0' in own
            api.end_job("net-1")
            await api.until(lambda: measured(api).get("status") == "True")
    found = status(api)
    assert measured(api)["reason"] == "Measured"
    assert found["energy"]["totalJoules"] == 7200
    assert found["energy"]["final"] is True
    assert found["energy"]["mock"] is True
    assert found["energy"]["gpuSeconds"] == "2.0"
    assert float(found["carbon"]["operationalGrams"]) == pytest.approx(0.6)


@pytest.mark.slow
async def test_a_restarted_operator_measures_from_its_own_store(
    api: Any,
    operator: Callable[..., Any],
    zones: Callable[..., Any],
    run_job: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Job and exporter end while the operator is down; its file still has the samples."""
    node = Node()
    everything = {
        "zones": zones(1000),
        "historyDirectory": str(tmp_path / "history"),
        # Markers are looked for since so long before the end, however long the first one takes to
        # stop; none is waited for, because all are there.
        "measurement": {"settleSeconds": 60},
    }
    async with node.serve("127.0.0.1", 0) as port:
        section = {"url": f"http://127.0.0.1:{port}/metrics", "scrapeIntervalSeconds": 0.2}
        async with operator(exporters=section, **everything):
            node.text = await run_job(node, 3600.0)
            await node.is_scraped()
        api.end_job("net-1")
        refuse(node)
        async with operator(exporters=section, **everything):
            await api.until(lambda: measured(api).get("status") == "True")
    assert status(api)["energy"]["totalJoules"] == 3600


@pytest.mark.slow
async def test_exporters_that_are_away_at_the_end_are_asked_again_without_loss(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any], run_job: Callable[..., Any]
) -> None:
    """The reason is visible meanwhile; the exporter kept the final values, so all is there."""
    node = Node()
    async with node.serve("127.0.0.1", 0) as port:
        section = {"url": f"http://127.0.0.1:{port}/metrics", "scrapeIntervalSeconds": 0.2}
        async with operator(exporters=section, zones=zones(1000)):
            final = await run_job(node, 3600.0)
            refuse(node)
            await node.is_scraped()
            api.end_job("net-1")
            await api.until(lambda: measured(api).get("reason") == "ExportersUnavailable")
            assert measured(api)["status"] == "Unknown"
            node.status, node.text = 200, final
            await api.until(lambda: measured(api).get("status") == "True")
    assert status(api)["energy"]["totalJoules"] == 3600


def test_one_source_of_samples_is_enough() -> None:
    """Two would have to be compared, and could not both be right."""
    both = {"prometheus": {"url": "http://p:9090"}, "exporters": {"url": "http://e:9400/metrics"}}
    with pytest.raises(ValueError, match="both set"):
        OperatorSettings.model_validate(both)
