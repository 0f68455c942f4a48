"""The documented configuration of an OpenTelemetry Collector, run by a Collector of these parts."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
import yaml
from standins.pages import serving

from lowtide_exporter.page.catalogue import GPU_ENERGY, GPU_POWER, POD_ENERGY
from lowtide_exporter.page.exposition import TextWriter
from lowtide_exporter.page.snapshot import Snapshot

pytestmark = [pytest.mark.slow, pytest.mark.kinds]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "opentelemetry.md"
ANSWER_SECONDS = 120

Points = dict[str, list[tuple[dict[str, str], float]]]
"""Attributes and value of every point, by the metric's name."""


@pytest.fixture
def collector() -> Path:
    """The Collector, where it was built."""
    from singlenode.binaries import companion
    from singlenode.layout import Layout

    found = companion(Layout.default(), "otelcollector")
    if found is None:
        pytest.skip(
            "the Collector is not built, because that takes many minutes: "
            "`make test-kinds` builds it"
        )
    return found


@pytest.fixture
def received() -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """Address of a receiver of OTLP in JSON, and what it received."""
    queue: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            queue.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", queue
        server.shutdown()


def documented() -> dict[str, Any]:
    """Return the configuration on the page."""
    text = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_energy_and_power_of_a_gpu_have_the_names_of_the_conventions(
    collector: Path, received: tuple[str, Queue[dict[str, Any]]], tmp_path: Path
) -> None:
    """Only addresses and the pace are changed; pods and the instant power stay at home."""
    page = {
        GPU_ENERGY.name: ((("GPU-1",), 4321.5),),
        GPU_POWER.name: ((("GPU-1", "average"), 250.0), (("GPU-1", "instant"), 300.0)),
        POD_ENERGY.name: ((tuple("x" for _ in POD_ENERGY.labels), 99.0),),
    }
    address, queue = received
    with serving(TextWriter().write(Snapshot(page), openmetrics=False)) as target:
        config = documented()
        (scrape,) = config["receivers"]["prometheus"]["config"]["scrape_configs"]
        scrape |= {"scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
        config["exporters"]["otlphttp"] = {
            "endpoint": address, "encoding": "json", "compression": "none",
        }  # fmt: skip
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(config))
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([collector, "--config", file], stdout=log, stderr=log)
            try:
                found = _points(queue.get(timeout=ANSWER_SECONDS))
            except Empty:
                pytest.fail((tmp_path / "log").read_text()[-3000:])
            finally:
                process.terminate()
                process.wait(240)

    component = {"hw.id": "GPU-1", "hw.type": "gpu"}
    assert [value for _, value in found["hw.energy"]] == [4321.5]
    assert [value for _, value in found["hw.power"]] == [250.0]
    assert all(component.items() <= of.items() for of, _ in found["hw.energy"] + found["hw.power"])
    assert not any(name.startswith("lowtide_") for name in found)


def _points(message: dict[str, Any]) -> Points:
    """Return the points of an OTLP message."""
    found: Points = {}
    for resource in message["resourceMetrics"]:
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                points = (metric.get("sum") or metric.get("gauge") or {}).get("dataPoints", [])
                found.setdefault(metric["name"], []).extend(
                    (
                        {
                            a["key"]: a["value"].get("stringValue", "")
                            for a in p.get("attributes", [])
                        },
                        float(p.get("asDouble", p.get("asInt", 0.0))),
                    )
                    for p in points
                )
    return found
