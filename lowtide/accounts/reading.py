"""Reading of one job: what its pods used, held and where, summed up as the samples come. Pure.

The pods of the status are those that the API server named; a further pod is here only because the
exporter says that it worked for this job. What is kept grows with the number of pods and not with
the time they ran.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from lowtide.accounts.run_times import RunTimes
from lowtide.accounts.samples import PodSamples, by_pod
from lowtide.energy.integration import EnergyWarning, PodEnergy, PodSummation
from lowtide.energy.job import JobEnergy, job_energy
from lowtide.energy.node_clock import NodeClocks
from lowtide.energy.running_sums import CounterSums, ProfileSum
from lowtide.energy.samples import Series
from lowtide.trainingjob.status import Attempt

SECOND = timedelta(seconds=1)


class JobReading:
    """Sums over the samples of one job's pods.

    `end_times` are the pods' end markers as far as they are known beforehand, `earliest` is when
    the first pod can have begun.
    """

    def __init__(
        self,
        attempts: Sequence[Attempt],
        *,
        scrape_interval_seconds: float,
        earliest: datetime,
        end_times: Mapping[str, float] | None = None,
    ) -> None:
        self._attempts = tuple(attempts)
        self._interval, self._earliest = scrape_interval_seconds, earliest
        self._end_times = dict(end_times or {})
        self._profile = ProfileSum()
        self._pods: dict[str, PodSummation] = {}
        self._held: dict[tuple[str, str], CounterSums] = {}
        self._gpus: defaultdict[str, set[str]] = defaultdict(set)
        self._targets: set[tuple[str, str]] = set()
        self._sources: set[str] = set()
        self._with_energy: set[str] = set()
        self._clocks = NodeClocks()
        self._run_times = RunTimes(self._clocks)
        for attempt in self._attempts:
            for pod in attempt.pods:
                start = pod.start or (attempt.start if pod.end is None else None)
                if start is not None:
                    told_end = pod.end or self._marker(pod.uid)
                    self._run_times.note(pod.uid, pod.start, told_end, attempt.end)
                    self._open(pod.uid, start, told_end or attempt.end)

    def take(self, samples: PodSamples) -> None:
        """Add the samples of the next piece of time."""
        self._clocks.take(samples.clocks)
        times = self._clocks.righted(samples.segment_start, samples.end_marker)
        energy, starts, ends = (
            by_pod(part) for part in (samples.energy, times.segment_start, times.end_marker)
        )
        for uid in energy.keys() | (ends.keys() & self._pods.keys()):
            if uid not in self._pods:
                self._run_times.note(uid, None, self._marker(uid))
                self._open(uid, None, self._marker(uid))
            run = self._run_times.righted(uid, energy[uid], ends[uid])
            if run is not None:
                self._pods[uid].set_run(*run)
            if uid in times.wrong_pods:
                self._pods[uid].warn(EnergyWarning.NODE_CLOCK_WRONG)
            self._pods[uid].take(energy[uid], starts[uid], ends[uid])
        self._with_energy |= energy.keys()
        for uid, counters in by_pod(samples.held).items():
            for model in {series.labels.get("model", "") for series in counters}:
                mine = [series for series in counters if series.labels.get("model", "") == model]
                self._held.setdefault((uid, model), CounterSums()).take(mine, starts[uid])
        for series in samples.share:
            self._gpus[series.pod_uid].add(series.labels.get("uuid", ""))
            self._targets.add(_target(series))
        for series in samples.gpus:
            if _target(series) in self._targets:
                self._sources.add(series.labels.get("source", ""))

    @property
    def pods_with_energy(self) -> frozenset[str]:
        """Uids of the pods that have an energy series."""
        return frozenset(self._with_energy)

    def pods(self) -> dict[str, PodEnergy]:
        """Return the energy of every pod that ran, by uid."""
        found = {uid: pod.finish() for uid, pod in self._pods.items()}
        return {uid: pod for uid, pod in found.items() if pod is not None}

    def energy(self, pods: Mapping[str, PodEnergy]) -> JobEnergy:
        """Return the energy of the job."""
        return job_energy(list(pods.values()), self._profile.profile())

    def held_seconds(self) -> dict[str, float]:
        """Return the GPU-seconds held, by GPU model."""
        held: defaultdict[str, float] = defaultdict(float)
        for (_, model), counter in self._held.items():
            held[model] += sum(counter.totals.values())
        return dict(held)

    def is_mock(self) -> bool | None:
        """Return whether a GPU is a stand-in; `None` if the exporters describe none."""
        return "mock" in self._sources if self._sources else None

    def attempt_numbers(self, pods: Mapping[str, PodEnergy]) -> dict[str, int]:
        """Return the number of each pod's attempt: that which lists it, else by its start."""
        listed = {pod.uid: attempt.number for attempt in self._attempts for pod in attempt.pods}
        begun = [attempt for attempt in self._attempts if attempt.start is not None]
        numbers = {}
        for uid, pod in pods.items():
            before = [a.number for a in begun if a.start is not None and a.start <= pod.run.start]
            first = begun[0].number if begun else self._attempts[-1].number
            numbers[uid] = listed.get(uid) or (before[-1] if before else first)
        return numbers

    def gpu_count(self, numbers: Mapping[str, int]) -> int | None:
        """Return the most GPUs that the pods of one attempt held; `None` without a series."""
        held: defaultdict[int, set[str]] = defaultdict(set)
        for uid, number in numbers.items():
            held[number] |= self._gpus.get(uid, set())
        return max((len(gpus) for gpus in held.values()), default=0) or None

    def _open(self, uid: str, start: datetime | None, end: datetime | None) -> None:
        if start is not None:
            end = max(end or start, start + SECOND)
        self._pods[uid] = PodSummation(
            uid,
            self._profile,
            scrape_interval_seconds=self._interval,
            run_start=start,
            run_end=end,
            earliest=self._earliest if start is None else min(self._earliest, start),
            end_marker_seconds=self._end_times.get(uid),
        )

    def _marker(self, uid: str) -> datetime | None:
        seconds = self._end_times.get(uid)
        if seconds is None:
            return None
        return datetime.fromtimestamp(seconds, self._earliest.tzinfo)


def _target(series: Series) -> tuple[str, str]:
    """Return the scrape target of a series: a GPU is described by the exporter that shares it."""
    return series.labels.get("job", ""), series.labels.get("instance", "")
