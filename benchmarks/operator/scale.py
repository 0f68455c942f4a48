"""Scale of the operator: time, CPU, memory, writes and loop lag with ten thousand waiting jobs.

    python benchmarks/operator/scale.py --jobs 10000

With KUBECONFIG set it uses that cluster, if it is meant for tests (the control plane alone is
enough), else the test cluster of this machine, which it starts and removes where none is running.

It creates the jobs in a namespace of its own: a sweep with runs of one to six hours that wait for
the clean hours of a forecast, half of them ready to pause. The operator runs twice as a process of
this machine. The first time it sees them all: it plans each, records an Event and writes the
status. The second time nothing has changed; then a newer forecast arrives that means the same.
Every figure has its budget beside it (docs/explanation/operator-at-scale.md); the exit code is 1
where one is not kept. The API server's CPU time stands beside the operator's, because it shares the
cores and bounds how soon ten thousand Events and statuses can be written. The namespace is removed
at the end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import client

from lowtide import names
from lowtide_operator.cluster.connection import connect

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

import onecluster  # noqa: E402
from singlenode import access, binaries  # noqa: E402
from singlenode.errors import ClusterError  # noqa: E402
from singlenode.layout import Layout  # noqa: E402
from singlenode.progress import Progress  # noqa: E402

CRD = ROOT / "crds" / "trainingjobs.lowtide.dev.yaml"

NAMESPACE = "lowtide-scale"
IN_FLIGHT = 40
POLL_SECONDS = 0.5
REFRESH_SECONDS = 20
DIRTY_HOURS = 8
DIRTY, CLEAN = 400.0, 100.0
LIMIT_SECONDS = 600

BUDGETS = {
    "first sight": {"seconds": 60, "peak_mib": 200, "longest_loop_lag_seconds": 1},
    "idle restart": {"seconds": 15, "peak_mib": 200, "status_writes": 0},
    "newer forecast": {"planning_seconds": 20, "status_writes": 0},
    "steady": {"cpu_ratio": 0.05, "peak_mib": 200},
}
"""Upper limits, for 10,000 jobs on two cores shared with the API server."""


def manifest(number: int) -> dict[str, Any]:
    """Return one job of the sweep."""
    container = {
        "name": "train",
        "image": "example.org/train:1",
        "args": ["--seed", str(number)],
        "resources": {},
    }
    schedule = {
        "expectedDurationSeconds": 3600 * (1 + number % 6),
        "maxDelaySeconds": 86_400,
        "interruption": {"allowed": number % 2 == 0},
    }
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": {"name": f"job-{number:05}", "namespace": NAMESPACE},
        "spec": {
            "schedule": schedule,
            "template": {"spec": {"template": {"spec": {"containers": [container]}}}},
        },
    }


def write_grid(path: Path, *, more: float = 0.0) -> None:
    """Write hours: dirty ones up to and including the next, then clean ones.

    `more` is added to the clean ones only, because an equal error everywhere is corrected as a
    bias.
    """
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    lines = ["time,g_per_kwh,forecast"]
    for ahead in range(-16 * 24, 4 * 24):
        value = DIRTY if ahead < DIRTY_HOURS else CLEAN + more
        moment = hour + timedelta(hours=ahead)
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{value if ahead < 0 else ''},{value}")
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(path)


async def create(bodies: Sequence[dict[str, Any]]) -> None:
    """Create the jobs, some in flight at a time."""
    api = await connect(workers=IN_FLIGHT)
    objects = client.CustomObjectsApi(api)
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(body: dict[str, Any]) -> None:
        async with slots:
            await objects.create_namespaced_custom_object(
                names.GROUP, names.VERSION, NAMESPACE, names.PLURAL, body
            )

    try:
        await asyncio.gather(*(one(body) for body in bodies))
    finally:
        await api.close()  # type: ignore[no-untyped-call]


def server_cpu_seconds() -> float | None:
    """Return the CPU time that the API server has used so far, `None` where it does not say."""
    page = subprocess.run(
        ["kubectl", "get", "--raw", "/metrics"], capture_output=True, text=True, timeout=60
    ).stdout
    found = re.search(r"^process_cpu_seconds_total (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


class Run:
    """One run of the operator as a process, watched from outside.

    Its health page is asked twice a second; a page of metrics for all jobs would cost more than
    the work that is measured.
    """

    def __init__(self, folder: Path, grid: Path) -> None:
        with socket.socket() as free, socket.socket() as other:
            free.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port, metrics = free.getsockname()[1], other.getsockname()[1]
        provider = {"kind": "file", "path": str(grid), "refreshSeconds": 1}
        settings = {
            "cluster": {"namespaces": [NAMESPACE]},
            "zones": {"XX": {"providers": [provider]}},
            "forecast": {"refreshSeconds": REFRESH_SECONDS, "retrySeconds": 1},
            "server": {"metricsPort": metrics, "healthPort": self.port, "logLevel": "warning"},
        }
        file = folder / "settings.yaml"
        file.write_text(yaml.safe_dump(settings))
        self.server_before = server_cpu_seconds()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lowtide_operator.main", "--settings", str(file)]
        )
        self.before: dict[str, float] = {}
        self.cpu_before = 0.0

    def figures(self) -> dict[str, float]:
        """Return the figures of the health page; empty while it is not there yet."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/healthz", timeout=30
            ) as answer:
                page: dict[str, float] = json.load(answer)
        except OSError:
            return {}
        return page

    def until(self, done: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """Wait until the figures say that the work is done; return them."""
        while time.monotonic() < self.began + LIMIT_SECONDS:
            figures = self.figures()
            if figures and done(figures):
                return figures
            if self.process.poll() is not None:
                raise SystemExit(f"the operator ended with {self.process.returncode}")
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"not done after {LIMIT_SECONDS} s: {self.figures()}")

    def report(self, title: str, figures: dict[str, float]) -> dict[str, Any]:
        """Return the cost of the phase that ends now, and begin the next."""
        now, cpu, server = time.monotonic(), self._cpu_seconds(), server_cpu_seconds()
        found = {
            "phase": title,
            "seconds": round(now - self.began, 1),
            "cpu_seconds": round(cpu - self.cpu_before, 1),
            "server_cpu_seconds": None
            if server is None or self.server_before is None
            else round(server - self.server_before, 1),
            "peak_mib": round(self._peak_mib()),
            "longest_loop_lag_seconds": figures["longest_loop_lag_seconds"],
            **{
                name: round(figures[name] - self.before.get(name, 0), 1)
                for name in ("looks", "status_writes", "errors", "planning_passes")
            },
            "planning_seconds": round(
                figures["planning_seconds"] - self.before.get("planning_seconds", 0), 1
            ),
        }
        self.began, self.cpu_before, self.before = now, cpu, figures
        self.server_before = server
        return found

    def _cpu_seconds(self) -> float:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def _peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(peak[1]) / 1024 if peak else 0.0

    def stop(self) -> None:
        """End the operator."""
        self.process.terminate()
        self.process.wait(timeout=60)


