"""Usage of pods of any kind, summed up under the objects at the top of their owners. Pure.

A pod is its workload's because the exporter names the owner's uid; names prove nothing. The owner
of a pod may not be known; its energy is then counted under its namespace, never dropped. Sums go
by the operator's own rule (`lowtide.energy.integration`); what was used before the time in
question is cut off by time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Final

from lowtide.accounts.samples import PodSamples, by_pod
from lowtide.energy.integration import PodEnergy, PodSummation
from lowtide.energy.profile import EnergyProfile, Span, merge_profiles
from lowtide.energy.running_sums import CounterSums, ProfileSum
from lowtide.trainingjob.workload_kinds import KINDS

TRAINING_JOB: Final = "TrainingJob"
RUNS_TO_AN_END: Final = frozenset(
    {
        *(kind.kind for kind in KINDS),
        *("Pod", "CronJob", TRAINING_JOB, "Workflow", "SparkApplication"),
        *("TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob"),
    }
)
"""Kinds whose pods end by themselves: they could have run at another time."""
SERVES: Final = frozenset(
    {
        *("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Node", "RayCluster"),
        *("RayService", "InferenceService", "Notebook", "LeaderWorkerSet"),
    }
)
"""Kinds whose pods are to run all the time."""


@dataclass(frozen=True, slots=True, order=True)
class WorkloadKey:
    """The object at the top of a pod's owners; an empty kind where it is not known."""

    namespace: str
    """Namespace of the pods."""
    kind: str = ""
    """Kind, such as TrainJob."""
    name: str = ""
    """Name."""
    uid: str = ""
    """UID of this object, which another one of the same name does not have."""

    @property
    def title(self) -> str:
        """Kind and name as people write them, for example `job/net`."""
        return f"{self.kind.lower()}/{self.name}" if self.kind else "owner not known"

    @property
    def runs_to_an_end(self) -> bool | None:
        """Whether its pods end by themselves, `None` where that is not known of its kind."""
        if self.kind in RUNS_TO_AN_END:
            return True
        return False if self.kind in SERVES else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """One pod's use."""

    name: str
    """Name."""
    uid: str
    """UID."""
    node: str
    """Node, empty where Prometheus does not keep it."""
    workload: WorkloadKey
    """Object at the top of its owners."""
    energy: PodEnergy
    """Energy since it began, with its coverage."""
    held_seconds: Mapping[str, float]
    """GPU-seconds held, by GPU model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the pods of one group used in a time."""

    pods: tuple[PodUsage, ...]
    """The pods, in the order of their start."""
    profile: EnergyProfile
    """Energy in time, of the time asked for only."""

    @property
    def energy_joules(self) -> float:
        """Energy in the time asked for."""
        return self.profile.total_joules

    @property
    def span(self) -> Span:
        """From the start of the first pod to the end of the last one."""
        return Span(
            min(pod.energy.run.start for pod in self.pods),
            max(pod.energy.run.end for pod in self.pods),
        )

    @property
    def is_final(self) -> bool:
        """Whether every pod has ended and its values are final."""
        return all(pod.energy.final for pod in self.pods)

    @property
    def energy_coverage_ratio(self) -> float:
        """Share of the pods' running time in which the exporter counted."""
        return self._weighted(lambda pod: pod.energy_coverage_ratio)

    @property
    def time_coverage_ratio(self) -> float:
        """Share of the pods' running time with samples close together."""
        return self._weighted(lambda pod: pod.time_coverage_ratio)

    @property
    def gpu_seconds(self) -> float:
        """GPU-seconds held since the pods began."""
        return fsum(seconds for pod in self.pods for seconds in pod.held_seconds.values())

    @property
    def most_at_once(self) -> int:
        """Return how many pods ran at the same time at most."""
        edges = [(pod.energy.run.start, 1) for pod in self.pods]
        edges += [(pod.energy.run.end, -1) for pod in self.pods]
        running = most = 0
        for _, change in sorted(edges):
            running += change
            most = max(most, running)
        return most

    def _weighted(self, ratio: Callable[[PodEnergy], float]) -> float:
        total = fsum(pod.energy.run.duration_seconds for pod in self.pods)
        parts = fsum(ratio(pod.energy) * pod.energy.run.duration_seconds for pod in self.pods)
        return parts / total if total > 0 else 0.0


