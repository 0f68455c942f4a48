"""Meters of this machine, opened for one run; what cannot be read is said in one sentence.

NVML holds a lock that the workload needs, so processes on a GPU are asked for rarely: in every
reading of the first seconds, then each five. A counter steps some ten times a second; at the run's
start and end its next steps are watched (`lowtide.local.counter_edge`), so that a short run is not
a tenth of a second too long or too short.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lowtide.energy.attribution import Method
from lowtide.local.books import ALONE, RunBooks, Sharing
from lowtide.local.counter_edge import Look, counter_at, steps_in
from lowtide.local.process_tree import MachineUse, ProcessTree, TreeUse, read_machine
from lowtide.local.visible_gpus import VARIABLE, VisibleGpus, choose_gpus
from lowtide.meters.calls import CallLog
from lowtide.meters.errors import SourceError
from lowtide.meters.rapl import RaplMeters
from lowtide.meters.readings import Domain, GpuReading, ZoneReading

if TYPE_CHECKING:
    from lowtide.meters.nvml import NvmlMeters

ENV_LIBRARY: Final = "LOWTIDE_NVML_LIBRARY"
ENV_ALLOW_MOCK: Final = "LOWTIDE_ALLOW_MOCK"
ENV_SYSFS: Final = "LOWTIDE_SYSFS"
"""The same variables as the exporter's."""
PROCESS_PERIOD_SECONDS: Final = 5.0
STEPS_AWAITED: Final = 4
STEPS_WAIT_SECONDS: Final = 0.6
FIRST_STEP_SECONDS: Final = 0.15
"""The slowest counter known steps each 0.1 s."""
_LOOK_SECONDS: Final = 0.004
GRANT_RAPL: Final = (
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj "
    "/sys/class/powercap/intel-rapl:*/intel-rapl:*/energy_uj"
)