def measure(count: int, folder: Path, steady_seconds: float) -> list[dict[str, Any]]:
    """Return the figures of the phases."""
    grid = folder / "grid.csv"
    write_grid(grid)
    found = []

    def all_seen(figures: dict[str, float]) -> bool:
        return figures["looks"] >= count and figures["queue_length"] == 0

    for title in ("first sight", "idle restart"):
        run = Run(folder, grid)
        try:
            found.append(run.report(title, run.until(all_seen)))
            if title == "idle restart":
                write_grid(grid, more=0.5)
                passes = run.before["planning_passes"]
                figures = run.until(
                    lambda now: now["planning_passes"] > passes and now["queue_length"] == 0  # noqa: B023
                )
                found.append(run.report("newer forecast", figures))
                if steady_seconds:
                    time.sleep(steady_seconds)
                    steady = run.report("steady", run.figures())
                    found.append({**steady, "cpu_ratio": steady["cpu_seconds"] / steady_seconds})
        finally:
            run.stop()
    return found


def verdict(phase: dict[str, Any]) -> tuple[str, bool]:
    """Return the figures of a phase with their budgets, and whether all are kept."""
    budget = BUDGETS[phase["phase"]]
    broken = [name for name, limit in budget.items() if phase[name] > limit]
    words = ", ".join(
        f"{name} {phase[name]:g} ({'kept' if name not in broken else 'NOT kept'}: {limit:g})"
        for name, limit in budget.items()
    )
    return f"{phase['phase']}: {words}", not broken


def main() -> int:
    """Run the benchmark; print one JSON object per phase, then the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument(
        "--steady-seconds", type=float, default=0.0, help="3600 for the hour of the promise"
    )
    options = parser.parse_args()
    try:
        with reachable_cluster():
            return compare_with_budgets(options.jobs, options.steady_seconds)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def reachable_cluster() -> Iterator[None]:
    """Provide a cluster with the definition; the environment names its kubeconfig and kubectl.

    Raises:
        ClusterError: KUBECONFIG names a cluster that is not meant for tests, or none can be had.
    """
    layout = Layout.default()
    programs = binaries.provide(layout, Progress())
    os.environ["PATH"] = f"{programs.kubectl.parent}:{os.environ.get('PATH', '')}"
    named = access.external_kubeconfig(os.environ, layout, programs.kubectl)
    with contextlib.ExitStack() as stack:
        if named is None:
            found = stack.enter_context(onecluster.shared(layout, keep=False))
            named = str(found.kubeconfig)
        os.environ["KUBECONFIG"] = named
        apply = ["kubectl", "apply", "--server-side", "--force-conflicts", "-f", str(CRD)]
        subprocess.run(apply, check=True, stdout=sys.stderr)
        listed = ["kubectl", "get", names.PLURAL, "--all-namespaces", "--chunk-size=1"]
        while subprocess.run(listed, stdout=subprocess.DEVNULL, timeout=60).returncode != 0:
            time.sleep(POLL_SECONDS)  # a new definition is served after a moment
        yield


@contextlib.contextmanager
def own_namespace() -> Iterator[None]:
    """Create the benchmark's namespace, and remove it afterwards."""
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], check=True, stdout=sys.stderr)
    try:
        yield
    finally:
        subprocess.run(
            ["kubectl", "delete", "namespace", NAMESPACE, "--wait=false"],
            check=True,
            stdout=sys.stderr,
        )


def compare_with_budgets(count: int, steady_seconds: float) -> int:
    """Print the figures of all phases and their verdicts; return the exit code."""
    with own_namespace(), tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        asyncio.run(create([manifest(number) for number in range(count)]))
        print(f"{count} jobs created in {time.monotonic() - began:.0f} s", file=sys.stderr)
        phases = measure(count, Path(folder), steady_seconds)
    verdicts = [verdict(phase) for phase in phases]
    for phase in phases:
        print(json.dumps({"jobs": count, **phase}))
    for line, _ in verdicts:
        print(line)
    return 0 if all(kept for _, kept in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
