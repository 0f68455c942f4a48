"""Histories of a node from one seed, from its driver to the status that an operator writes.

The exporter's real loop reads a stand-in of driver, kubelet and API server on a virtual clock. Its
page is scraped into the operator's store, and the operator's own code writes each job's status
from that (`statuses`). Then what was told is held against what is true (`node`, `truth`).
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from standins.histories.node import IDLE_WATTS, Node, Pod, Spell
from standins.histories.statuses import GRAMS_PER_KWH, SCRAPE_SECONDS, OperatorSide
from standins.histories.truth import (
    Look,
    is_counter_read,
    joules_in_doubt,
    joules_lost_with_counters,
    look_at,
)

from lowtide.meters.calls import CallLog
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile
from lowtide_exporter.loop import ExporterLoop, LoopParts, NodeSources
from lowtide_exporter.page.catalogue import POD_END, POD_ENERGY, POD_SEGMENT, RESIDUAL
from lowtide_exporter.page.exposition import TextWriter

TICK_SECONDS = 1.1
"""The longest time between two ticks: the period and its jitter."""
DOUBT_SECONDS = 7.0
"""Until a gap is seen, a pod is shown as if fully counted: five seconds, two ticks."""
AFTER_SECONDS = 200.0
"""After the last end: the operator waits up to three minutes for an end marker."""
WHOLE_SECOND = 1.0
"""Kubernetes tells the end in whole seconds, and coverage is a share of the time until then."""
WHOLE_JOULE = 0.5
"""The status has whole joules."""


@dataclass
class Told:
    """What the operator's status tells of one pod, beside the truth."""

    pod: Pod
    true_joules: float
    status: TrainingJobStatus
    uncertain_joules: float
    """What the pod's ends leave open."""

    @property
    def joules(self) -> int:
        """Joules in the status."""
        energy = self.status.energy
        return 0 if energy is None else energy.total_joules or 0

    @property
    def coverage(self) -> float:
        """Share of the run that the status says is known."""
        energy = self.status.energy
        return 0.0 if energy is None else float(energy.energy_coverage or 0.0)

    @property
    def qualities(self) -> set[str]:
        """Qualities of the joules in the status."""
        energy = self.status.energy
        return set() if energy is None else {part.quality for part in energy.components}


