"""Raw counter samples as Prometheus stored them, sorted into what belongs together.

Prometheus may hold the same counter several times (a highly available pair, federation) and a
counter's target labels change when the exporter's own pod is replaced. This module decides which
samples describe the same counter; it never adds two replicas and computes no energy.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple

IDENTITY_LABELS: Final = ("container", "component", "part", "method", "quality")
"""What tells one energy counter of a pod from another; every other label is the scraper's."""

OWN_LABELS: Final = frozenset({"__name__", "namespace", "pod", "pod_uid", *IDENTITY_LABELS})


@dataclass(frozen=True, slots=True)
class StoredSample:
    """One stored sample: Unix time in seconds, and the value."""

    time_seconds: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One stored series: its labels and its samples in any order."""

    labels: Mapping[str, str]
    samples: tuple[StoredSample, ...]

    @property
    def pod_uid(self) -> str:
        """The pod the series belongs to, or an empty text."""
        return self.labels.get("pod_uid", "")

    @property
    def scraper(self) -> frozenset[tuple[str, str]]:
        """The labels that the scrape added: target, replica, cluster."""
        return frozenset((k, v) for k, v in self.labels.items() if k not in OWN_LABELS)


class Identity(NamedTuple):
    """Which counter of a pod: the exporter's labels below the pod."""

    container: str
    component: str
    part: str
    method: str
    quality: str


@dataclass(frozen=True, slots=True)
class Track:
    """The samples of one counter in one segment, in time order, from a single replica.

    `segment_start_seconds` is when the counter began at zero, `None` where no start was stored.
    """

    identity: Identity
    segment_start_seconds: float | None
    samples: tuple[StoredSample, ...]


def tracks_of_pod(
    energy: Iterable[Series], segment_start: Iterable[Series]
) -> tuple[tuple[Track, ...], int]:
    """Return the tracks of one pod, and how many samples were unusable (not finite, negative).

    Samples are cut into segments where the segment start of the same scrape changes. Of replicas
    the one with most samples counts; another replica only adds what lies before its first or
    after its last sample (the exporter's pod was replaced, or one scraper failed), and only
    where the value fits a counter that never falls.
    """
    starts = list(segment_start)
    replicas: dict[tuple[Identity, float | None], list[tuple[StoredSample, ...]]] = defaultdict(
        list
    )
    unusable = 0
    for series in energy:
        good = _in_order(s for s in series.samples if isfinite(s.value) and s.value >= 0)
        unusable += sum(1 for s in series.samples if not (isfinite(s.value) and s.value >= 0))
        identity = Identity(*(series.labels.get(name, "") for name in IDENTITY_LABELS))
        for start, samples in _cut(good, _starts_seen_by(series, starts)).items():
            replicas[identity, start].append(samples)
    tracks = tuple(
        Track(identity, start, _one_replica(candidates))
        for (identity, start), candidates in replicas.items()
    )
    return tracks, unusable


def _starts_seen_by(series: Series, starts: Sequence[Series]) -> tuple[StoredSample, ...]:
    """Return the segment starts that the same scraper stored, else those any scraper stored."""
    same = [s for s in starts if s.scraper == series.scraper]
    return _in_order(sample for s in (same or starts) for sample in s.samples)


def _cut(
    samples: Sequence[StoredSample], starts: Sequence[StoredSample]
) -> dict[float | None, tuple[StoredSample, ...]]:
    """Return the samples by the segment start that held at their scrape.

    The start of the same scrape carries the same time; where that one sample is missing, the
    nearest earlier start holds, and before the first stored start the first one.
    """
    cut: dict[float | None, list[StoredSample]] = defaultdict(list)
    index = 0
    for sample in samples:
        while index + 1 < len(starts) and starts[index + 1].time_seconds <= sample.time_seconds:
            index += 1
        # Milliseconds are Prometheus' own precision of time.
        start = round(starts[index].value, 3) if starts else None
        cut[start].append(sample)
    return {start: tuple(part) for start, part in cut.items()}


def _one_replica(candidates: Sequence[tuple[StoredSample, ...]]) -> tuple[StoredSample, ...]:
    chosen, *others = sorted(candidates, key=len, reverse=True)
    for other in others:
        before = [
            s
            for s in other
            if s.time_seconds < chosen[0].time_seconds and s.value <= chosen[0].value
        ]
        after = [
            s
            for s in other
            if s.time_seconds > chosen[-1].time_seconds and s.value >= chosen[-1].value
        ]
        chosen = (*before, *chosen, *after)
    return chosen


def _in_order(samples: Iterable[StoredSample]) -> tuple[StoredSample, ...]:
    """Return the samples by time, one per moment (chunks of a long fetch share their seams)."""
    by_time = {sample.time_seconds: sample for sample in samples}
    return tuple(by_time[moment] for moment in sorted(by_time))
