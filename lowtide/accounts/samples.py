"""Samples of a job's pods, as an exporter counts them and a store keeps them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from lowtide.energy.samples import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSamples:
    """Raw series of a job's pods, by metric."""

    energy: tuple[Series, ...] = ()
    """Joules of every counter since its segment began."""
    segment_start: tuple[Series, ...] = ()
    """Unix time at which the counters' segment began."""
    end_marker: tuple[Series, ...] = ()
    """Unix time at which the counters became final."""
    held: tuple[Series, ...] = ()
    """GPU-seconds held, by GPU model."""
    share: tuple[Series, ...] = ()
    """Share of each GPU that the pod held."""
    gpus: tuple[Series, ...] = ()
    """Description of these GPUs, by their uuid."""
    owner: tuple[Series, ...] = ()
    """TrainingJob that each pod works for."""
    clocks: tuple[Series, ...] = ()
    """Time of each node, as its exporter's page told it."""

    @property
    def pod_uids(self) -> frozenset[str]:
        """Uids of the pods that have an energy series."""
        return frozenset(series.pod_uid for series in self.energy if series.pod_uid)

    @property
    def end_times(self) -> dict[str, float]:
        """Unix time at which the values of each pod became final, by uid."""
        ends: dict[str, float] = {}
        for series in self.end_marker:
            for sample in series.samples:
                ends[series.pod_uid] = max(sample.value, ends.get(series.pod_uid, 0.0))
        return ends

    @property
    def most_samples(self) -> int:
        """Samples of the metric that has most of them."""
        parts = (
            *(self.energy, self.segment_start, self.end_marker),
            *(self.held, self.share, self.owner),
        )
        return max(sum(len(series.samples) for series in part) for part in parts)


def by_pod(found: Iterable[Series]) -> defaultdict[str, list[Series]]:
    """Return the series of each pod by its uid; those without one are left out."""
    pods: defaultdict[str, list[Series]] = defaultdict(list)
    for series in found:
        if series.pod_uid:
            pods[series.pod_uid].append(series)
    return pods
