"""Lives of counters without a uid: from when to when they counted for the same pod.

Pods of one name follow one another, and an exporter that knows no uids may give their series the
same labels. When a counter's segment began, and when its values became final, tells whose it is.
Pure.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.accounts.samples import PodSamples
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

    def has_life(self, began: float | None, ended: float | None) -> bool:
        """Return whether counters that began and ended then can be this pod's.

        Pods of one name follow one another. Kubernetes tells whole seconds, so a pod that began in
        a second began before its end.
        """
        is_later = began is not None and began >= self.end.timestamp() + 1.0
        return not is_later and (ended is None or ended >= self.start.timestamp() + 1.0)


class Lives:
    """Changes of segment start and end marker, by the scrape target and the pod's name.

    Of equal values only the first is kept, so a long life takes no more memory than a short one.
    """

    def __init__(self) -> None:
        self._began: defaultdict[_Place, list[StoredSample]] = defaultdict(list)
        self._ended: defaultdict[_Place, list[StoredSample]] = defaultdict(list)

    def take(self, samples: PodSamples) -> None:
        """Add the samples of the next piece of time."""
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

    def _life(self, place: _Place, at: float) -> tuple[float | None, float | None]:
        """Return when the counters shown at a time began, and when they ended; `None`: unknown."""
        began, ended = self._began.get(place, []), self._ended.get(place, [])
        index = bisect_right(began, at, key=lambda change: change.time_seconds)
        start = began[max(0, index - 1)].value if began else None
        # A marker belongs to the counters that were shown with it, so to those that began before.
        final = [change.value for change in ended if start is None or change.value >= start]
        return start, min(final, default=None)


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
