"""Books of one run: readings of the meters to the run's own joules. Pure.

The arithmetic is that of the exporter on a node: counters by `CounterMeter` and `WrappingMeter`,
shares by `lowtide.energy.attribution`. A run holds its GPUs whole, so idle power is its own too;
where other processes work on one, energy follows SM utilisation, and where the driver tells only
that they are there, it is divided equally by process. Totals are whole millijoules and never fall.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lowtide.energy.attribution import (
    Attribution,
    Claim,
    Method,
    Owner,
    UnallocatedReason,
    attribute_energy,
)
from lowtide.energy.attribution_host import (
    CpuShare,
    idle_of_packages,
    split_cpu_energy,
    split_memory_energy,
)
from lowtide.energy.counter import CounterMeter, CounterReading, CounterStep
from lowtide.energy.idle import IdleFloor
from lowtide.energy.quality import CrossCheck, Quality
from lowtide.energy.wrapping import WrappingMeter
from lowtide.limits import believable_counter, believable_watts
from lowtide.local.process_tree import MachineUse, TreeUse
from lowtide.local.visible_gpus import HeldGpu
from lowtide.meters.readings import Domain, GpuReading, ZoneReading

RUN: Final = Owner("run", "")
MODEL_METHOD: Final = "coefficients"
"""Method of modelled joules."""
IDLE_WATTS_PER_CORE: Final = 0.74
BUSY_WATTS_PER_CORE: Final = 3.5
WATTS_PER_GIGABYTE: Final = 0.392
"""Cloud Carbon Footprint, methodology: mean of a virtual core of AWS at 0 and 100 % load, and
memory, 0.000392 kWh per gigabyte and hour."""


class PartKey(NamedTuple):
    """Kind of joules: component, part, method and quality, as the exporter labels them."""

    component: str
    part: str
    method: str
    quality: str


@dataclass(frozen=True, slots=True)
class Sharing:
    """Load of one GPU by who causes it, in any unit; only the ratio of the two counts."""

    own: float
    others: float
    method: Method


ALONE: Final = Sharing(1.0, 0.0, Method.EXCLUSIVE)


@dataclass(slots=True)
class _Gpu:
    """What is kept of one held GPU."""

    held: HeldGpu
    model: str
    meter: CounterMeter = field(default_factory=CounterMeter)
    check: CrossCheck = field(default_factory=CrossCheck)
    quality: Quality = Quality.UNCHECKED
    seen_at: float | None = None


@dataclass(slots=True)
class RunBooks:
    """Sums of one run; `is_modelled` lets what no meter reads be modelled."""

    is_modelled: bool = False
    pinned_cores: int | None = None
    """Number of cores that are the run's alone; `None`: it shares all cores."""
    millijoules: Counter[PartKey] = field(default_factory=Counter)
    """What the run used, by kind."""
    held_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """GPU-seconds held, by model."""
    _gpus: dict[str, _Gpu] = field(default_factory=dict)
    _zones: dict[tuple[str, Domain], WrappingMeter] = field(default_factory=dict)
    _floor: IdleFloor = field(default_factory=IdleFloor)
    _host_at: float | None = None
    _tree: TreeUse | None = None
    _machine: MachineUse | None = None

    @property
    def gpus(self) -> tuple[str, ...]:
        """Uuids of the held GPUs."""
        return tuple(self._gpus)

    def hold(self, held: HeldGpu, model: str) -> None:
        """Take a GPU into the books before its first reading."""
        self._gpus[held.uuid] = _Gpu(held, model)

    def take_gpu(self, reading: GpuReading, at_seconds: float, sharing: Sharing = ALONE) -> None:
        """Book what a held GPU drew since its last reading, up to `at_seconds`."""
        gpu = self._gpus.get(reading.identity.uuid)
        if gpu is None:
            return
        if gpu.seen_at is not None:
            self.held_seconds[gpu.model] += (at_seconds - gpu.seen_at) * gpu.held.ratio
        gpu.seen_at = at_seconds
        self._book(gpu, reading, at_seconds, sharing)

    def _book(self, gpu: _Gpu, reading: GpuReading, at: float, sharing: Sharing) -> None:
        watts = believable_watts(reading.power_watts)
        increment = gpu.meter.advance(
            CounterReading(
                at_seconds=at,
                counter_millijoules=believable_counter(reading.counter_millijoules),
                power_watts=watts,
                limit_watts=believable_watts(reading.limit_max_watts)
                or believable_watts(reading.limit_watts),
                has_counter=reading.has_counter or reading.error is not None,
            )
        )
        if increment.step in (CounterStep.MISSING, CounterStep.UNMETERED):
            return
        if increment.step in (CounterStep.REBASED, CounterStep.RESET) or increment.is_lost:
            gpu.check.spoil()
        gpu.check.observe(
            increment.seconds, increment.power_millijoules, increment.counter_millijoules
        )
        gpu.quality = Quality.POWER_INTEGRATED if increment.from_power else gpu.check.quality
        claim = Claim(
            owner=RUN,
            held_ratio=gpu.held.ratio,
            active_weight=sharing.own * gpu.held.ratio,
            method=sharing.method if gpu.held.ratio >= 1.0 else Method.MIG_STATIC,
        )
        strangers = sharing.others + (1.0 - gpu.held.ratio)
        others = {UnallocatedReason.FOREIGN: strangers}
        split = attribute_energy(increment.millijoules, 0, [claim], other_active_weights=others)
        self._credit("gpu", gpu.quality, split)

    def take_host(
        self,
        zones: tuple[ZoneReading, ...],
        tree: TreeUse,
        machine: MachineUse | None,
        at_seconds: float,
    ) -> None:
        """Book what CPU packages and memory drew since the last reading, by the run's share."""
        since, self._host_at = self._host_at, at_seconds
        drawn: dict[Domain, int] = {}
        doubtful = set[Domain]()
        for zone in zones:
            meter = self._zones.setdefault((zone.package, zone.domain), WrappingMeter())
            grown = meter.advance(zone.microjoules, zone.range_microjoules, at_seconds)
            drawn[zone.domain] = drawn.get(zone.domain, 0) + grown
            if meter.is_doubtful:
                doubtful.add(zone.domain)
        before, self._tree = self._tree, tree
        machine_before, self._machine = self._machine, machine
        if since is None or before is None or at_seconds <= since:
            return
        seconds, used = at_seconds - since, tree.cpu_seconds - before.cpu_seconds
        if machine is not None and machine_before is not None:
            busy = max(0.0, machine.busy_seconds - machine_before.busy_seconds)
            self._split(drawn, doubtful, seconds, used, busy, machine, tree)
        if self.is_modelled:
            self._model(drawn, seconds, used, tree)

    def _split(
        self,
        drawn: Mapping[Domain, int],
        doubtful: set[Domain],
        seconds: float,
        used: float,
        busy: float,
        machine: MachineUse,
        tree: TreeUse,
    ) -> None:
        quality = dict.fromkeys(drawn, Quality.UNCHECKED)
        quality |= dict.fromkeys(doubtful, Quality.SUSPECT)
        cores = max(1, machine.cores)
        if Domain.PACKAGE in drawn:
            energy = drawn[Domain.PACKAGE]
            busy = max(busy, used)  # the two are read one after the other
            idle = idle_of_packages(self._floor, energy, seconds, busy, cores)
            held = self.pinned_cores or min(float(cores), used / seconds)
            share = CpuShare(RUN, used, held, self.pinned_cores is not None)
            split = split_cpu_energy(energy, idle, [share], busy_seconds=busy, cores=cores)
            self._credit("cpu", quality[Domain.PACKAGE], split)
        if Domain.DRAM in drawn:
            held_bytes = {RUN: tree.memory_bytes}
            split = split_memory_energy(drawn[Domain.DRAM], held_bytes, machine.memory_bytes)
            self._credit("dram", quality[Domain.DRAM], split)

    def _model(
        self, drawn: Mapping[Domain, int], seconds: float, used: float, tree: TreeUse
    ) -> None:
        """Book modelled joules of the components that no meter reads."""
        if Domain.PACKAGE not in drawn:
            held = max(self.pinned_cores or 0.0, used / seconds)
            watts = IDLE_WATTS_PER_CORE * held
            watts += (BUSY_WATTS_PER_CORE - IDLE_WATTS_PER_CORE) * used / seconds
            key = PartKey("cpu", "active", MODEL_METHOD, Quality.MODEL)
            self.millijoules[key] += round(1000 * watts * seconds)
        if Domain.DRAM not in drawn:
            watts = WATTS_PER_GIGABYTE * tree.memory_bytes / 1e9
            key = PartKey("dram", "idle_held", MODEL_METHOD, Quality.MODEL)
            self.millijoules[key] += round(1000 * watts * seconds)

    def _credit(self, component: str, quality: Quality, split: Attribution) -> None:
        for portion in split.portions:
            key = PartKey(component, portion.part, portion.method, quality)
            self.millijoules[key] += portion.millijoules
