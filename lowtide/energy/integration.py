"""Integration of raw counter samples to the joules of a pod, exactly once.

The exporter's counters of a pod begin at zero and stay readable after its end, so the energy of a
segment is its last value; nothing here resembles `increase()`, which loses the first step and
stretches to window edges. A missing series is never 0 J: its component is simply absent. Nothing is
scaled up for gaps; coverage says what is unknown. Source:
docs/explanation/energy.md#from-samples-to-a-jobs-joules.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from math import fsum, inf

from lowtide.energy.profile import EnergyError, EnergyProfile, Span
from lowtide.energy.running_sums import (
    CounterSums,
    ProfileSum,
    Stretch,
    TimeCovered,
    TrackAdvance,
    join,
)
from lowtide.energy.samples import Series, StoredSample

__all__ = [
    "EnergyPart",
    "EnergyWarning",
    "PodEnergy",
    "PodSummation",
    "SamplesError",
    "Series",
    "StoredSample",
    "integrate_pod",
]

MOST_SCRAPES_APART = 3
"""Samples further apart than this many scrape intervals leave the timing of energy unknown."""


class SamplesError(EnergyError):
    """Samples cannot be integrated."""


class EnergyWarning(StrEnum):
    """Warnings about an energy figure."""

    FALL_INSIDE_SEGMENT = "fall_inside_segment"
    """A counter fell although its segment did not change; its maximum was taken."""
    SEGMENT_START_MISSING = "segment_start_missing"
    """No segment start was stored; the counter is taken to begin with the pod's run."""
    UNUSABLE_SAMPLES = "unusable_samples"
    """Samples that were negative or not finite were left out."""
    EXPORTER_RESTARTED = "exporter_restarted"
    """The exporter began again from zero during the run; energy in between may be unknown."""
    NOT_FINAL = "not_final"
    """No end marker was stored; the exporter may have counted more."""
    OUTSIDE_RUN = "outside_run"
    """Energy appeared outside the pod's run; it is counted in the nearest second of the run."""
    NODE_CLOCK_WRONG = "node_clock_wrong"
    """The node's clock differed from the store's; its times were put right by what it showed."""
    NO_SERIES = "no_series"
    """Not one energy sample was stored for a pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPart:
    """Joules of one pod under one component, part, method and quality."""

    component: str
    part: str
    method: str
    quality: str
    energy_joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEnergy:
    """Energy of one pod."""

    pod_uid: str
    """The pod's uid."""
    total_joules: float | None
    """Sum over all parts; `None` where no series was stored."""
    parts: tuple[EnergyPart, ...]
    """Sums per component (gpu, cpu, dram), part (active, idle_held), method and quality;
    an absent component was not measured."""
    profile: EnergyProfile
    """Energy in time; empty where it was added to that of a job instead."""
    run: Span
    """When the pod held its devices."""
    segments: int
    """How often the exporter began from zero."""
    final: bool
    """Whether the end marker was seen."""
    energy_coverage_ratio: float
    """Share of the run inside segments."""
    time_coverage_ratio: float
    """Share of the run with samples close enough together."""
    warnings: tuple[EnergyWarning, ...]
    """What is doubtful about the sums."""