class RunMeters:
    """The meters of one run and its books."""

    def __init__(
        self,
        environment: Mapping[str, str],
        tree: ProcessTree,
        *,
        is_modelled: bool = False,
        procfs: str = "/proc",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open what can be read; `notes` says what cannot, and `has_meter` whether anything is."""
        self.notes: list[str] = []
        self.is_mock: bool | None = None
        self.models: dict[str, str] = {}
        self.books = RunBooks(is_modelled=is_modelled, pinned_cores=_pinned_cores())
        self._tree, self._procfs, self._pause = tree, procfs, pause
        self._nvml = self._open_nvml(environment)
        self._rapl = RaplMeters(environment.get(ENV_SYSFS) or "/sys")
        self._has_zones = False
        self._processes_at = -PROCESS_PERIOD_SECONDS
        self._began: float | None = None
        self._has_ended = False
        self._before: tuple[GpuReading, ...] = ()
        self._sharing: dict[str, Sharing] = {}
        self._hidden: set[str] = set()
        self._visible = environment.get(VARIABLE)
        self._order = environment.get("CUDA_DEVICE_ORDER")

    @property
    def has_meter(self) -> bool:
        """Whether any energy is read."""
        return bool(self.books.gpus) or self._has_zones

    def begin(self, now: float) -> None:
        """Take the first readings, before the run."""
        self._began = now
        readings = self._before = self._read_gpus(now)
        if readings:
            choice = self._choose(readings)
            models = {one.identity.uuid: one.identity.model for one in readings}
            for held in choice.gpus:
                self.books.hold(held, models[held.uuid])
            self.models = {held.uuid: models[held.uuid] for held in choice.gpus}
            if choice.gpus:
                self.is_mock = any(one.identity.is_mock for one in readings)
        zones = self._zones(now)
        self._has_zones = bool(zones)
        self._take_host(zones, now)

    def settle_start(self, clock: Callable[[], float], began: float | None = None) -> None:
        """Watch the counters' first steps after the run's start, and count from the start."""
        if self.books.gpus and self._began is not None:
            self._take_edge(self._began if began is None else began, clock)

    def read(self, now: float) -> None:
        """Take the readings of a moment in the run."""
        if self.books.gpus:
            self._take_gpus(now)
        if self._has_zones or self.books.is_modelled:
            self._take_host(self._zones(now), now)

    def end(self, ended: float, clock: Callable[[], float]) -> None:
        """Take the last readings of a run that was over at `ended`."""
        self._has_ended = True
        if self._has_zones or self.books.is_modelled:
            self._take_host(self._zones(ended), ended)
        if self.books.gpus:
            self._processes_at = -PROCESS_PERIOD_SECONDS
            self._take_edge(ended, clock)

    def close(self) -> None:
        """Let go of the driver."""
        if self._nvml is not None:
            self._nvml.close()

    def _open_nvml(self, environment: Mapping[str, str]) -> "NvmlMeters | None":
        try:
            from lowtide.meters.nvml import NvmlMeters
        except ImportError:
            self.notes.append("GPUs are not measured: install nvidia-ml-py")
            return None
        allow_mock = environment.get(ENV_ALLOW_MOCK, "").lower() in ("1", "true", "yes", "on")
        return NvmlMeters(environment.get(ENV_LIBRARY, ""), allow_mock, CallLog())

    def _read_gpus(self, now: float) -> tuple[GpuReading, ...]:
        if self._nvml is None:
            return ()
        try:
            return self._nvml.read(now)
        except SourceError as error:
            if not self.books.gpus:
                self.notes.append(f"GPUs are not measured: {error}")
            return ()

    def _choose(self, readings: tuple[GpuReading, ...]) -> VisibleGpus:
        for one in readings:
            if one.error is not None:
                self.notes.append(f"GPU {one.identity.index} cannot be read: {one.error}")
        choice = choose_gpus(readings, self._visible, self._order)
        self.notes += choice.notes
        if not choice.gpus:
            self.notes.append(f"GPUs are not measured: {VARIABLE}={self._visible} names none")
        return choice

    def _take_gpus(self, now: float) -> None:
        readings = self._read_gpus(now)
        self._watch_processes(now)
        for one in readings:
            self.books.take_gpu(one, now, self._sharing.get(one.identity.uuid, ALONE))

    def _take_edge(self, edge: float, clock: Callable[[], float]) -> None:
        """Take what each counter had reached at `edge`, a moment that has just been."""
        readings = {one.identity.uuid: one for one in self._before or self._read_gpus(edge)}
        self._before = ()
        looks = self._watch_steps(clock)
        self._watch_processes(clock())
        for uuid, reading in readings.items():
            reached = counter_at(edge, looks.get(uuid, ()), reading.power_watts)
            if reached is not None and reading.counter_millijoules is not None:
                reading = reading._replace(counter_millijoules=reached)
            self.books.take_gpu(reading, edge, self._sharing.get(uuid, ALONE))

    def _watch_steps(self, clock: Callable[[], float]) -> dict[str, list[Look]]:
        """Return looks at each counter from now on, until all have stepped some times."""
        nvml, looks = self._nvml, dict[str, list[Look]]()
        if nvml is None:
            return looks
        began = now = clock()
        while now - began < STEPS_WAIT_SECONDS:
            for uuid in self.books.gpus:
                at, reached = clock(), nvml.counter_millijoules(uuid)
                if reached is not None:
                    looks.setdefault(uuid, []).append(Look(at, reached))
            counts = [steps_in(looks.get(uuid, ())) for uuid in self.books.gpus]
            if min(counts) >= STEPS_AWAITED or (
                now - began > FIRST_STEP_SECONDS and not max(counts)
            ):
                break
            self._pause(_LOOK_SECONDS)
            now = clock()
        return looks

    def _watch_processes(self, now: float) -> None:
        """Find out who else works on the held GPUs, where that is due."""
        early = self._began is not None and now - self._began < PROCESS_PERIOD_SECONDS
        if self._nvml is None or (not early and now < self._processes_at + PROCESS_PERIOD_SECONDS):
            return
        self._processes_at = now
        own = self._tree.read().pids
        for uuid in self.books.gpus:
            self._sharing[uuid] = self._sharing_of(uuid, own, self._nvml)

    def _sharing_of(self, uuid: str, own: frozenset[int], nvml: "NvmlMeters") -> Sharing:
        present = nvml.process_ids(uuid)
        if self._has_ended and not own & (present or frozenset()):
            # The command is gone, so who is here now says nothing of the time before its end.
            return self._sharing.get(uuid, ALONE)
        strangers = (present or frozenset()) - own
        if not strangers or present is None:
            return ALONE
        if any(not Path(self._procfs, str(pid)).exists() for pid in strangers):
            if uuid not in self._hidden:
                self._hidden.add(uuid)
                self.notes.append(
                    f"{len(strangers)} processes on GPU {uuid} have ids that do not exist here (a "
                    "container hides the machine's): they cannot be told from the run's, and all "
                    "energy of this GPU is counted"
                )
            return ALONE
        load = nvml.process_utilisation(uuid)
        if load:
            mine = sum(percent for pid, percent in load.items() if pid in own)
            others = sum(percent for pid, percent in load.items() if pid not in own)
            return Sharing(mine, others, Method.SM_SHARE)
        return Sharing(float(len(present & own)), float(len(strangers)), Method.EQUAL_SHARE)

    def _zones(self, now: float) -> tuple[ZoneReading, ...]:
        try:
            zones = self._rapl.read(now)
        except SourceError as error:
            if self._began == now:
                self.notes.append(_without_zones(error))
            return ()
        if self._began == now and not any(zone.domain is Domain.DRAM for zone in zones):
            self.notes.append("memory is not measured: this machine's RAPL has no zone for it")
        return zones

    def _take_host(self, zones: tuple[ZoneReading, ...], now: float) -> None:
        tree: TreeUse = self._tree.read()
        machine: MachineUse | None = None
        try:
            machine = read_machine(self._procfs)
        except SourceError as error:
            if self._began == now:
                self.notes.append(f"CPU energy is not measured: {error}")
        self.books.take_host(zones, tree, machine, now)


def _without_zones(error: SourceError) -> str:
    """Return why CPU and memory are not measured, and how to allow it where that helps."""
    if "Permission denied" in str(error):
        return (
            "CPU and memory are not measured: RAPL may be read by root only; to allow it until the "
            f"next start of the machine: {GRANT_RAPL}"
        )
    return f"CPU and memory are not measured: {error} (virtual machines have none)"


def _pinned_cores() -> int | None:
    """Return the number of cores this process is restricted to; `None` if it may use all."""
    try:
        allowed, all_ = len(os.sched_getaffinity(0)), os.cpu_count() or 0
    except (AttributeError, OSError):
        return None
    return allowed if allowed < all_ else None
