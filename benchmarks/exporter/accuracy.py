"""How far are per-job joules from the truth? Prints tables beside two common designs.

The exporter's own loop reads the stand-in NVML through pynvml under a virtual clock, where the
true energy has a closed form. Beside it, from the same readings and scrapes:

  device counter + pod label   last minus first sample of the device's counter while the scrape
                               shows the pod's label on it (the common design of GPU exporters)
  last power x interval        the power reading at each scrape, times the scrape interval

Run: PYTHONPATH=tests python benchmarks/exporter/accuracy.py [--jobs 40] [--day]
"""

import argparse
import logging
import os
import random
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pynvml
from standins.nvml.build import build_library
from standins.nvml.control import Control, Truth, gpu_uuid

from lowtide_exporter.calls import CallLog
from lowtide_exporter.errors import SourceError
from lowtide_exporter.ledger import NodeLedger
from lowtide_exporter.loop import ExporterLoop
from lowtide_exporter.readings import Allocation, PodRecord
from lowtide_exporter.sources.nvml import NvmlMeters

IDLE_WATTS, UNIX_START = 75.0, 1_800_000_000.0


@dataclass
class Table:
    """A kubelet and an API server that answer from tables."""

    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    is_up: bool = True
    good_at: float | None = None
    is_silent: bool = False

    def allocations(self) -> tuple[Allocation, ...]:
        """Return who holds what, unless the kubelet is made silent."""
        if self.is_silent:
            raise SourceError("kubelet: no answer")
        return tuple(Allocation("ml", pod, "main", ids) for pod, ids in self.rows.items())

    def advertised_replicas(self) -> dict[str, int]:
        """Return nothing: all GPUs are whole."""
        return {}

    @property
    def pods(self) -> tuple[PodRecord, ...]:
        """Return running pods, and ended ones with their finish in whole seconds."""
        names = [*self.rows, *self.ended]
        return tuple(
            PodRecord(
                namespace="ml",
                name=name,
                uid=f"uid-{name}",
                is_terminal=name in self.ended,
                finished_at=self.ended.get(name),
            )
            for name in names
        )

    def close(self) -> None:
        """Do nothing."""


class Node:
    """A node under a virtual clock."""

    def __init__(self, directory: Path, gpus: int) -> None:
        library = build_library()
        path = directory / "state"
        self.control = Control.create(path, gpus)
        os.environ["LOWTIDE_MOCK_STATE"] = str(path)
        self.truth, self.table, self.ledger = Truth(library), Table(), NodeLedger()
        self.meters = NvmlMeters(str(library), allow_mock=True, calls=CallLog())
        self.control.set_clock(100.0)
        self.loop = ExporterLoop(
            ledger=self.ledger,
            meters=self.meters,
            owners=self.table,
            pods=self.table,
            calls=CallLog(),
            period_seconds=1.0,
            mapping_period_seconds=0.0,
            monotonic=lambda: 5000.0 + self.control.now_seconds(),
            unix=lambda: UNIX_START + self.control.now_seconds(),
        )

    def pod_millijoules(self, name: str) -> int:
        """Return what the exporter gave a pod."""
        account = self.ledger.pods.get(f"uid-{name}")
        return 0 if account is None else sum(account.energy.values())


def run_job(
    directory: Path, length: float, scrape_seconds: float, rng: random.Random
) -> dict[str, float]:
    """Return the relative errors of one job, by design."""
    node = Node(directory, 1)
    start = 130.0 + scrape_seconds * rng.random()
    end = start + length + rng.random()
    segments, at = [(0.0, IDLE_WATTS)], start
    while at < end:  # epochs: work, then a short validation
        segments += [(at, 640.0), (min(end, at + 9.0), 310.0)]
        at += 11.0
    segments = [*[s for s in segments if s[0] < end][:500], (end, IDLE_WATTS)]
    node.control.set_trace(0, segments)
    gpu, second, next_scrape = node.control.gpu(0), 100.0, 100.0 + scrape_seconds * rng.random()
    counter: list[float] = []
    polled = 0.0
    while second < end + 3:
        second += 1.0
        node.control.set_clock(second)
        if second - 1 < start <= second:
            node.table.rows["job"] = (gpu_uuid(0),)
        if second - 1 < end <= second:
            del node.table.rows["job"]
            node.table.ended["job"] = float(int(UNIX_START + end))
        node.loop.tick()
        if second >= next_scrape:
            next_scrape += scrape_seconds
            if "job" in node.table.rows:
                reading = node.ledger.gpus[gpu_uuid(0)].reading
                counter.append((reading.counter_millijoules or 0) / 1000)
                polled += (reading.power_watts or 0.0) * scrape_seconds
    node.meters.close()
    truth = node.truth.joules(gpu, start, end)
    return {
        "Lowtide": node.pod_millijoules("job") / 1000 / truth - 1,
        "device counter + pod label": (counter[-1] - counter[0] if counter else 0) / truth - 1,
        "last power x interval": polled / truth - 1,
    }


