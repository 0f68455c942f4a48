"""A real Prometheus that holds a made-up past: pods with known joules, a grid with known grams.

The past is written as OpenMetrics text, made into blocks by promtool, and served by Prometheus
itself, so that queries are answered by the real engine and truth is known by construction.
"""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from standins.blocks import make_blocks
from standins.ports import free_port

SCRAPE = timedelta(seconds=60)
KEPT = timedelta(minutes=5)
"""How long the exporter shows the final values of an ended pod."""


def program(name: str) -> Path:
    """Return a program of the machine, or of the test cluster's cache; skip the test without it."""
    from singlenode.layout import Layout

    cached = sorted((Layout.default().cache / "debian").glob("*/root/usr/bin"))
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, cached)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed: `python tests/cluster build` fetches it")
    return Path(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPod:
    """One pod of the past; it draws `watts` evenly from start to end."""

    name: str
    start: datetime
    end: datetime
    watts: float
    owner: tuple[str, str, str] | None = ("Job", "net", "u-net")
    """Kind, name and uid of the top owner; None where the exporter did not know it."""
    namespace: str = "ml"
    node: str = "n1"
    component: str = "gpu"
    trainingjob_uid: str = ""

    @property
    def uid(self) -> str:
        """A uid that no other pod has."""
        return f"u-{self.namespace}-{self.name}"

    @property
    def joules(self) -> float:
        """All energy."""
        return self.watts * (self.end - self.start).total_seconds()


@dataclass(slots=True)
class Past:
    """Series of a time, as a scrape once a minute stored them."""

    start: datetime
    end: datetime
    lines: list[str] = field(default_factory=list)

    def add(
        self, metric: str, labels: dict[str, str], value: Callable[[datetime], float | None]
    ) -> None:
        """Add a series; a time at which its value is `None` has no sample."""
        text = ",".join(f'{name}="{content}"' for name, content in labels.items())
        at = self.start
        while at <= self.end:
            number = value(at)
            if number is not None:
                self.lines.append(f"{metric}{{{text}}} {number!r} {at.timestamp():.0f}")
            at += SCRAPE

    def pod(self, pod: PastPod) -> None:
        """Add the exporter's series of a pod."""
        place = {"namespace": pod.namespace, "pod": pod.name, "pod_uid": pod.uid, "node": pod.node}
        energy = {
            **{"container": "main", "component": pod.component, "part": "active"},
            **{"method": "exclusive", "quality": "counter"},
        }

        def shown(at: datetime) -> bool:
            return pod.start <= at <= pod.end + KEPT

        def joules(at: datetime) -> float | None:
            seconds = (min(at, pod.end) - pod.start).total_seconds()
            return pod.watts * seconds if shown(at) else None

        def held(at: datetime) -> float | None:
            return (min(at, pod.end) - pod.start).total_seconds() if shown(at) else None

        kind, name, uid = pod.owner or ("", "", "")
        owner = {"owner_kind": kind, "owner_name": name, "owner_uid": uid}
        owner = {label: text for label, text in owner.items() if text}
        if pod.trainingjob_uid:
            owner["trainingjob_uid"] = pod.trainingjob_uid
        self.add("lowtide_pod_energy_joules_total", place | energy, joules)
        self.add(
            "lowtide_pod_segment_start_timestamp_seconds",
            place,
            lambda at: pod.start.timestamp() if shown(at) else None,
        )
        self.add(
            "lowtide_pod_end_timestamp_seconds",
            place,
            lambda at: pod.end.timestamp() if shown(at) and at >= pod.end else None,
        )
        self.add("lowtide_pod_owner_info", place | owner, lambda at: 1.0 if shown(at) else None)
        self.add(
            "lowtide_pod_gpu_held_seconds_total",
            place | {"container": "main", "model": "H100"},
            held,
        )

    def job_info(self, trainingjob: str, target_uid: str, zone: str = "") -> None:
        """Add the operator's series of a TrainingJob; `target_uid` is that of another's workload.

        Prometheus keeps the operator's own namespace and renames the label of the job's.
        """
        labels = {"namespace": "lowtide-system", "exported_namespace": "ml"}
        labels |= {"trainingjob": trainingjob, "target_uid": target_uid}
        if zone:
            labels["zone"] = zone
        self.add("lowtide_trainingjob_info", labels, lambda _: 1.0)

    def grid(
        self,
        intensity: Callable[[datetime], float | None],
        *,
        zone: str = "DE",
        factor: str = "life-cycle",
        price: float | None = None,
        default: bool = True,
    ) -> None:
        """Add the operator's series of a zone; `default` makes it that of jobs that name none."""
        labels = {"zone": zone, "signal": "Average", "factor": factor}
        self.add("lowtide_operator_intensity_grams_per_kwh", labels, intensity)
        if default:
            self.add("lowtide_operator_default_zone_info", {"zone": zone}, lambda _: 1.0)
        if price is not None:
            self.add(
                "lowtide_operator_price_per_kwh",
                {"zone": zone, "currency": "EUR", "provider": "tariff"},
                lambda _: price,
            )

    def forecasts(
        self,
        expected: Callable[[datetime, datetime], float],
        *,
        zone: str = "DE",
        hours: int = 48,
    ) -> None:
        """Add the operator's forecasts; `expected` has the time of making and the hour."""

        def value(at: datetime, ahead: int) -> float:
            hour = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=ahead)
            return expected(at, hour)

        labels = {"zone": zone, "signal": "Average", "factor": "life-cycle"}
        for ahead in range(hours):
            self.add(
                "lowtide_operator_forecast_grams_per_kwh",
                labels | {"ahead_hours": str(ahead)},
                lambda at, ahead=ahead: value(at, ahead) if at.minute in (5, 10) else None,
            )

    def text(self) -> str:
        """Return the samples as OpenMetrics, metric by metric as the format wants it."""
        by_metric = sorted(self.lines, key=lambda line: line.partition("{")[0])
        return "\n".join([*by_metric, "# EOF", ""])


@contextmanager
def serving(past: Past, folder: Path) -> Iterator[str]:
    """Yield the address of a Prometheus that holds the past."""
    source, store = folder / "past.txt", folder / "store"
    source.write_text(past.text())
    store.mkdir()
    make_blocks(program("promtool"), source, store)
    (folder / "prometheus.yml").write_text("{}\n")
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={store}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await_ready(process, url)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _await_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"Prometheus ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=60) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail("Prometheus was not ready within a minute")
