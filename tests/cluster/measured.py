"""Evidence beside a measured job: the stand-ins' own truth, and the raw samples."""

import json
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demonstration import stage
from singlenode import images
from singlenode.layout import PROMETHEUS_URL

TRUTH_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Installed:
    """The chart on the cluster, with the stand-ins for GPUs beside it."""

    on: stage.Stage
    built: dict[str, images.Image]
    mock_nvml: Path

    @property
    def truth(self) -> Path:
        """Where the stand-in writes what every pod truly used."""
        return self.mock_nvml / "truth.jsonl"


def pods_of(job: dict[str, Any]) -> set[str]:
    """Return the uids of the pods of all attempts."""
    return {pod["uid"] for attempt in job["status"]["attempts"] for pod in attempt["pods"]}


def truth_of(job: dict[str, Any], file: Path) -> float:
    """Return the closed-form energy of the job's pods, once the stand-in has written it down.

    A pod that was removed before it got a GPU is in the status, and used nothing to be written.
    """
    uids = pods_of(job)
    measured = {
        pod["uid"]
        for attempt in job["status"]["attempts"]
        for pod in attempt["pods"]
        if pod.get("joules")
    }
    deadline = time.monotonic() + TRUTH_SECONDS
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        mine = {line["uid"]: line["energy_joules"] for line in lines if line["uid"] in uids}
        if measured and measured <= mine.keys():
            return float(sum(mine.values()))
        time.sleep(0.2)
    raise AssertionError(f"the stand-in wrote no truth for pods {uids}")


def query(expression: str) -> list[dict[str, Any]]:
    """Return the result of an instant query; that of a range selector holds raw samples."""
    url = f"{PROMETHEUS_URL}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def energy_of(pod: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Return the energy of a pod in time: start and end in Unix seconds, and joules.

    Straight from the exporter's counters as Prometheus holds them, each from zero at the start of
    its pod's segment. The last joules are scraped after the pod's end; no joule counts outside the
    time in which the pod ran by its status.
    """
    chosen = f'{{pod_uid="{pod["uid"]}"}}[1h]'
    begin = min(_values(f"lowtide_pod_segment_start_timestamp_seconds{chosen}"))
    final = max(_values(f"lowtide_pod_end_timestamp_seconds{chosen}"))
    start = seconds_of(pod["start"])
    end = seconds_of(pod["end"]) if "end" in pod else final
    pieces = []
    for series in query(f"lowtide_pod_energy_joules_total{chosen}"):
        before, counted = begin, 0.0
        for at, value in series["values"]:
            joules = float(value) - counted
            first, last = max(before, start), min(at, final, end)
            if joules > 0:
                pieces.append((min(first, end - 1), max(last, start + 1), joules))
            before, counted = min(at, final), float(value)
    return pieces


def seconds_of(text: str) -> float:
    """Return a time of the API in Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def _values(expression: str) -> list[float]:
    """Return the values of all samples of a range selector."""
    return [float(value) for series in query(expression) for _, value in series["values"]]