class History:
    """One history; `faults` lists the promises that were broken."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.seed, self.faults = seed, list[str]()
        self.node = Node(seed)
        self._path = directory / f"state-{seed}.json"
        self._operator = OperatorSide()
        self._writer = TextWriter()
        self._looks: dict[int, list[Look]] = {gpu.index: [] for gpu in self.node.gpus}
        self._counted_at: dict[int, list[float]] = {gpu.index: [] for gpu in self.node.gpus}
        self._told_at: list[float] = []
        self._ended: dict[str, dict] = {}
        self._segments: dict[str, set[float]] = defaultdict(set)
        self._highest: dict[tuple, float] = {}
        self._loop = self._start()

    def _start(self) -> ExporterLoop:
        node = self.node
        self._ledger = NodeLedger(expects_uids=True)
        return ExporterLoop(
            LoopParts(
                ledger=self._ledger,
                sources=NodeSources(meters=node, owners=node, pods=node),
                calls=CallLog(),
                state=StateFile(str(self._path), "boot"),
                mapping_period_seconds=0.0,
                monotonic=lambda: 5000.0 + node.now,
                unix=node.unix,
            )
        )

    def run(self) -> list[Told]:
        """Live through it and return what the operator tells of every pod."""
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
            self._note_looks()
            if node.now >= save_at:
                save_at = node.now + 30.0
                self._loop.save()
            if node.now >= scrape_at:
                scrape_at += SCRAPE_SECONDS
                if node.spell("no_scrapes") is None:
                    self._scrape()
        self._path.unlink(missing_ok=True)
        statuses = self._operator.statuses(node.pods_ever, until)
        self._operator.close()
        return [self._tell(*both) for both in zip(node.pods_ever, statuses, strict=True)]

    def _note_looks(self) -> None:
        """Remember at which moments the exporter could know what it books."""
        if self.node.is_up:
            self._told_at.append(self.node.now)
        for gpu in self.node.gpus:
            account = self._ledger.gpus.get(f"GPU-{gpu.index}")
            is_known = account is not None and account.floor.learnt_watts is not None
            look = look_at(self.node, gpu, is_floor_known=is_known)
            if look is not None:
                self._looks[gpu.index].append(look)
            if is_counter_read(self.node, gpu):
                self._counted_at[gpu.index].append(self.node.now)

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
        """Let the operator scrape the page, and check what must hold of every page."""
        snapshot = self._loop.snapshot()
        self._operator.scrape(self._writer.write(snapshot, openmetrics=False), self.node.now)
        page = snapshot.samples
        seen: dict[str, dict] = defaultdict(dict)
        for family in FAMILIES:
            for values, value in page.get(family.name, ()):
                seen["/".join(values[1:3])][family.name, values] = value
        for _, value in page.get(RESIDUAL.name, ()):
            if value:
                self.faults.append(f"residual of {value} J at {self.node.now:.0f} s")
        for uid, values in seen.items():
            self._look(uid, values)

    def _look(self, uid: str, values: dict) -> None:
        starts = [v for (name, _), v in values.items() if name == POD_SEGMENT.name]
        self._segments[uid] |= set(starts)
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

    def _tell(self, pod: Pod, status: TrainingJobStatus) -> Told:
        looks = self._looks[pod.gpu]
        told = Told(pod, self.node.gpus[pod.gpu].joules(pod.start, pod.end), status, 0.0)
        is_integrated = "power_integrated" in told.qualities
        told.uncertain_joules = joules_in_doubt(
            self.node, pod, looks, self._told_at, is_integrated=is_integrated
        )
        self.faults += (f"{pod.uid}: {fault}" for fault in self._lies(told))
        return told

    def _lies(self, told: Told) -> list[str]:
        """Return the errors in the status of a pod's job."""
        pod, true, told_joules = told.pod, told.true_joules, told.joules
        faults = []
        if told_joules > 1.001 * true + told.uncertain_joules + WHOLE_JOULE:
            faults.append(f"reported {told_joules} J of {true:.0f} J")
        grams = None if told.status.carbon is None else told.status.carbon.operational_grams
        if told_joules and abs(float(grams or 0.0) - told_joules / 3.6e6 * GRAMS_PER_KWH) > 1e-3:
            faults.append(f"{grams} g for {told_joules} J")
        is_mig = self.node.gpus[pod.gpu].is_mig
        # A MIG instance's half of the idle floor; the free one has the other half.
        watts = pod.watts - 0.5 * IDLE_WATTS if is_mig else pod.watts
        unknown = (1 - told.coverage) * (pod.end - pod.start)
        gaps = max(len(self._segments[f"{pod.name}/{pod.uid}"]) - 1, int(unknown > 0.01))
        unseen = DOUBT_SECONDS * gaps
        if told.status.energy is None or not told.status.energy.final:
            unseen += WHOLE_SECOND
        known = watts * (pod.end - pod.start - unknown - unseen)
        if "suspect" in told.qualities:
            known -= joules_lost_with_counters(self.node, pod, self._counted_at[pod.gpu])
        if told_joules < 0.999 * known - told.uncertain_joules - WHOLE_JOULE:
            faults.append(
                f"{told_joules} J of {true:.0f} J are told, {known:.0f} J by a coverage of "
                f"{told.coverage:.3f} ({sorted(told.qualities)})"
            )
        return faults


FAMILIES = (POD_ENERGY, POD_SEGMENT, POD_END)


def find_faults(seeds: range, directory: Path) -> list[str]:
    """Return the faults found by histories of these seeds, each with its seed."""
    found = []
    for seed in seeds:
        history = History(seed, directory)
        history.run()
        found += [f"seed {seed}: {fault}" for fault in history.faults]
    return found