class PodSummation:
    """Sums up what one pod used, from samples that come piece by piece in time order.

    `run_start` and `run_end` are when the pod held its devices, `None` to take them from the
    samples. Energy before the run, of a pod whose image was being pulled, stays at its time back to
    `earliest`; all other energy outside the run goes to its nearest second. `end_marker_seconds` is
    when the values became final, if that is known already.

    Raises:
        SamplesError: the scrape interval is not above zero.
    """

    def __init__(
        self,
        pod_uid: str,
        profile: ProfileSum,
        *,
        scrape_interval_seconds: float,
        run_start: datetime | None = None,
        run_end: datetime | None = None,
        earliest: datetime | None = None,
        end_marker_seconds: float | None = None,
    ) -> None:
        if not scrape_interval_seconds > 0:
            raise SamplesError(f"scrape interval {scrape_interval_seconds} s must be above 0")
        self._uid, self._profile = pod_uid, profile
        self._longest = MOST_SCRAPES_APART * scrape_interval_seconds
        self._start = None if run_start is None else run_start.timestamp()
        self._end = None if run_end is None else run_end.timestamp()
        self._earliest = earliest.timestamp() if earliest is not None else (self._start or -inf)
        self._marker = end_marker_seconds
        self._sums = CounterSums()
        self._known, self._close = TimeCovered(), TimeCovered()
        self._last_seen: dict[float | None, float] = {}
        self._not_before: dict[float | None, float] = {}
        self._seen: Stretch | None = None
        self._warnings: dict[EnergyWarning, None] = {}

    def set_run(self, start_seconds: float | None, end_seconds: float | None) -> None:
        """Set the run anew, because the clock that told it was wrong."""
        if start_seconds is not None:
            self._start = start_seconds
            self._earliest = min(self._earliest, start_seconds)
        if end_seconds is not None:
            self._end = max(end_seconds, (self._start or -inf) + 1.0)
        self.warn(EnergyWarning.NODE_CLOCK_WRONG)

    def warn(self, warning: EnergyWarning) -> None:
        """Note a doubt about the sums."""
        self._warnings[warning] = None

    def take(
        self,
        energy: Iterable[Series],
        segment_start: Iterable[Series],
        end_marker: Iterable[Series],
    ) -> None:
        """Add the next samples of the pod's own series."""
        ends = [sample.value for series in end_marker for sample in series.samples]
        if ends:
            self._marker = max(ends)
        steps = self._sums.take(energy, segment_start)
        self._note_segments(steps)
        for step in steps:
            if step.fell:
                self._warnings[EnergyWarning.FALL_INSIDE_SEGMENT] = None
            self._place(step)
        self._known.add((self._begin_of(step), step.samples[-1].time_seconds) for step in steps)
        self._close.add(self._close_stretches(steps))

    def finish(self) -> PodEnergy | None:
        """Return what the pod used; `None` if neither the run nor any sample is known."""
        if self._seen is None and (self._start is None or self._end is None):
            return None
        first, last = self._seen or (inf, -inf)
        start = first if self._start is None else self._start
        end = max(self._end or self._marker or last, start + 1.0 if self._end is None else start)
        sums: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
        for identity, joules in self._sums.totals.items():
            key = (identity.component, identity.part, identity.method, identity.quality)
            sums[key].append(joules)
        parts = tuple(
            EnergyPart(component=c, part=p, method=m, quality=q, energy_joules=fsum(all_))
            for (c, p, m, q), all_ in sorted(sums.items())
        )
        return PodEnergy(
            pod_uid=self._uid,
            total_joules=fsum(part.energy_joules for part in parts) if parts else None,
            parts=parts,
            profile=EnergyProfile(),
            run=Span(_moment(start), _moment(end)),
            segments=len(self._sums.segments),
            final=self._marker is not None,
            energy_coverage_ratio=self._known.share_of(start, end),
            time_coverage_ratio=self._close.share_of(start, end),
            warnings=tuple(self._all_warnings(bool(parts))),
        )

    def _all_warnings(self, has_series: bool) -> list[EnergyWarning]:
        found = {
            EnergyWarning.UNUSABLE_SAMPLES: self._sums.unusable > 0,
            EnergyWarning.NO_SERIES: not has_series,
            EnergyWarning.NOT_FINAL: self._marker is None,
            EnergyWarning.SEGMENT_START_MISSING: None in self._sums.segments,
            EnergyWarning.EXPORTER_RESTARTED: len(self._sums.segments) > 1,
        }
        return [*(warning for warning, is_so in found.items() if is_so), *self._warnings]

    def _note_segments(self, steps: Sequence[TrackAdvance]) -> None:
        """Remember of each segment when the one before it was seen last."""
        for step in sorted(steps, key=lambda step: step.samples[0].time_seconds):
            segment = step.segment_start_seconds
            if segment not in self._last_seen:
                before = (
                    at for at in self._last_seen.values() if at < step.samples[0].time_seconds
                )
                self._not_before[segment] = max(before, default=-inf)
            last = self._last_seen.get(segment, -inf)
            self._last_seen[segment] = max(last, step.samples[-1].time_seconds)

    def _begin_of(self, step: TrackAdvance) -> float:
        """Return when the step's energy begins: a counter's first step begins with the run.

        A segment's start is told by the node's clock, samples have the store's. A segment begins
        after the last sample of the one before it and before its own first one; where the clock
        says otherwise it is wrong, and what came before the first sample is not called known.
        """
        first, segment = step.samples[0].time_seconds, step.segment_start_seconds
        if step.begin is None:
            return first if self._start is None else min(self._start, first)
        told = step.begin.time_seconds
        if told != segment or self._not_before[segment] <= told <= first:
            return told
        return first

    def _place(self, step: TrackAdvance) -> None:
        """Add the joules of a counter's new samples to the profile."""
        begin = StoredSample(self._begin_of(step), 0.0 if step.begin is None else step.begin.value)
        first, last = begin.time_seconds, step.samples[-1].time_seconds
        seen = self._seen or (first, last)
        self._seen = (min(first, seen[0]), max(last, seen[1]))
        for earlier, later in pairwise((begin, *step.samples)):
            joules = later.value - earlier.value
            end = (
                later.time_seconds
                if self._marker is None
                else min(later.time_seconds, self._marker)
            )
            span, outside = self._clip(earlier.time_seconds, end)
            if outside and joules == 0:
                continue  # the frozen series is still scraped for minutes after the end
            if outside:
                self._warnings[EnergyWarning.OUTSIDE_RUN] = None
            self._profile.add(*span, joules)

    def _clip(self, first: float, last: float) -> tuple[Stretch, bool]:
        """Return the stretch inside the run, and whether it was moved to the nearest second."""
        high = inf if self._end is None else self._end
        low = min(self._earliest, high - 1.0)
        start, end = max(first, low), min(last, high)
        if end > start:
            return (start, end), False
        if end <= low:
            return (low, low + min(1.0, high - low)), True
        return (min(start, end) - min(1.0, high - low), min(start, end)), True

    def _close_stretches(self, steps: Sequence[TrackAdvance]) -> list[Stretch]:
        """Return the stretches whose samples are close together, by segment."""
        moments: dict[float | None, set[float]] = defaultdict(set)
        for step in steps:
            times = moments[step.segment_start_seconds]
            times.add(self._begin_of(step))
            times.update(sample.time_seconds for sample in step.samples)
        pairs = (pair for times in moments.values() for pair in pairwise(sorted(times)))
        return join([pair for pair in pairs if pair[1] - pair[0] <= self._longest])


def integrate_pod(
    pod_uid: str,
    *,
    energy: Iterable[Series],
    segment_start: Iterable[Series],
    end_marker: Iterable[Series],
    run: Span,
    scrape_interval_seconds: float,
) -> PodEnergy:
    """Return what one pod used, from all raw samples of its series at once.

    Args:
        pod_uid: the pod; series of other pods are ignored, so one fetch may serve several calls.
        energy: series of the pod energy counter, in joules since the segment's start.
        segment_start: series of the gauge that holds the Unix time a segment began.
        end_marker: series of the gauge that holds the Unix time the values became final.
        run: when the pod held its devices.
        scrape_interval_seconds: the usual distance between samples.

    Raises:
        SamplesError: the scrape interval is not above zero.
    """
    profile = ProfileSum(intervals_max=sys.maxsize)
    pod = PodSummation(
        pod_uid,
        profile,
        scrape_interval_seconds=scrape_interval_seconds,
        run_start=run.start,
        run_end=run.end,
    )
    pod.take(
        *([s for s in all_ if s.pod_uid == pod_uid] for all_ in (energy, segment_start, end_marker))
    )
    found = pod.finish()
    assert found is not None  # the run is known
    return replace(found, profile=profile.profile())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