class UsageReading:
    """Sums over the samples of pods, which come piece by piece in time order.

    `owners` are the workloads by the pods' uids. What is kept grows with the number of pods and
    not with the time that they ran.
    """

    def __init__(
        self,
        owners: Mapping[str, WorkloadKey],
        *,
        sample_seconds: float,
        end_times: Mapping[str, float] | None = None,
    ) -> None:
        self._owners = owners
        self._sample_seconds = sample_seconds
        self._end_times = end_times or {}
        self._pods: dict[str, PodSummation] = {}
        self._profiles: dict[str, ProfileSum] = {}
        self._held: dict[tuple[str, str], CounterSums] = {}
        self._labels: dict[str, Mapping[str, str]] = {}

    def take(self, samples: PodSamples) -> None:
        """Add the samples of the next piece of time."""
        energy, starts, ends = (
            by_pod(part) for part in (samples.energy, samples.segment_start, samples.end_marker)
        )
        for uid in energy.keys() | (ends.keys() & self._pods.keys()):
            if uid not in self._pods:
                self._open(uid, energy[uid][0].labels)
            self._pods[uid].take(energy[uid], starts[uid], ends[uid])
        for uid, counters in by_pod(samples.held).items():
            for model in {series.labels.get("model", "") for series in counters}:
                mine = [series for series in counters if series.labels.get("model", "") == model]
                self._held.setdefault((uid, model), CounterSums()).take(mine, starts[uid])

    def _open(self, uid: str, labels: Mapping[str, str]) -> None:
        self._labels[uid] = labels
        self._profiles[uid] = ProfileSum()
        self._pods[uid] = PodSummation(
            uid,
            self._profiles[uid],
            scrape_interval_seconds=self._sample_seconds,
            end_marker_seconds=self._end_times.get(uid),
        )

    def usage(self, window: Span) -> tuple[Usage, ...]:
        """Return the use of each pod alone, of those that ran in a time."""
        found = []
        held: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for (uid, model), sums in self._held.items():
            held[uid][model] = fsum(sums.totals.values())
        for uid, summation in self._pods.items():
            energy = summation.finish()
            if energy is None or energy.run.end <= window.start or energy.run.start >= window.end:
                continue
            labels = self._labels[uid]
            pod = PodUsage(
                name=labels.get("pod", ""),
                uid=uid,
                node=labels.get("node") or labels.get("instance", ""),
                workload=self._owners.get(uid, WorkloadKey(labels.get("namespace", ""))),
                energy=energy,
                held_seconds=held[uid],
            )
            profile = self._profiles[uid].profile().within(window)
            found.append(Usage(pods=(pod,), profile=profile))
        return tuple(sorted(found, key=lambda use: (use.span.start, use.pods[0].uid)))


def grouped(
    usages: Iterable[Usage], key: Callable[[PodUsage], tuple[str, ...]]
) -> dict[tuple[str, ...], Usage]:
    """Return the use of each group of pods, those with most energy first."""
    groups: defaultdict[tuple[str, ...], list[Usage]] = defaultdict(list)
    for usage in usages:
        groups[key(usage.pods[0])].append(usage)
    summed = {name: together(parts) for name, parts in groups.items()}
    return dict(sorted(summed.items(), key=lambda item: (-item[1].energy_joules, item[0])))


def together(usages: Iterable[Usage]) -> Usage:
    """Return the use of all of them."""
    parts = tuple(usages)
    pods = sorted(
        (p for part in parts for p in part.pods), key=lambda p: (p.energy.run.start, p.uid)
    )
    return Usage(pods=tuple(pods), profile=merge_profiles(part.profile for part in parts))
