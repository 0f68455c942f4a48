"""Cost of the exporter: CPU time, memory, scrape time, calls. Prints a table.

The installed exporter runs as a process against the stand-in NVML and a stand-in kubelet in
another process: 8 GPUs, 100 pods. CPU time is the process's own (of the stand-ins, only the
library's calls are in it), so another program on the machine disturbs it little. With --rivals
PYTHON (an interpreter with rivals.txt installed) the pollers of codecarbon and zeus run against the
same library at the same rate; they only poll, where the exporter also asks the kubelet, attributes
and serves. Budgets are printed with verdicts; on a machine that others use read the ratios, because
waking up on cold caches costs two to three times as much there.

Run: PYTHONPATH=tests python benchmarks/exporter/cost.py [--seconds 30] [--rivals PYTHON]
"""

import argparse
import contextlib
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from standins.kubelet.server import KubeletStandIn, load_messages
from standins.nvml.build import build_library
from standins.nvml.control import Control, gpu_uuid

from lowtide.energy.attribution import Method, Part
from lowtide.energy.quality import Quality
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.pod_accounts import SeriesKey
from lowtide_exporter.page.collector import SnapshotCollector
from lowtide_exporter.page.exposition import TextWriter
from lowtide_exporter.page.snapshot import LoopStatus, take_snapshot
from lowtide_exporter.readings import PodRecord

