"""Histories of a node from one seed: pods, faults and the figures that an operator gets in the end.

The truth is integrated here, from powers that are constant between changes. The exporter's real
loop reads stand-ins of driver, kubelet and API server on a virtual clock, a scraper stores its
page, and `lowtide.energy.integration` makes each pod's figures from that, as the operator does.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from lowtide.energy.integration import PodEnergy, Series, StoredSample, integrate_pod
from lowtide.energy.profile import Span
from lowtide.meters.calls import CallLog
from lowtide.meters.errors import SourceError
from lowtide.meters.readings import GpuIdentity, GpuReading, MigInstance
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile
from lowtide_exporter.loop import ExporterLoop, LoopParts, NodeSources
from lowtide_exporter.page.catalogue import POD_END, POD_ENERGY, POD_SEGMENT, RESIDUAL
from lowtide_exporter.readings import Allocation, PodRecord

UNIX_START = 1_800_000_000.0
IDLE_WATTS = 70.0
LIMIT_WATTS = 700.0
TICK_SECONDS = 1.1
"""The longest time between two ticks: the period and its jitter."""
DOUBT_SECONDS = 7.0
"""Until a gap is seen, a pod is shown as if fully counted: five seconds, two ticks."""
SCRAPE_SECONDS = 15.0
AFTER_SECONDS = 160.0
NAMES = ("web-0", "web-1", "train")
RARE = ("suspect", "power_integrated")
FAULTS = (
    *("lost", "no_counter", "no_power", "driver_away", "silent_kubelet", "api_away"),
    *("no_scrapes", "kill", "kill", "restart", "no_state", "clock", "reset", "garbage"),
    *("low_limit", "reconfigured", "unseen_load"),
)


@dataclass
class Pod:
    """A pod as it really was; times are true seconds of the history."""

    name: str
    uid: str
    gpu: int
    device_id: str
    start: float
    end: float
    watts: float


@dataclass
class Spell:
    """A fault from `start` to `end`; `gpu` where it concerns one."""

    kind: str
    start: float
    end: float
    gpu: int = 0
    value: float = 0.0

    def is_on(self, now: float) -> bool:
        return self.start <= now < self.end


@dataclass
class Gpu:
    """A GPU with its power over time and its counter."""

    index: int
    is_mig: bool
    changes: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, IDLE_WATTS)])

    def joules(self, start: float, end: float) -> float:
        """Return the energy between two times."""
        edges = [*self.changes, (float("inf"), 0.0)]
        return sum(
            watts * max(0.0, min(end, until) - max(start, since))
            for (since, watts), (until, _) in pairwise(edges)
        )

    def watts(self, now: float) -> float:
        return next(watts for since, watts in reversed(self.changes) if since <= now)


class Node:
    """Stand-in of driver, kubelet and API server; every answer is that of `now`."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.now = 0.0
        self.clock_error = 0.0
        self.length = dice.uniform(120, 320)
        self.gpus = [Gpu(i, is_mig=dice.random() < 0.2) for i in range(dice.randint(1, 2))]
        self.pods_ever: list[Pod] = []
        self.spells: list[Spell] = []
        for gpu in self.gpus:
            self._fill(gpu)
        for _ in range(dice.randint(1, 4)):
            self._hurt(dice.choice(FAULTS))
        self.records: tuple[PodRecord, ...] | None = None
        self.garbage_done: set[int] = set()

    def _fill(self, gpu: Gpu) -> None:
        """Let pods come and go on a GPU, with names that return."""
        dice, at = self.dice, self.dice.uniform(20, 60)
        while at < self.length and dice.random() < 0.9:
            end = at + dice.uniform(15, 160)
            uid = f"uid-{len(self.pods_ever)}"
            place = f"MIG-{gpu.index}" if gpu.is_mig else f"GPU-{gpu.index}"
            name = f"{dice.choice(NAMES)}-{gpu.index}"
            watts = dice.uniform(120, 650)
            self.pods_ever.append(Pod(name, uid, gpu.index, place, at, end, watts))
            gpu.changes += [(at, watts), (end, IDLE_WATTS)]
            at = end + dice.choice((2.2, dice.uniform(3, 60)))

    def _hurt(self, kind: str) -> None:
        dice = self.dice
        start = dice.uniform(15, self.length)
        length = dice.choice((dice.uniform(1, 8), dice.uniform(8, 60), dice.uniform(60, 250)))
        gpu = dice.randrange(len(self.gpus))
        if kind == "unseen_load":
            self._load_unseen(self.gpus[gpu], start, start + length)
        elif kind == "clock":
            value = dice.choice((-3600.0, -7.0, 3.0, 40.0, 3600.0))
            self.spells.append(Spell(kind, start, float("inf"), value=value))
        else:
            self.spells.append(Spell(kind, start, start + length, gpu, dice.random()))

    def _load_unseen(self, gpu: Gpu, start: float, end: float) -> None:
        """Use the free GPU by a process that the kubelet does not list."""
        held = [(p.start - 3.0, p.end + 3.0) for p in self.pods_ever if p.gpu == gpu.index]
        if start < 40 or any(start < until and since < end for since, until in held):
            return
        gpu.changes = sorted([*gpu.changes, (start, 400.0), (end, IDLE_WATTS)])

    def spell(self, kind: str, gpu: int | None = None) -> Spell | None:
        found = (s for s in self.spells if s.kind == kind and s.is_on(self.now))
        return next((s for s in found if gpu in (None, s.gpu)), None)

    def unix(self) -> float:
        """The exporter's clock: it may have been set."""
        steps = sum(s.value for s in self.spells if s.kind == "clock" and s.is_on(self.now))
        return UNIX_START + self.now + steps

    def read(self, monotonic_seconds: float) -> tuple[GpuReading, ...]:
        if self.spell("driver_away"):
            raise SourceError("NVML: the driver is gone")
        return tuple(self._reading(gpu) for gpu in self.gpus)

    def _reading(self, gpu: Gpu) -> GpuReading:
        identity = GpuIdentity(
            uuid=f"GPU-{gpu.index}",
            index=gpu.index,
            model="H100 (mock)",
            architecture="hopper",
            driver="mock",
            is_mock=True,
            multiprocessors=132,
        )
        layout = 2 if self.spell("reconfigured", gpu.index) else 1
        instances = (MigInstance(uuid=f"MIG-{gpu.index}", gpu_instance=layout, multiprocessors=66),)
        known = GpuReading(
            identity=identity,
            limit_watts=LIMIT_WATTS,
            instances=instances if gpu.is_mig else (),
            mig_enabled=gpu.is_mig,
        )
        if self.spell("lost", gpu.index):
            return known._replace(error="GPU is lost", limit_watts=None)
        watts = None if self.spell("no_power", gpu.index) else gpu.watts(self.now)
        limit = 250.0 if self.spell("low_limit", gpu.index) and (watts or 0) < 250 else LIMIT_WATTS
        return known._replace(
            counter_millijoules=None if self.spell("no_counter", gpu.index) else self._counter(gpu),
            average_watts=watts,
            instant_watts=watts,
            limit_watts=limit,
        )

    def _counter(self, gpu: Gpu) -> int:
        garbage = self.spell("garbage", gpu.index)
        if garbage is not None and id(garbage) not in self.garbage_done:
            self.garbage_done.add(id(garbage))
            return self.dice.choice((0, 17, 2**64 - 1, 10**15, 5_000_000))
        since = [s.start for s in self.spells if s.kind == "reset" and s.gpu == gpu.index]
        began = max((s for s in since if s <= self.now), default=-86_400.0)
        return int(1000 * gpu.joules(began, self.now)) + (10**9 if began < 0 else 0)

    def survey_soon(self) -> None:
        """Do nothing: there is nothing to look for."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def allocations(self) -> tuple[Allocation, ...]:
        if self.spell("silent_kubelet"):
            raise SourceError("kubelet: no answer")
        held = [p for p in self.pods_ever if p.start <= self.now < p.end]
        return tuple(Allocation("ml", p.name, "main", (p.device_id,)) for p in held)

    def advertised_replicas(self) -> dict[str, int]:
        return {}

    @property
    def is_up(self) -> bool:
        return self.spell("api_away") is None

    @property
    def good_at(self) -> float | None:
        return None

    @property
    def pods(self) -> tuple[PodRecord, ...] | None:
        """The last answer of the API server; a new one only where something changed."""
        if self.is_up:
            found = tuple(
                PodRecord(
                    namespace="ml",
                    name=p.name,
                    uid=p.uid,
                    is_terminal=self.now >= p.end,
                    started_at=float(int(UNIX_START + p.start)),
                    finished_at=float(int(UNIX_START + p.end)) if self.now >= p.end else None,
                )
                for p in self.pods_ever
                if p.start <= self.now < p.end + 1.0  # the next of its name takes its place
            )
            if found != self.records:
                self.records = found
        return self.records


@dataclass
class Told:
    """Figures that the operator gets of one pod."""

    pod: Pod
    true_joules: float
    energy: PodEnergy


class History:
    """One history; `faults` lists what went wrong with the exporter's promises."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.seed, self.faults = seed, list[str]()
        self.node = Node(seed)
        self._path = directory / f"state-{seed}.json"
        self._stored: dict[str, dict] = {f.name: defaultdict(list) for f in FAMILIES}
        self._ended: dict[str, dict] = {}
        self._highest: dict[tuple, float] = {}
        self._loop = self._start()

    def _start(self) -> ExporterLoop:
        node = self.node
        return ExporterLoop(
            LoopParts(
                ledger=NodeLedger(expects_uids=True),
                sources=NodeSources(meters=node, owners=node, pods=node),
                calls=CallLog(),
                state=StateFile(str(self._path), "boot"),
                mapping_period_seconds=0.0,
                monotonic=lambda: 5000.0 + node.now,
                unix=node.unix,
            )
        )

    def run(self) -> list[Told]:
        """Live through it and return the figures of every pod."""
        node, dice = self.node, self.node.dice
        ends = [p.end for p in node.pods_ever]
        until = max([node.length, *ends]) + AFTER_SECONDS
        scrape_at, save_at = dice.uniform(0, SCRAPE_SECONDS), 30.0
        stops = sorted(
            (s for s in node.spells if s.kind in ("kill", "restart", "no_state")),
            key=lambda s: s.start,
        )
        while node.now < until:
            node.now += dice.uniform(1.0, TICK_SECONDS)
            if stops and node.now >= stops[0].start:
                self._stop(stops.pop(0))
            self._loop.tick()
            if node.now >= save_at:
                save_at = node.now + 30.0
                self._loop.save()
            if node.now >= scrape_at:
                scrape_at += SCRAPE_SECONDS
                if node.spell("no_scrapes") is None:
                    self._scrape()
        self._path.unlink(missing_ok=True)
        return [self._tell(pod) for pod in node.pods_ever]

    def _stop(self, spell: Spell) -> None:
        """End the exporter, in order or not, and start it again some time later."""
        if spell.kind != "kill":
            self._loop.save(is_complete=True)
        if spell.kind == "no_state":
            self._path.unlink(missing_ok=True)
        self.node.now += 1.0 + 60 * spell.value**2
        self.node.records = None  # the process's knowledge of the API server is lost with it
        self._loop = self._start()
        self._loop.restore()

    def _scrape(self) -> None:
        """Store the page as Prometheus would, and check what must hold of every page."""
        at = UNIX_START + self.node.now
        page = self._loop.snapshot().samples
        seen: dict[str, dict] = defaultdict(dict)
        for family in FAMILIES:
            for values, value in page.get(family.name, ()):
                self._stored[family.name][values].append(StoredSample(at, value))
                seen["/".join(values[1:3])][family.name, values] = value
        for _, value in page.get(RESIDUAL.name, ()):
            if value:
                self.faults.append(f"residual of {value} J at {self.node.now:.0f} s")
        for uid, values in seen.items():
            self._look(uid, values)

    def _look(self, uid: str, values: dict) -> None:
        starts = [v for (name, _), v in values.items() if name == POD_SEGMENT.name]
        for (name, labels), value in values.items():
            if name != POD_ENERGY.name:
                continue
            key = (labels, tuple(starts))
            if value < self._highest.get(key, 0.0):
                self.faults.append(f"{uid}: a counter fell to {value} at {self.node.now:.0f} s")
            self._highest[key] = max(value, self._highest.get(key, 0.0))
        before = self._ended.get(uid)
        if before is not None and values != before:
            self.faults.append(f"{uid}: changed behind its end marker at {self.node.now:.0f} s")
        if any(name == POD_END.name for name, _ in values):
            self._ended[uid] = values

    def _tell(self, pod: Pod) -> Told:
        def series(family):
            return [
                Series(dict(zip(family.labels, labels, strict=True)), tuple(samples))
                for labels, samples in self._stored[family.name].items()
            ]

        energy = integrate_pod(
            pod.uid,
            energy=series(POD_ENERGY),
            segment_start=series(POD_SEGMENT),
            end_marker=series(POD_END),
            run=Span(_moment(pod.start), _moment(pod.end)),
            scrape_interval_seconds=SCRAPE_SECONDS,
        )
        told = Told(pod, self.node.gpus[pod.gpu].joules(pod.start, pod.end), energy)
        self.faults += (f"{pod.uid}: {fault}" for fault in self._lies(told))
        return told

    def _lies(self, told: Told) -> list[str]:
        """Return the errors in the figures of a pod."""
        energy, pod = told.energy, told.pod
        reported = energy.total_joules or 0.0
        by_quality = {part.quality: 0.0 for part in energy.parts}
        for part in energy.parts:
            by_quality[part.quality] += part.energy_joules
        gpu = self.node.gpus[pod.gpu]
        edge = TICK_SECONDS * sum(
            abs(gpu.watts(at + 1.2) - gpu.watts(at - 1.2)) for at in (pod.start, pod.end)
        )
        faults = []
        modelled = 0.01 * by_quality.get("power_integrated", 0.0)
        most = 1.001 * told.true_joules + modelled + edge
        if gpu.is_mig:  # the rule gives the rest of the GPU's energy to the held instance too
            most += edge
        if reported > most:
            faults.append(f"reported {reported:.0f} J of {told.true_joules:.0f} J")
        missing = 0.999 * told.true_joules - reported - edge
        unknown = (1 - energy.energy_coverage_ratio) * (pod.end - pod.start)
        allowed = unknown + DOUBT_SECONDS * (energy.segments > 1 or unknown > 0)
        # A wrong clock gives a segment's start the same error.
        allowed += sum(abs(s.value) for s in self.node.spells if s.kind == "clock")
        if gpu.is_mig:  # half of the idle floor belongs to the free instance
            missing -= 0.5 * IDLE_WATTS * (pod.end - pod.start)
        if missing > 1.001 * allowed * pod.watts and not by_quality.keys() & set(RARE):
            faults.append(
                f"{missing:.0f} J of {told.true_joules:.0f} J are missing and coverage is "
                f"{energy.energy_coverage_ratio:.3f}"
            )
        return faults


FAMILIES = (POD_ENERGY, POD_SEGMENT, POD_END)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(UNIX_START + seconds, UTC)


def find_faults(seeds: range, directory: Path) -> list[str]:
    """Return the faults found by histories of these seeds, each with its seed."""
    found = []
    for seed in seeds:
        history = History(seed, directory)
        history.run()
        found += [f"seed {seed}: {fault}" for fault in history.faults]
    return found
