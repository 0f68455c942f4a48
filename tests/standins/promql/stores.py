"""Real Prometheus and real VictoriaMetrics on loopback, given the same samples.

Past samples are imported, so that an hour of them needs no hour. Names and labels must not hold
what the text format escapes.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml
from standins.blocks import make_blocks
from standins.ports import free_port

ANSWERS_WITHIN_SECONDS = 120.0

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Past:
    """Samples of one series: (Unix seconds, value)."""

    name: str
    labels: Mapping[str, str]
    samples: Sequence[tuple[int, float]]

    def lines(self, per_second: int) -> Iterator[str]:
        """Yield the lines of the text format; `per_second` is the unit of its times."""
        pairs = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        for at, value in self.samples:
            yield f"{self.name}{{{pairs}}} {value!r} {at * per_second}\n"


@dataclass(frozen=True, slots=True)
class Store:
    """A server that answers PromQL."""

    url: str

    def at(self, expression: str, moment: float) -> dict[Labels, float]:
        """Return the value of each series of an expression at a Unix time."""
        found = self._ask("query", {"query": expression, "time": f"{moment:.3f}"})
        if found["resultType"] == "scalar":
            return {(): float(found["result"][1])}
        return {_labels(one["metric"]): float(one["value"][1]) for one in found["result"]}

    def stored(self, selector: str, moment: float) -> dict[Labels, list[tuple[float, float]]]:
        """Return the raw samples of a range selector, as the operator reads them."""
        found = self._ask("query", {"query": selector, "time": f"{moment:.3f}"})
        assert found["resultType"] == "matrix"
        return {
            _labels(one["metric"]): [(float(at), float(value)) for at, value in one["values"]]
            for one in found["result"]
        }

    def _ask(self, route: str, form: dict[str, str]) -> Any:
        answer = requests.post(f"{self.url}/api/v1/{route}", data=form, timeout=120)
        body = answer.json()
        assert body["status"] == "success", body
        return body["data"]


def _labels(metric: Mapping[str, str]) -> Labels:
    return tuple(sorted(metric.items()))


@contextlib.contextmanager
def prometheus(
    programs: Path,
    directory: Path,
    past: Sequence[Past] = (),
    targets: Sequence[str] = (),
    scrapes: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Store]:
    """Run Prometheus on imported samples, scraping `targets` each second.

    `scrapes` are further entries of its `scrape_configs`.
    """
    if past:
        page = directory / "past.txt"
        with page.open("w") as file:
            for series in past:
                kind = "counter" if series.name.endswith("_total") else "gauge"
                file.write(f"# TYPE {series.name.removesuffix('_total')} {kind}\n")
                file.writelines(series.lines(1))
            file.write("# EOF\n")
        make_blocks(programs / "promtool", page, directory / "data")
    config = directory / "prometheus.yaml"
    config.write_text(_scrapes(targets, scrapes))
    port = free_port()
    command = [
        programs / "prometheus", f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}", "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}", "/-/ready", directory) as url:
        yield Store(url)


@contextlib.contextmanager
def victoria_metrics(
    program: Path,
    directory: Path,
    past: Sequence[Past] = (),
    targets: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Iterator[Store]:
    """Run VictoriaMetrics on imported samples, scraping `targets` each second."""
    config = directory / "scrapes.yaml"
    config.write_text(_scrapes(targets))
    port = free_port()
    command = [
        program, f"-storageDataPath={directory / 'data'}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", f"-promscrape.config={config}", "-search.latencyOffset=0s",
        "-loggerLevel=ERROR", "-memory.allowedBytes=256MB", *options,
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}", "/health", directory) as url:
        if past:
            text = "".join(line for series in past for line in series.lines(1000))
            sent = requests.post(f"{url}/api/v1/import/prometheus", data=text, timeout=60)
            sent.raise_for_status()
        requests.get(f"{url}/internal/force_flush", timeout=120).raise_for_status()
        yield Store(url)


def _scrapes(targets: Sequence[str], others: Sequence[Mapping[str, Any]] = ()) -> str:
    scrape = {"job_name": "exporter", "honor_labels": True, "scrape_interval": "1s"}
    scrape |= {"static_configs": [{"targets": list(targets)}]}
    ours = [scrape] if targets else []
    return yaml.safe_dump({"scrape_configs": [*ours, *map(dict, others)]})


@contextlib.contextmanager
def _running(command: list[Any], url: str, ready: str, directory: Path) -> Iterator[str]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await(lambda: process.poll() is None and _answers(url + ready), process, log.name)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _await(is_ready: Any, process: subprocess.Popen[bytes], log: str) -> None:
    until = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while not is_ready():
        said = Path(log).read_text()[-2000:]
        assert process.poll() is None, said
        assert time.monotonic() < until, said
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).status_code == 200
    except requests.RequestException:
        return False