GPUS, PODS = 8, 100
MILLICORES = {1.0: 3.0, 0.1: 6.0}
RESIDENT_MEBIBYTES, SCRAPE_MILLISECONDS = 56.0, 10.0
PAUSE = threading.Event()
CODECARBON = """
import sys, time, logging; logging.disable(logging.CRITICAL)
from codecarbon.core.gpu import AllGPUDevices
from codecarbon.core.units import Time
devices = AllGPUDevices(); devices.start()
def step():
    devices.get_delta(Time.from_seconds(PERIOD))
end = time.monotonic() + SECONDS
print("ready", flush=True)
while time.monotonic() < end:
    step(); time.sleep(PERIOD)
"""
ZEUS = """
import sys, time, logging; logging.disable(logging.CRITICAL)
from zeus.device import get_gpus
gpus = get_gpus()
def step():
    for index in range(len(gpus)):
        gpus.get_total_energy_consumption(index)
        gpus.get_average_power_usage(index)
        gpus.get_instant_power_usage(index)
end = time.monotonic() + SECONDS
print("ready", flush=True)
while time.monotonic() < end:
    step(); time.sleep(PERIOD)
"""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    words = Path(f"/proc/{pid}/schedstat").read_text().split()
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    if len(threads) == 1:
        return int(words[0]) / 1e9
    total = 0
    for thread in threads:
        total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_mebibytes(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(process: "subprocess.Popen[str]", seconds: float) -> tuple[float, float]:
    """Return millicores over `seconds` and resident memory at their end."""
    before, began = cpu_seconds(process.pid), time.monotonic()
    PAUSE.wait(seconds)
    used = cpu_seconds(process.pid) - before
    return 1000 * used / (time.monotonic() - began), resident_mebibytes(process.pid)


def measure_exporter(
    directory: Path, period: float, seconds: float, port: int
) -> tuple[float, float]:
    """Return millicores and memory of the exporter with 8 GPUs and 100 pods."""
    command = [
        *(sys.executable, "-m", "lowtide_exporter.main", "--allow-mock", "--port", str(port)),
        *("--nvml-library", str(build_library()), "--listen-address", "127.0.0.1"),
        *("--kubelet-socket", str(directory / "kubelet.sock"), "--period-seconds", str(period)),
        *("--sysfs", str(directory), "--log-level", "error"),
    ]
    process = subprocess.Popen(command, text=True)
    try:
        for _ in range(300):
            PAUSE.wait(0.2)
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read()
                break
        PAUSE.wait(5)
        return measure(process, seconds)
    finally:
        process.terminate()
        process.wait(20)


def measure_rival(
    python: str, program: str, period: float, seconds: float
) -> tuple[float, float] | None:
    """Return millicores and memory of another project's poller, None where it does not run."""
    text = program.replace("PERIOD", str(period)).replace("SECONDS", str(seconds + 60))
    process = subprocess.Popen(
        [python, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "ready":
                PAUSE.wait(2)
                return measure(process, seconds)
        return None
    finally:
        process.kill()
        process.wait(20)


def verdict(value: float, limit: float, unit: str) -> str:
    """Return whether a budget was kept, in words."""
    return f"   {'kept' if value <= limit else 'MISSED'}: at most {limit:g} {unit}"


def make_ledger(pods: int) -> NodeLedger:
    """Return a ledger with this many pods that have energy."""
    ledger = NodeLedger()
    for index in range(pods):
        record = PodRecord(namespace="ml", name=f"pod-{index}", uid=f"uid-{index}")
        account = ledger.pods.open(record.uid, record, 1.0, 1.0)
        for part in Part:
            for component, method in (("gpu", Method.EXCLUSIVE), ("cpu", Method.CPU_SHARE)):
                key = SeriesKey("main", component, part, method, Quality.COUNTER)
                account.add(key, 1000 * index)
        account.add(SeriesKey("", "dram", Part.IDLE_HELD, Method.MEMORY_SHARE, Quality.MODEL), 1)
        account.held_seconds["main", "NVIDIA H100 80GB HBM3"] = 5.0
        account.shares["main", gpu_uuid(index % 8)] = 1.0
    return ledger


def time_scrape(series: int) -> tuple[int, float, float]:
    """Return the number of series, and median milliseconds of our and the library's rendering."""
    ledger = make_ledger(series // 8)
    writer, registry = TextWriter(), CollectorRegistry()
    registry.register(SnapshotCollector(lambda: take_snapshot(ledger, LoopStatus())))
    ours, theirs, page = [], [], b""
    for _ in range(60):
        began = time.thread_time()
        page = writer.write(take_snapshot(ledger, LoopStatus()), openmetrics=True)
        gzip.compress(page, 1)
        ours.append(1000 * (time.thread_time() - began))
        began = time.thread_time()
        gzip.compress(generate_latest(registry), 1)
        theirs.append(1000 * (time.thread_time() - began))
    count = sum(1 for line in page.splitlines() if not line.startswith(b"#"))
    return count, statistics.median(ours), statistics.median(theirs)


def main() -> None:
    """Print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--port", type=int, default=19410)
    parser.add_argument("--rivals", default="", help="interpreter with codecarbon and zeus")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        control = Control.create(directory / "state", GPUS)
        os.environ["LOWTIDE_MOCK_STATE"] = str(control.path)
        os.environ["LD_LIBRARY_PATH"] = str(build_library().parent)
        kubelet = KubeletStandIn(directory / "kubelet.sock", load_messages(directory))
        for index in range(PODS):
            ids = (gpu_uuid(index),) if index < GPUS else ()
            kubelet.give("ml", f"pod-{index}", *ids)
        kubelet.start()
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{'program':24s}{'rate':>7s}{'millicores':>12s}{'ratio':>8s}{'RSS MiB':>10s}")
        for period in (1.0, 0.1):
            rows = {
                "lowtide-exporter": measure_exporter(
                    directory, period, options.seconds, options.port
                )
            }
            if options.rivals:
                for title, program in (("codecarbon (GPU poll)", CODECARBON), ("zeus", ZEUS)):
                    found = measure_rival(options.rivals, program, period, options.seconds)
                    if found is not None:
                        rows[title] = found
            ours = rows["lowtide-exporter"][0]
            for title, (millicores, memory) in rows.items():
                said = ""
                if title == "lowtide-exporter":
                    said = verdict(millicores, MILLICORES[period], "mc")
                    said += verdict(memory, RESIDENT_MEBIBYTES, "MiB")
                print(
                    f"{title:24s}{1 / period:5.0f} Hz{millicores:12.2f}{millicores / ours:8.2f}"
                    f"{memory:10.1f}{said}"
                )
        kubelet.stop()
    series, ours, theirs = time_scrape(1000)
    print(
        f"scrape of {series} series with gzip: {ours:.1f} ms, client library {theirs:.1f} ms"
        f"{verdict(ours, SCRAPE_MILLISECONDS, 'ms')}"
    )


if __name__ == "__main__":
    main()