def print_jobs(jobs: int) -> None:
    """Print mean and largest error of each design by job length and scrape interval."""
    print(f"{'job':>9s}{'scrape':>8s}  {'design':28s}{'mean':>9s}{'p95 |e|':>9s}{'max |e|':>9s}")
    for length, count in ((75.0, jobs), (600.0, max(5, jobs // 4)), (7200.0, 3)):
        for scrape in (15.0, 30.0, 60.0):
            rng = random.Random(20261122)
            rows = []
            for _ in range(count):
                with tempfile.TemporaryDirectory() as directory:
                    rows.append(run_job(Path(directory), length, scrape, rng))
            for design in rows[0]:
                errors = [row[design] for row in rows]
                sizes = sorted(map(abs, errors))
                print(
                    f"{length:7.0f} s{scrape:6.0f} s  {design:28s}{statistics.mean(errors):+9.3%}"
                    f"{sizes[int(0.95 * (len(sizes) - 1))]:9.3%}{sizes[-1]:9.3%}"
                )


def run_day(gpus: int = 8, seconds: float = 86_400.0) -> None:
    """Run a day of jobs and faults and print whether every millijoule is accounted for."""
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as directory:
        node = Node(Path(directory), gpus)
        second, started = 100.0, 0
        faults = {"lost": 0, "reset": 0, "stuck": 0, "no counter": 0, "reload": 0, "kubelet": 0}
        healing: list[tuple[float, int]] = []
        while second < seconds:
            second += 1.0
            node.control.set_clock(second)
            if rng.random() < 1 / 120:
                started += _change_jobs(node, gpus, rng, second, started)
            if rng.random() < 1 / 900:
                _break_something(node, gpus, rng, second, faults, healing)
            for due, index in [h for h in healing if h[0] <= second]:
                healing.remove((due, index))
                node.control.gpu(index).error = node.control.gpu(index).energy_error = 0
                node.table.is_silent = False
            node.loop.tick()
        node.loop.tick()
        pods = node.ledger.pods.millijoules("gpu")
        nobody = sum(node.ledger.unallocated.values())
        waiting = sum(gpu.waiting_millijoules for gpu in node.ledger.gpus.values())
        devices = sum(gpu.meter.total.millijoules for gpu in node.ledger.gpus.values())
        node.meters.close()
    print(f"{seconds / 3600:.0f} virtual hours, {gpus} GPUs, {started} pods, faults {faults}")
    print(f"devices {devices} mJ = pods {pods} + unallocated {nobody} + open {waiting} mJ")
    print(f"residual {devices - pods - nobody - waiting} mJ")


def _change_jobs(node: Node, gpus: int, rng: random.Random, second: float, number: int) -> int:
    """End the job of a random GPU, or start one; return how many were started."""
    uuid = gpu_uuid(rng.randrange(gpus))
    holder = next((pod for pod, ids in node.table.rows.items() if uuid in ids), None)
    if holder is None:
        node.table.rows[f"job-{number}"] = (uuid,)
        return 1
    del node.table.rows[holder]
    node.table.ended = {holder: UNIX_START + second}
    return 0


def _break_something(
    node: Node,
    gpus: int,
    rng: random.Random,
    second: float,
    faults: dict[str, int],
    healing: list[tuple[float, int]],
) -> None:
    fault = rng.choice(list(faults))
    faults[fault] += 1
    index = rng.randrange(gpus)
    gpu = node.control.gpu(index)
    lasts = rng.uniform(5, 120)
    if fault == "lost":
        gpu.error = pynvml.NVML_ERROR_GPU_IS_LOST
        healing.append((second + lasts, index))
    elif fault == "no counter":
        gpu.energy_error = pynvml.NVML_ERROR_NOT_SUPPORTED
        healing.append((second + lasts, index))
    elif fault == "reset":
        gpu.reset_at_seconds = second
    elif fault == "stuck":
        gpu.stuck_from_seconds, gpu.stuck_until_seconds = second, second + lasts
    elif fault == "reload":
        order = list(range(gpus))
        rng.shuffle(order)
        node.control.reload_driver(order)
    else:
        node.table.is_silent = True
        healing.append((second + lasts, index))


def main() -> None:
    """Print the tables."""
    logging.disable(logging.WARNING)  # the faults are ours
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--day", action="store_true", help="also run a day of faults")
    options = parser.parse_args()
    print_jobs(options.jobs)
    if options.day:
        run_day()


if __name__ == "__main__":
    main()
