"""A GPU node under a virtual clock: real pynvml on the stand-in, no sleeping."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from standins.kubelet.server import KubeletStandIn, load_messages
from standins.nvml.build import build_library
from standins.nvml.control import Control, Truth, gpu_uuid

from lowtide.meters.calls import CallLog
from lowtide.meters.errors import SourceError
from lowtide.meters.nvml import NvmlMeters
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.loop import ExporterLoop, LoopParts, NodeSources
from lowtide_exporter.page.catalogue import FAMILIES
from lowtide_exporter.readings import Allocation, PodRecord

MONOTONIC_START = 5000.0
UNIX_START = 1_800_000_000.0
SOURCES = {"host", "activity", "node_power", "top_owners"}
GPU_0, GPU_1, GPU_2 = (gpu_uuid(i) for i in range(3))


@dataclass
class TableOfOwners:
    """A kubelet whose answer is a table; None means that it does not answer."""

    table: tuple[Allocation, ...] | None = ()
    replicas: dict[str, int] = field(default_factory=dict)

    def allocations(self):
        if self.table is None:
            raise SourceError("kubelet: no answer")
        return self.table

    def advertised_replicas(self):
        return self.replicas

    def close(self):
        pass


@dataclass
class TableOfPods:
    """An API server whose pods are a table; None means that it was never reached."""

    pods: tuple[PodRecord, ...] | None = None
    is_up: bool = True
    good_at: float | None = None


class Node:
    """A node whose time stands still unless a test moves it."""

    def __init__(self, control: Control, truth: Truth, library: Path, **ledger_options):
        self.control, self.truth = control, truth
        self.owners, self.pods = TableOfOwners(), TableOfPods(())
        self.calls = CallLog()
        self.meters = NvmlMeters(str(library), allow_mock=True, calls=self.calls)
        self.ledger = NodeLedger(**ledger_options)
        self.loop = self.make_loop(period_seconds=1.0)
        self.seconds, self.clock_ahead = 100.0, 0.0
        self.clock_ahead = 0.0
        control.set_clock(self.seconds)

    def make_loop(self, period_seconds, mapping_period_seconds=0.0, **options):
        read = {name: options.pop(name) for name in SOURCES & options.keys()}
        sources = NodeSources(meters=self.meters, owners=self.owners, pods=self.pods, **read)
        return ExporterLoop(
            LoopParts(
                ledger=self.ledger,
                sources=sources,
                calls=self.calls,
                period_seconds=period_seconds,
                mapping_period_seconds=mapping_period_seconds,
                **options,
                monotonic=lambda: MONOTONIC_START + self.control.now_seconds(),
                unix=lambda: self.unix(self.control.now_seconds()) + self.clock_ahead,
            )
        )

    @staticmethod
    def unix(seconds):
        """Unix time of a library time."""
        return UNIX_START + seconds

    def tick(self):
        self.loop.tick()

    def run_until(self, seconds, step=1.0):
        """Tick every `step` until the clock shows `seconds`."""
        while self.seconds < seconds - 1e-9:
            self.seconds = min(seconds, self.seconds + step)
            self.control.set_clock(self.seconds)
            self.tick()

    def start_pod(
        self, name, *device_ids, uid=None, namespace="ml", container="main", trainingjob_uid=""
    ):
        """Let a pod hold devices from now on, known to kubelet and API server."""
        record = PodRecord(
            namespace=namespace,
            name=name,
            uid=uid or f"uid-{name}",
            trainingjob_uid=trainingjob_uid,
        )
        self.pods.pods = (*(self.pods.pods or ()), record)
        self.allocate(name, *device_ids, namespace=namespace, container=container)

    def allocate(self, name, *device_ids, namespace="ml", container="main"):
        item = Allocation(namespace, name, container, device_ids)
        self.owners.table = (*(self.owners.table or ()), item)

    def end_pod(self, name, finished_at=None):
        """Let a pod end now: gone from the kubelet's list, terminal at the API server."""
        self.owners.table = tuple(a for a in self.owners.table if a.pod != name)
        self.pods.pods = tuple(
            PodRecord(
                namespace=p.namespace,
                name=p.name,
                uid=p.uid,
                is_terminal=True,
                finished_at=finished_at,
            )
            if p.name == name
            else p
            for p in self.pods.pods
        )

    def delete_pod(self, name):
        self.owners.table = tuple(a for a in self.owners.table if a.pod != name)
        self.pods.pods = tuple(p for p in self.pods.pods if p.name != name)

    def pod_joules(self, name, **wanted):
        """Exported joules of a pod, summed over its series with these labels."""
        return sum(
            value
            for labels, value in self.series("lowtide_pod_energy_joules_total")
            if labels["pod"] == name and wanted.items() <= labels.items()
        )

    def series(self, name):
        """Exported samples of one metric: (labels, value)."""
        family = next(f for f in FAMILIES if f.name == name)
        samples = self.loop.snapshot().samples.get(name, ())
        return [(dict(zip(family.labels, values, strict=True)), v) for values, v in samples]

    def value(self, name, **labels):
        """The one sample of a metric with these labels, None where there is none."""
        found = [v for have, v in self.series(name) if labels.items() <= have.items()]
        assert len(found) <= 1, f"{name} {labels} is ambiguous"
        return found[0] if found else None

    def unallocated_joules(self, **wanted):
        return sum(
            value
            for labels, value in self.series("lowtide_node_unallocated_energy_joules_total")
            if wanted.items() <= labels.items()
        )

    def true_joules(self, gpu, start, end):
        return self.truth.joules(self.control.gpu(gpu), start, end)


@pytest.fixture(scope="session")
def nvml_library() -> Path:
    """The compiled stand-in library."""
    return build_library()


@pytest.fixture
def make_node(nvml_library, tmp_path, monkeypatch):
    """Make nodes with some GPUs; each has its own control file."""
    nodes = []

    def make(gpus=2, **ledger_options):
        for other in nodes:
            other.meters.close()  # one process has one NVML: the next node takes it over
        path = tmp_path / f"state-{len(nodes)}"
        control = Control.create(path, gpus)
        monkeypatch.setenv("LOWTIDE_MOCK_STATE", os.fspath(path))
        node = Node(control, Truth(nvml_library), nvml_library, **ledger_options)
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.meters.close()


@pytest.fixture
def node(make_node):
    """A node with two GPUs."""
    return make_node()


@pytest.fixture(scope="session")
def kubelet_messages(tmp_path_factory):
    """The protobuf messages of the PodResources API."""
    return load_messages(tmp_path_factory.mktemp("proto"))


@pytest.fixture
def kubelet(kubelet_messages, tmp_path):
    """A PodResources socket that behaves as told."""
    stand_in = KubeletStandIn(tmp_path / "kubelet.sock", kubelet_messages)
    stand_in.start()
    yield stand_in
    stand_in.stop()
