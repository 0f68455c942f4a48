"""Node of a history: pods, GPUs and faults from one seed, and what is true of them.

The truth is integrated here, from powers that are constant between changes. The node stands in for
driver, kubelet and API server on a virtual clock; every answer is that of `now`.
"""

import random
from dataclasses import dataclass, field
from itertools import pairwise

from lowtide.meters.errors import SourceError
from lowtide.meters.readings import GpuIdentity, GpuReading, MigInstance
from lowtide_exporter.readings import Allocation, PodRecord

UNIX_START = 1_800_000_000.0
IDLE_WATTS = 70.0
LIMIT_WATTS = 700.0
NAMES = ("web-0", "web-1", "train")
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
    told_start: float = 0.0
    """Unix time of the start by the node's clock."""
    told_end: float = 0.0
    """The same of the end."""


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
        self.length = dice.uniform(120, 320)
        self.gpus = [Gpu(i, is_mig=dice.random() < 0.2) for i in range(dice.randint(1, 2))]
        self.pods_ever: list[Pod] = []
        self.spells: list[Spell] = []
        for gpu in self.gpus:
            self._fill(gpu)
        for _ in range(dice.randint(1, 4)):
            self._hurt(dice.choice(FAULTS))
        for pod in self.pods_ever:
            pod.told_start, pod.told_end = (self.unix_at(at) for at in (pod.start, pod.end))
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
            small = dice.choice((-1, 1)) * dice.uniform(2.0, 15.0)  # within a scrape interval
            value = dice.choice((-3600.0, 40.0, 3600.0, small, small, small))
            since = dice.choice((start, start, -1.0))  # it may have been wrong all the time
            self.spells.append(Spell(kind, since, float("inf"), value=value))
        else:
            self.spells.append(Spell(kind, start, start + length, gpu, dice.random()))

    def _load_unseen(self, gpu: Gpu, start: float, end: float) -> None:
        """Use the free GPU by a process that the kubelet does not list."""
        held = [(p.start - 3.0, p.end + 3.0) for p in self.pods_ever if p.gpu == gpu.index]
        if start < 40 or any(start < until and since < end for since, until in held):
            return
        gpu.changes = sorted([*gpu.changes, (start, 400.0), (end, IDLE_WATTS)])

    def spell(self, kind: str, gpu: int | None = None) -> Spell | None:
        for one in self.spells:
            if one.kind == kind and one.is_on(self.now) and gpu in (None, one.gpu):
                return one
        return None

    def unix(self) -> float:
        """The clock of exporter and kubelet: it may be wrong, and it may have been set."""
        return self.unix_at(self.now)

    def unix_at(self, at: float) -> float:
        """Return what the node's clock shows at a true time."""
        steps = sum(s.value for s in self.spells if s.kind == "clock" and s.is_on(at))
        return UNIX_START + at + steps

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
                    started_at=float(int(p.told_start)),
                    finished_at=float(int(p.told_end)) if self.now >= p.end else None,
                )
                for p in self.pods_ever
                if p.start <= self.now < p.end + 1.0  # the next of its name takes its place
            )
            if found != self.records:
                self.records = found
        return self.records
