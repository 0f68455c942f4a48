"""Split of a shared GPU where the signals of load are right. Prints a table.

Two pods share one GPU of the stand-in for half an hour; each works at a level that changes every
few minutes. The truth is by definition: the floor goes by what is held, and above it every busy
multiprocessor draws the same. Real silicon may differ, but cannot be measured per pod.

Run: PYTHONPATH=tests python benchmarks/exporter/sharing.py
"""

import logging
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from accuracy import Node, verdict
from standins.nvml.control import gpu_uuid

from lowtide.meters.dcgm import InstanceKey
from lowtide.meters.nvml import NvmlMeters
from lowtide_exporter.activity import ActivityReader

IDLE_WATTS, WATTS_PER_UNIT = 100.0, 4.0
START, SECONDS, LIMIT = 131.0, 1800.0, 0.02
UNITS = 132
UIDS = tuple(f"0000000{number}-0000-4000-8000-000000000000" for number in (1, 2))
LEVELS = ((1.0, 0.25), (0.5, 1.0), (0.1, 0.6), (0.9, 0.9), (0.0, 1.0), (1.0, 0.3))
"""Load of both pods, 0 to 1, in each sixth of the time."""


@dataclass
class Page:
    """A dcgm-exporter's answer: how busy each instance is now."""

    activity: dict[InstanceKey, float] = field(default_factory=dict)

    def read(self, monotonic_seconds: float) -> dict[InstanceKey, float]:
        """Return the activity."""
        return self.activity


def levels_at(second: float) -> tuple[float, float]:
    """Return the load of both pods at a time."""
    part = int((second - START) / SECONDS * len(LEVELS))
    return LEVELS[min(len(LEVELS) - 1, max(0, part))]


def measure(kind: str, units: tuple[int, int]) -> tuple[list[float], int]:
    """Return the relative error of each pod, and the residual in millijoules."""
    with tempfile.TemporaryDirectory() as name:
        directory, page = Path(name), Page()

        def attach(meters: NvmlMeters) -> ActivityReader:
            return ActivityReader(
                processes=meters,
                dcgm=page,
                procfs=str(directory / "proc"),
                mps_gpus=frozenset(),
                process_period_seconds=5.0,
            )

        node = Node(directory, 1, attach)
        held = _share_out(node, kind, units, directory)
        _draw(node, units)
        second = 100.0
        while second < START + SECONDS + 10:
            second += 1.0
            node.control.set_clock(second)
            inside = START <= second < START + SECONDS
            loads = levels_at(second - 0.5) if inside else (0.0, 0.0)
            if kind == "MIG":
                page.activity = {(gpu_uuid(0), i): load for i, load in enumerate(loads)}
            else:
                percents = [
                    round(100 * load * u / UNITS) for load, u in zip(loads, units, strict=True)
                ]
                node.control.set_processes(0, [(11, percents[0]), (12, percents[1])])
            if second == START:
                node.table.rows = dict(zip("ab", held, strict=True))
            if second == START + SECONDS:
                node.table.rows, node.table.ended = {}, dict.fromkeys("ab", second)
            node.loop.tick()
        found = [node.pod_millijoules(pod) / 1000 for pod in "ab"]
        residual = node.ledger.residual_millijoules()
        node.meters.close()
    return [got / true - 1 for got, true in zip(found, _truth(kind, units), strict=True)], residual


def _share_out(
    node: Node, kind: str, units: tuple[int, int], directory: Path
) -> list[tuple[str, ...]]:
    """Cut the GPU, or make processes in the pods; return the device ids of both pods."""
    node.table.uids = dict(zip("ab", UIDS, strict=True))
    if kind == "MIG":
        node.control.set_instances(0, [(0, 2, units[0]), (1, 4, units[1])])
        return [(node.control.instance_uuid(0, number),) for number in range(2)]
    node.table.replicas = {gpu_uuid(0): 4}
    for pid, uid in zip((11, 12), UIDS, strict=True):
        place = directory / "proc" / str(pid)
        place.mkdir(parents=True)
        (place / "cgroup").write_text(f"0::/kubepods/pod{uid}/x\n")
    return [(f"{gpu_uuid(0)}::{number}",) for number in range(2)]


def _draw(node: Node, units: tuple[int, int]) -> None:
    """Let the GPU draw its floor and what both loads add."""
    part = SECONDS / len(LEVELS)
    segments = [(0.0, IDLE_WATTS)]
    for number, loads in enumerate(LEVELS):
        busy = sum(load * u for load, u in zip(loads, units, strict=True))
        segments.append((START + number * part, IDLE_WATTS + WATTS_PER_UNIT * busy))
    node.control.set_trace(0, [*segments, (START + SECONDS, IDLE_WATTS)])


def _truth(kind: str, units: tuple[int, int]) -> list[float]:
    """Return the joules of both pods by the rule stated above."""
    part = SECONDS / len(LEVELS)
    joules = []
    for pod in range(2):
        held = units[pod] / UNITS if kind == "MIG" else 0.25
        active = sum(WATTS_PER_UNIT * loads[pod] * units[pod] * part for loads in LEVELS)
        joules.append(held * IDLE_WATTS * SECONDS + active)
    return joules


def print_shares() -> bool:
    """Print the table; return whether both ways of sharing keep within the limit."""
    kept = True
    print(f"{'shared by':12s}{'pod a':>10s}{'pod b':>10s}{'residual':>12s}")
    for kind, units in (("MIG", (32, 64)), ("time slices", (132, 132))):
        errors, residual = measure(kind, units)
        is_kept = max(map(abs, errors)) <= LIMIT and residual == 0
        kept &= is_kept
        print(
            f"{kind:12s}{errors[0]:+10.3%}{errors[1]:+10.3%}{residual:9d} mJ"
            f"{verdict(is_kept, f'both within {LIMIT:.0%}')}"
        )
    return kept


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.exit(0 if print_shares() else 1)
