"""Clocks of nodes beside that of the store, and the exporter's times put right by them.

An exporter tells by its node's clock when a segment began and when a pod's values became final. The
time at which its page was scraped is the store's. The page also has the node's time, so each scrape
shows how far that clock is ahead, and a clock that was set shows as a change between two scrapes.
Pure; nothing is kept but the last look at each clock and the times already put right.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Final, NamedTuple

from lowtide.energy.samples import Series, StoredSample

RIGHT_SECONDS: Final = 1.0
"""A clock this close is right: a page is made a moment after its scrape began."""
_SEGMENTS_APART_SECONDS: Final = 0.001

_Scraper = frozenset[tuple[str, str]]


class Ahead(NamedTuple):
    """Bounds of how far a node's clock was ahead of the store's, in seconds."""

    least: float
    most: float

    @property
    def is_right(self) -> bool:
        """Whether the clock was right."""
        return self.least == self.most == 0.0


RIGHT: Final = Ahead(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class RightedTimes:
    """Segment starts and end markers as times of the store."""

    segment_start: tuple[Series, ...]
    end_marker: tuple[Series, ...]
    wrong_pods: Set[str]
    """Uids of the pods of which a time had to be put right."""


class NodeClocks:
    """Looks at the clocks of nodes, which come piece by piece in time order."""

    def __init__(self) -> None:
        self._looks: dict[_Scraper, list[StoredSample]] = {}
        self._righted: defaultdict[tuple[str, str], dict[float, float]] = defaultdict(dict)

    def take(self, clocks: Iterable[Series]) -> None:
        """Add the next samples of the gauge of each node's time."""
        found: defaultdict[_Scraper, list[StoredSample]] = defaultdict(list)
        for series in clocks:
            found[series.scraper] += (s for s in series.samples if isfinite(s.value))
        for scraper, looks in found.items():
            looks.sort(key=lambda look: look.time_seconds)
            before = self._looks.get(scraper, [])[-1:]
            if before and looks and before[0].time_seconds < looks[0].time_seconds:
                looks.insert(0, before[0])
        self._looks = dict(found)

    def ahead(self, scraper: _Scraper, at_seconds: float) -> Ahead:
        """Return how far the clock of a scraper's node was ahead at a time of the store.

        The scrapes before, at and after it are asked. One late answer among them is outvoted;
        where the clock was set between them, either may hold.
        """
        looks = self._looks.get(scraper, [])
        first = bisect_left(looks, at_seconds, key=lambda look: look.time_seconds)
        behind = bisect_right(looks, at_seconds, key=lambda look: look.time_seconds)
        near = [_ahead_of(look) for look in looks[max(0, first - 1) : behind + 1]]
        if not near:
            return RIGHT
        least, most = min(near), max(near)
        if abs(near[0] - near[-1]) <= RIGHT_SECONDS:
            least = most = sorted(near)[len(near) // 2]
        return Ahead(least, most)

    def possible(self, scraper: _Scraper, told: float) -> list[float]:
        """Return the times of the store at which a node's clock can have shown this time.

        Only times within a look of those that were seen are known: far from all looks a clock can
        have shown anything.
        """
        looks, found = self._looks.get(scraper, []), set()
        if not looks:
            return []
        steps = [later.time_seconds - look.time_seconds for look, later in pairwise(looks)]
        reach = median(steps) if steps else 0.0
        low, high = looks[0].time_seconds - reach, looks[-1].time_seconds + reach
        for shown in {_ahead_of(look) for look in looks}:
            if not low <= told - shown <= high:
                continue
            ahead = self.ahead(scraper, told - shown)
            if ahead.least - RIGHT_SECONDS <= shown <= ahead.most + RIGHT_SECONDS:
                found.add(told - shown)
        return sorted(found)

    def righted(
        self, segment_start: Iterable[Series], end_marker: Iterable[Series]
    ) -> RightedTimes:
        """Return the times that the exporters told, by the store's clock.

        A segment that may have begun at two times began at the later one, so that no time is
        called known that may not be. No time is later than the scrape that first told it.
        """
        starts, ends = tuple(segment_start), tuple(end_marker)
        wrong: set[str] = set()
        for kind, all_ in (("start", starts), ("end", ends)):
            told = sorted(
                ((s.time_seconds, s.value, series) for series in all_ for s in series.samples),
                key=lambda one: one[0],
            )
            for at, value, series in told:
                self._right(kind, series, at, value)
        return RightedTimes(
            segment_start=tuple(self._series("start", series, wrong) for series in starts),
            end_marker=tuple(self._series("end", series, wrong) for series in ends),
            wrong_pods=wrong,
        )

    def _right(self, kind: str, series: Series, at: float, told: float) -> None:
        """Put a time right when it is first seen; a later scraper repeats it."""
        righted = self._righted[kind, series.pod_uid]
        if told in righted or not isfinite(told):
            return
        ahead = self.ahead(series.scraper, at)
        possible = [told - ahead.most, told - ahead.least]
        moment = max((moment for moment in possible if moment <= at), default=at)
        while not ahead.is_right and moment in righted.values():
            moment += _SEGMENTS_APART_SECONDS
        righted[told] = told if ahead.is_right else moment

    def _series(self, kind: str, series: Series, wrong: set[str]) -> Series:
        righted = self._righted[kind, series.pod_uid]
        samples = tuple(
            StoredSample(sample.time_seconds, righted.get(sample.value, sample.value))
            for sample in series.samples
        )
        if any(new.value != old.value for new, old in zip(samples, series.samples, strict=True)):
            wrong.add(series.pod_uid)
        return Series(series.labels, samples)


def _ahead_of(look: StoredSample) -> float:
    ahead = look.value - look.time_seconds
    return 0.0 if abs(ahead) <= RIGHT_SECONDS else ahead
