"""Running sums of counters and of time, in memory that does not grow with the length of a run.

The samples of a long run come piece by piece, in time order. What is kept between two pieces is
the last sample of every counter, a profile of bounded resolution and the time that is covered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Final

from lowtide.energy.profile import EnergyInterval, EnergyProfile
from lowtide.energy.samples import Identity, Series, StoredSample, Track, tracks_of_pod

INTERVALS_MAX: Final = 4096
"""Intervals of a profile; more are joined into slots of the next of these lengths."""
SLOT_SECONDS: Final = (60, 300, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
"""Lengths that divide the slots of grid data, so that joining moves no energy across them."""
SCRAPERS_MAX: Final = 64
"""Scrapers whose last segment start is remembered."""
SPANS_MAX: Final = 1024
"""Gaps in the coverage of one pod that are told apart."""

Stretch = tuple[float, float]
"""Start and end, Unix seconds."""


@dataclass(frozen=True, slots=True)
class TrackAdvance:
    """New samples of one counter in one segment.

    `begin` is the sample before them, a zero at the segment's start for the first ones, or `None`
    where no start is known. `samples` never fall; `fell` says that stored values did.
    """

    identity: Identity
    segment_start_seconds: float | None
    begin: StoredSample | None
    samples: tuple[StoredSample, ...]
    fell: bool


class CounterSums:
    """Sums of the counters of one pod: each segment counts its last value."""

    def __init__(self) -> None:
        self._last: dict[tuple[Identity, float | None], StoredSample] = {}
        self._folded: dict[Identity, float] = {}
        self._starts: dict[frozenset[tuple[str, str]], Series] = {}
        self.unusable = 0
        self.segments: set[float | None] = set()

    def take(self, counters: Iterable[Series], starts: Iterable[Series]) -> list[TrackAdvance]:
        """Add the next samples; repeated ones count once."""
        tracks, unusable = tracks_of_pod(counters, self._with_earlier(starts))
        self.unusable += unusable
        steps = [step for track in tracks if (step := self._advance(track)) is not None]
        self._fold({(step.identity, step.segment_start_seconds) for step in steps})
        return steps

    @property
    def totals(self) -> dict[Identity, float]:
        """Sum of every counter over its segments."""
        sums = dict(self._folded)
        for (identity, _), last in self._last.items():
            sums[identity] = sums.get(identity, 0.0) + last.value
        return sums

    def _with_earlier(self, starts: Iterable[Series]) -> list[Series]:
        """Return the segment starts with the last one that each scraper stored before."""
        merged = dict(self._starts)
        for series in starts:
            before = self._starts.get(key := frozenset(series.labels.items()))
            earlier = () if before is None else before.samples
            merged[key] = Series(series.labels, (*earlier, *series.samples))
        self._starts = {
            key: Series(series.labels, (max(series.samples, key=lambda s: s.time_seconds),))
            for key, series in list(merged.items())[-SCRAPERS_MAX:]
            if series.samples
        }
        return list(merged.values())

    def _advance(self, track: Track) -> TrackAdvance | None:
        key = (track.identity, track.segment_start_seconds)
        last = self._last.get(key)
        if last is None and track.segment_start_seconds is not None:
            # Its first samples came without a start, which a later scrape has told.
            last = self._last.pop((track.identity, None), None)
            if last is not None and last.time_seconds < track.segment_start_seconds:
                self._last[track.identity, None], last = last, None
            elif last is not None:
                self.segments.discard(None)
        begin = last
        if last is None and track.segment_start_seconds is not None:
            begin = StoredSample(track.segment_start_seconds, 0.0)
        rising: list[StoredSample] = []
        top, fell = 0.0 if last is None else last.value, False
        for sample in track.samples:
            if last is not None and sample.time_seconds <= last.time_seconds:
                continue
            fell = fell or sample.value < top
            top = max(top, sample.value)
            rising.append(StoredSample(sample.time_seconds, top))
        if not rising:
            return None
        self._last[key] = rising[-1]
        self.segments.add(track.segment_start_seconds)
        return TrackAdvance(track.identity, track.segment_start_seconds, begin, tuple(rising), fell)

    def _fold(self, fresh: set[tuple[Identity, float | None]]) -> None:
        """Close the segments that a later one has followed: their values do not change again."""
        newest: dict[Identity, float] = {}
        for (identity, _), last in self._last.items():
            newest[identity] = max(last.time_seconds, newest.get(identity, last.time_seconds))
        for key, last in list(self._last.items()):
            if key not in fresh and last.time_seconds < newest[key[0]]:
                self._folded[key[0]] = self._folded.get(key[0], 0.0) + last.value
                del self._last[key]


class ProfileSum:
    """Energy in time, from intervals in any order; several pods may share one."""

    def __init__(self, intervals_max: int = INTERVALS_MAX) -> None:
        self._most = intervals_max
        self._exact: dict[Stretch, float] = {}
        self._slots: dict[int, tuple[float, float, float]] = {}
        self._slot_seconds = 0

    def add(self, start: float, end: float, joules: float) -> None:
        """Add joules that were used evenly between two Unix times."""
        if self._slot_seconds:
            self._add_to_slots(start, end, joules)
        else:
            self._exact[start, end] = self._exact.get((start, end), 0.0) + joules
        while len(self._exact) > self._most or len(self._slots) > self._most:
            self._join()

    def profile(self) -> EnergyProfile:
        """Return the energy in time; the total is that of all intervals added."""
        slots = {(first, last): joules for joules, first, last in self._slots.values()}
        return EnergyProfile(
            tuple(
                EnergyInterval(_moment(start), _moment(end), joules)
                for (start, end), joules in (slots or self._exact).items()
            )
        )

    def _join(self) -> None:
        """Go over to longer slots."""
        held = [(first, last, joules) for joules, first, last in self._slots.values()]
        held += [(start, end, joules) for (start, end), joules in self._exact.items()]
        longer = [seconds for seconds in SLOT_SECONDS if seconds > self._slot_seconds]
        self._slot_seconds = longer[0] if longer else 2 * self._slot_seconds
        self._exact, self._slots = {}, {}
        for start, end, joules in held:
            self._add_to_slots(start, end, joules)

    def _add_to_slots(self, start: float, end: float, joules: float) -> None:
        width = self._slot_seconds
        for slot in range(int(start // width), max(ceil(end / width), int(start // width) + 1)):
            first, last = max(start, slot * width), min(end, (slot + 1) * width)
            share = joules * (last - first) / (end - start)
            known = self._slots.get(slot)
            if known is not None:
                share, first, last = share + known[0], min(first, known[1]), max(last, known[2])
            self._slots[slot] = share, first, last


class TimeCovered:
    """Stretches of time, joined where they touch."""

    def __init__(self) -> None:
        self._stretches: list[Stretch] = []

    def add(self, stretches: Iterable[Stretch]) -> None:
        """Add stretches in any order."""
        self._stretches = join([*self._stretches, *stretches])
        if len(self._stretches) > SPANS_MAX:  # of so many gaps the oldest are no longer told apart
            first, second, *others = self._stretches
            self._stretches = [(first[0], second[1]), *others]

    def share_of(self, start: float, end: float) -> float:
        """Return which share of the time between two moments is covered, 0 to 1."""
        inside = sum(max(0.0, min(b, end) - max(a, start)) for a, b in self._stretches)
        return min(1.0, inside / (end - start))


def join(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the same time in order, without overlap."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif end > start:
            joined.append((start, end))
    return joined


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
