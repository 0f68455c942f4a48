"""Lives of counters without a uid: from when to when they counted for the same pod.

Pods of one name follow one another, and an exporter that knows no uids may give their series the
same labels. When a counter's segment began, and when its values became final, tells whose it is:
exporter and kubelet tell both by the clock of their node. What counted before the pod's job was
made is no part of it; that is told by the cluster's clock. Pure.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.accounts.samples import PodSamples
from lowtide.energy.node_clock import NodeClocks
from lowtide.energy.samples import Series, StoredSample

_Place = frozenset[tuple[str, str]]
"""Labels of a pod and of the target that it was scraped from."""
_PLACE_LABELS: Final = frozenset({"namespace", "pod", "pod_uid", "job", "instance"})


@dataclass(frozen=True, slots=True)
class NamedPod:
    """A pod that the API server named, for an exporter that knows no uids."""

    uid: str
    start: datetime
    end: datetime
    made: datetime | None = None
    """When its job was made, by the cluster's clock; `None` where it may be older than that."""

    def has_life(self, began: float | None, ended: float | None, began_in_store: float) -> bool:
        """Return whether counters that began and ended then can be this pod's.

        Pods of one name follow one another. Kubernetes tells whole seconds, so a pod that began in
        a second began before its end. `began_in_store` is by the clock of the store.
        """
        if self.made is not None and began_in_store < self.made.timestamp() - MADE_SECONDS:
            return False
        is_later = began is not None and began >= self.end.timestamp() + 1.0
        return not is_later and (ended is None or ended >= self.start.timestamp() + 1.0)


MADE_SECONDS: Final = 10.0
"""A segment begins with the look before the pod was seen, up to five seconds earlier."""


class Lives:
    """Changes of segment start and end marker, by the scrape target and the pod's name.

    Of equal values only the first is kept, so a long life takes no more memory than a short one.
    """

    def __init__(self) -> None:
        self._began: defaultdict[_Place, list[StoredSample]] = defaultdict(list)
        self._ended: defaultdict[_Place, list[StoredSample]] = defaultdict(list)
        self._clocks = NodeClocks()
        self._in_store: dict[tuple[_Place, float], float] = {}

    def take(self, samples: PodSamples) -> None:
        """Add the samples of the next piece of time."""
        self._clocks.take(samples.clocks)
        righted = self._clocks.righted(samples.segment_start, ()).segment_start
        for told, right in zip(samples.segment_start, righted, strict=True):
            for one, other in zip(told.samples, right.samples, strict=True):
                if one.value != other.value:
                    self._in_store[_place_of(told), one.value] = other.value
        _add_changes(samples.segment_start, self._began)
        _add_changes(samples.end_marker, self._ended)

    def part_of(self, pod: NamedPod, series: Series) -> Series:
        """Return the samples of a series that can be the pod's, under its uid."""
        place = _place_of(series)
        own = tuple(
            sample
            for sample in series.samples
            if pod.has_life(*self._life(place, sample.time_seconds))
        )
        return Series({**series.labels, "pod_uid": pod.uid}, own)

    def _life(self, place: _Place, at: float) -> tuple[float | None, float | None, float]:
        """Return when the counters shown at a time began and ended, `None` where it is not known.

        The third is when they began by the store's clock, or else when they were shown first.
        """
        began, ended = self._began.get(place, []), self._ended.get(place, [])
        index = bisect_right(began, at, key=lambda change: change.time_seconds)
        start = began[max(0, index - 1)].value if began else None
        # A marker belongs to the counters that were shown with it, so to those that began before.
        final = [change.value for change in ended if start is None or change.value >= start]
        in_store = at if start is None else self._in_store.get((place, start), start)
        return start, min(final, default=None), in_store


def _add_changes(found: Iterable[Series], kept: defaultdict[_Place, list[StoredSample]]) -> None:
    by_place: defaultdict[_Place, list[StoredSample]] = defaultdict(list)
    for series in found:
        by_place[_place_of(series)] += series.samples
    for place, samples in by_place.items():
        for sample in sorted(samples, key=lambda one: one.time_seconds):
            if not kept[place] or kept[place][-1].value != sample.value:
                kept[place].append(sample)


def _place_of(series: Series) -> _Place:
    return frozenset(pair for pair in series.labels.items() if pair[0] in _PLACE_LABELS)
