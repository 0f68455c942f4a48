"""The query of docs/how-to/measure-inference.md, asked of a real Prometheus.

It is read from the page, so what is tried here is what a reader copies. Expected values are hand
calculations: joules of a Deployment's pods over what they counted.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from standins.pages import serving
from standins.promql.stores import Past, Store, prometheus
from standins.served_models import COUNTERS, page_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "measure-inference.md"
NOW = 1_790_000_000 // 3600 * 3600
WRITTEN = "vllm:generation_tokens_total"
"""The counter in the query as it stands on the page."""
SCRAPED_WITHIN_SECONDS = 120.0


def query() -> str:
    """Return the query of the page."""
    (found,) = re.findall(r"^```promql\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    return found


def steady(name: str, labels: dict[str, str], per_second: float) -> Past:
    """Return a counter that rises evenly for two hours, once a minute."""
    times = range(NOW - 7200, NOW + 1, 60)
    return Past(name, labels, [(at, per_second * (at - NOW + 7200)) for at in times])


def pod(name: str, watts: float, counts: dict[str, float], owner: str) -> list[Past]:
    """Return the series of one pod of a Deployment: its energy, its owner and what it counted."""
    place = {"namespace": "ml", "pod": name}
    of_pod = place | {"pod_uid": f"u-{name}", "node": "n1"}
    parts = {"container": "server", "part": "active", "method": "exclusive", "quality": "counter"}
    owned = of_pod | {"owner_kind": "Deployment", "owner_name": owner}
    energy = "lowtide_pod_energy_joules_total"
    minutes = range(NOW - 7200, NOW + 1, 60)
    return [
        steady(energy, of_pod | parts | {"component": "gpu"}, watts - 20),
        steady(energy, of_pod | parts | {"component": "cpu"}, 20),
        Past("pod:lowtide_pod_owner:info", owned, [(at, 1.0) for at in minutes]),
        *(steady(name, place | dict(COUNTERS[name]), rate) for name, rate in counts.items()),
    ]


@pytest.fixture(scope="module")
def store(promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return Prometheus with two hours of two servers, and pages of both scraped into it."""
    vllm = {
        "vllm:generation_tokens_total": 1_000.0,
        "vllm:prompt_tokens_total": 4_000.0,
        "vllm:request_success_total": 2.0,
    }
    triton = {"nv_inference_request_success": 50.0, "nv_inference_count": 400.0}
    past = [
        *pod("llm-a", 600, vllm, "llm"),
        # A replica that answers nothing uses 200 W for it.
        *pod("llm-b", 200, dict.fromkeys(vllm, 0.0), "llm"),
        *pod("vision-a", 100, triton, "vision"),
        # Pods that are no servers count nowhere.
        *pod("train", 700, {}, "net"),
    ]
    with (
        serving(page_of("vllm", 17.0)) as one,
        serving(page_of("nv", 5.0)) as other,
        prometheus(promtool.parent, tmp_path_factory.mktemp("served"), past, [one, other]) as found,
    ):
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counter", "owner", "joules"),
    [
        # (600 + 200) W over 1,000 tokens a second, and so on.
        ("vllm:generation_tokens_total", "llm", 0.8),
        ("vllm:prompt_tokens_total", "llm", 0.2),
        ("vllm:request_success_total", "llm", 400.0),
        ("nv_inference_request_success", "vision", 2.0),
        ("nv_inference_count", "vision", 0.25),
    ],
)
def test_energy_of_a_served_model_is_divided_by_its_own_counter(
    store: Store, counter: str, owner: str, joules: float
) -> None:
    """Every row of the page's table, for every replica of its Deployment."""
    assert f"`{counter}`" in PAGE.read_text("utf-8")
    assert WRITTEN in query()

    found = store.at(query().replace(WRITTEN, counter), NOW)

    labels = (("namespace", "ml"), ("owner_kind", "Deployment"), ("owner_name", owner))
    assert list(found) == [labels]
    assert found[labels] == pytest.approx(joules)


@pytest.mark.slow
@pytest.mark.parametrize(("server", "value"), [("vllm", 17.0), ("nv", 5.0)])
def test_a_servers_page_is_scraped_under_the_names_that_the_query_asks_for(
    store: Store, server: str, value: float
) -> None:
    """Colons in names, and counters without `_total`, come through a scrape unchanged."""
    until = time.monotonic() + SCRAPED_WITHIN_SECONDS
    for name in COUNTERS:
        if not name.startswith(server):
            continue
        while not (found := store.at(f'{name}{{pod=""}}', time.time())):
            assert time.monotonic() < until, f"{name} was not scraped"
            time.sleep(0.2)
        assert list(found.values()) == [value]
