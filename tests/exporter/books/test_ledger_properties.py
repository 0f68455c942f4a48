"""Whatever a node goes through: nothing is lost, nothing falls, and final is final."""

import random

import pytest

from lowtide.meters.readings import (
    Domain,
    GpuIdentity,
    GpuReading,
    HostUse,
    MigInstance,
    PodUse,
    ZoneReading,
)
from lowtide_exporter.books.interval import Activity
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import dump_ledger, load_ledger
from lowtide_exporter.page.snapshot import LoopStatus, take_snapshot
from lowtide_exporter.readings import Allocation, PodRecord, TickReadings

RANGE = 10_000_000
MIG = (MigInstance(uuid="MIG-a", gpu_instance=1, multiprocessors=16),)
PLACES = ("GPU-0", "GPU-1::0", "GPU-1::1", "MIG-a", "MIG-a::0", "MIG-a::1", "nowhere", "")
NAMES = tuple(f"train-{number}" for number in range(4))
POD_LABELS = 3
ENERGY, END = "lowtide_pod_energy_joules_total", "lowtide_pod_end_timestamp_seconds"
START = "lowtide_pod_segment_start_timestamp_seconds"


class Chaos:
    """A node on which everything may happen at every tick, from one seed."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.ledger = NodeLedger(retention_seconds=40, retained_max=5)
        self.now, self.unix = 1000.0, 1.8e9
        self.counters, self.zone, self.cpu = [10**6] * 3, 0, {}
        self.allocations, self.pods, self.uids = (), (), 0

    def chance(self, ratio):
        return self.dice.random() < ratio

    def observe(self):
        """Return what one tick sees, after a while in which anything happened."""
        self.now += self.dice.choice((0.1, 1.0, 1.0, 1.0, 5.0, 45.0))
        self.unix += self.dice.choice((1.0, 1.0, 1.0, 5.0, -3600.0, 0.0))
        if self.chance(0.3):
            self.allocations = tuple(
                Allocation("ml", name, "main", (self.dice.choice(PLACES),), tuple(range(2)))
                for name in NAMES
                if self.chance(0.5)
            )
        if self.chance(0.3):
            self.pods = tuple(self.pod(name) for name in NAMES if self.chance(0.7))
        return TickReadings(
            monotonic_seconds=self.now,
            unix_seconds=self.unix,
            gpus=tuple(self.gpu(index) for index in range(3)),
            allocations=None if self.chance(0.2) else self.allocations,
            mapping_due=self.chance(0.8),
            pods=None if self.chance(0.2) else self.pods,
            advertised_replicas=self.dice.choice(({}, {"GPU-1": 4, "MIG-a": 2})),
            use=None if self.chance(0.2) else self.use(),
            zones=None if self.chance(0.5) else self.zones(),
        )

    def pod(self, name):
        known = next((p for p in self.pods if p.name == name), None)
        if known is None or self.chance(0.2):
            self.uids += 1
        uid = known.uid if known and self.chance(0.8) else f"uid-{self.uids}"
        is_terminal = self.chance(0.2)
        return PodRecord(
            namespace="ml",
            name=name,
            uid=uid,
            is_terminal=is_terminal,
            started_at=self.dice.choice((None, self.unix - 3.0, self.unix + 3.0)),
            finished_at=self.unix - 1.0 if is_terminal and self.chance(0.5) else None,
            cpu_request_cores=self.dice.choice((0.0, 1.0, 20.0)),
        )

    def gpu(self, index):
        identity = GpuIdentity(
            uuid=f"GPU-{index}",
            index=index,
            model="M",
            architecture="hopper",
            driver="1",
            is_mock=True,
            multiprocessors=132,
        )
        if self.chance(0.1):
            return GpuReading(identity=identity, error="lost")
        self.counters[index] += self.dice.choice((0, 0, 70_000, 700_000))
        if self.chance(0.03):
            self.counters[index] = self.dice.choice((0, 5, 10**12, -1))
        watts = self.dice.choice((None, 70.0, 700.0, float("nan"), -5.0, 1e9))
        return GpuReading(
            identity=identity,
            counter_millijoules=None if self.chance(0.05) else self.counters[index],
            has_counter=not self.chance(0.05),
            average_watts=watts,
            instant_watts=watts,
            limit_watts=self.dice.choice((None, 700.0)),
            instances=MIG if index == 2 else (),
            mig_enabled=index == 2,
        )

    def use(self):
        for uid in [p.uid for p in self.pods] + ["uid-stranger"]:
            self.cpu[uid] = self.cpu.get(uid, 0.0) + 3 * self.dice.random()
        pods = {uid: PodUse(s, 1 << 20) for uid, s in self.cpu.items() if self.chance(0.8)}
        return HostUse(pods=pods, busy_seconds=self.now, cores=8, memory_bytes=1 << 22)

    def zones(self):
        self.zone = (self.zone + self.dice.randrange(9_000_000)) % (RANGE + 1)
        rows = [ZoneReading("0", Domain.PACKAGE, self.zone, RANGE)]
        rows += [ZoneReading("0", Domain.DRAM, self.zone, RANGE)] * self.chance(0.9)
        return tuple(rows)

    def activities(self):
        return {
            "GPU-1": Activity(
                pods={p.uid: 100 * self.dice.random() for p in self.pods if self.chance(0.5)},
                others=self.dice.choice((0.0, 30.0)),
                is_due=self.chance(0.5),
            ),
            "GPU-2": Activity(instances={"MIG-a": self.dice.random()} if self.chance(0.5) else {}),
        }

    def restart(self):
        fresh = NodeLedger(retention_seconds=40, retained_max=5)
        load_ledger(dump_ledger(self.ledger), fresh)
        self.ledger = fresh


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_energy_is_conserved_and_no_value_falls(seed):
    """Two hundred ticks of chaos: residual 0, unique labels, counters that only grow."""
    node = Chaos(seed)
    last, final = {}, {}
    for _ in range(200):
        node.ledger.apply(node.observe(), node.activities())
        if node.chance(0.02):
            node.restart()
        shown = take_snapshot(node.ledger, LoopStatus()).samples
        for name, samples in shown.items():
            labels = [values for values, _ in samples]
            assert len(set(labels)) == len(labels), name
        residuals = shown.get("lowtide_attribution_residual_joules", ())
        assert all(value == 0 for _, value in residuals), residuals
        starts, ends = dict(shown.get(START, ())), dict(shown.get(END, ()))
        energy = {(v, starts[v[:POD_LABELS]]): joules for v, joules in shown.get(ENERGY, ())}
        for series, joules in energy.items():
            assert joules >= last.get(series, 0.0), series
            pod = (series[0][:POD_LABELS], series[1])
            if series in last and pod in final:
                assert joules == last[series], series
        last = energy
        final = {(pod, starts[pod]): end for pod, end in ends.items()}
