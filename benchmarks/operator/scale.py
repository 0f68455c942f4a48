"""How the operator does with ten thousand waiting jobs: time, CPU, memory, writes, loop lag.

Run it against a cluster that is meant for tests; the control plane alone is enough:

    KUBECONFIG=... python benchmarks/operator/scale.py --jobs 10000

It creates the jobs in a namespace of its own, runs the operator twice as a process of this
machine (first sight, then an idle restart) and removes the namespace. The first sight of a job
costs four requests: read it, try its template, record an Event, write its status.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import client

from lowtide import names
from lowtide_operator.cluster import connect

NAMESPACE = "lowtide-scale"
IN_FLIGHT = 40
SCRAPE_SECONDS = 5
"""A scrape of all jobs costs CPU time of its own, so it is not done more often."""


def manifest(number: int) -> dict[str, Any]:
    """Return a job that waits for years."""
    container = {"name": "train", "image": "example.org/train:1", "resources": {}}
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": {"name": f"job-{number:05}", "namespace": NAMESPACE},
        "spec": {
            "schedule": {"startNoEarlierThan": "2999-01-01T00:00:00Z"},
            "template": {"spec": {"template": {"spec": {"containers": [container]}}}},
        },
    }


async def create(count: int) -> None:
    """Create the namespace and the jobs, some in flight at a time."""
    api = await connect(workers=IN_FLIGHT)
    objects = client.CustomObjectsApi(api)
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with slots:
            await objects.create_namespaced_custom_object(
                names.GROUP, names.VERSION, NAMESPACE, names.PLURAL, manifest(number)
            )

    try:
        await asyncio.gather(*(one(number) for number in range(count)))
    finally:
        await api.close()  # type: ignore[no-untyped-call]


class Run:
    """One run of the operator as a process, watched from outside."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = {
            "cluster": {"namespaces": [NAMESPACE]},
            "server": {"metricsPort": self.port, "healthPort": 0, "logLevel": "warning"},
        }
        file = folder / "settings.yaml"
        file.write_text(yaml.safe_dump(settings))
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lowtide_operator.main", "--settings", str(file)]
        )
        self.peak_mib = 0.0
        self.longest_lag = 0.0

    def figures(self) -> dict[str, float]:
        """Return the metrics that matter; empty while the page is not there yet."""
        try:
            url = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(url, timeout=30) as answer:
                page = answer.read().decode()
        except OSError:
            return {}
        found = dict(re.findall(r"^(lowtide_(?:operator|trainingjobs)\S*) (\S+)$", page, re.M))
        return {name: float(value) for name, value in found.items()}

    def follow(self, count: int) -> dict[str, float]:
        """Wait until every job was looked at and nothing is left to do; return the figures."""
        while True:
            time.sleep(SCRAPE_SECONDS)
            figures = self.figures()
            self._sample()
            lag = figures.get("lowtide_operator_loop_lag_seconds", 0.0)
            self.longest_lag = max(self.longest_lag, lag)
            looked = figures.get('lowtide_operator_reconciliations_total{outcome="ok"}', 0)
            left = figures.get('lowtide_operator_queue_length{state="waiting"}', 1)
            if looked >= count and left == 0:
                return figures

    def _sample(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        if peak is not None:
            self.peak_mib = int(peak[1]) / 1024

    def report(self, title: str, figures: dict[str, float]) -> dict[str, Any]:
        """Stop the operator and return what it took."""
        seconds = time.monotonic() - self.began
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        ticks = int(stat[11]) + int(stat[12])
        self.process.terminate()
        self.process.wait(timeout=60)
        return {
            "run": title,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(ticks / os.sysconf("SC_CLK_TCK"), 1),
            "peak_mib": round(self.peak_mib),
            "longest_loop_lag_seconds": round(self.longest_lag, 2),
            "status_writes": figures['lowtide_operator_status_writes_total{outcome="ok"}'],
            "errors": figures['lowtide_operator_reconciliations_total{outcome="error"}'],
        }


def main() -> int:
    """Run the benchmark; print one JSON object per run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    count = parser.parse_args().jobs
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], check=True, stdout=sys.stderr)
    try:
        asyncio.run(create(count))
        with tempfile.TemporaryDirectory() as folder:
            for title in ("first sight", "idle restart"):
                run = Run(Path(folder))
                figures = run.follow(count)
                print(json.dumps({"jobs": count, **run.report(title, figures)}), flush=True)
    finally:
        subprocess.run(
            ["kubectl", "delete", "namespace", NAMESPACE, "--wait=false"],
            check=True,
            stdout=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
