"""Integration of raw counter samples to the joules of a pod, exactly once.

The exporter's counters of a pod begin at zero and stay readable after its end, so the energy of a
segment is its last value; nothing here resembles `increase()`, which loses the first step and
stretches to window edges. A missing series is never 0 J: its component is simply absent. Nothing is
scaled up for gaps; coverage says what is unknown. Source:
docs/explanation/energy.md#from-samples-to-a-jobs-joules.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import accumulate, pairwise
from math import fsum

from lowtide.energy.profile import (
    EnergyError,
    EnergyInterval,
    EnergyProfile,
    Span,
    union,
)
from lowtide.energy.samples import Series, StoredSample, Track, tracks_of_pod

__all__ = [
    "EnergyPart",
    "EnergyWarning",
    "PodEnergy",
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
    """What a reader of an energy figure must know."""

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
    """What one pod used.

    `total_joules` is `None` where no series was stored. `parts` lists the sums per component
    (gpu, cpu, dram), part (active, idle_held), attribution method and quality; a component that
    is not there was not measured. `segments` counts how often the exporter began from zero.
    `final` says that the end marker was seen. `energy_coverage_ratio` is the share of the run
    inside segments, `time_coverage_ratio` the share with samples close enough together.
    """

    pod_uid: str
    total_joules: float | None
    parts: tuple[EnergyPart, ...]
    profile: EnergyProfile
    run: Span
    segments: int
    final: bool
    energy_coverage_ratio: float
    time_coverage_ratio: float
    warnings: tuple[EnergyWarning, ...]


def integrate_pod(
    pod_uid: str,
    *,
    energy: Iterable[Series],
    segment_start: Iterable[Series],
    end_marker: Iterable[Series],
    run: Span,
    scrape_interval_seconds: float,
) -> PodEnergy:
    """Return what one pod used, from the raw samples of its series.

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
    if not scrape_interval_seconds > 0:
        raise SamplesError(f"scrape interval {scrape_interval_seconds} s must be above 0")
    mine = [s for s in energy if s.pod_uid == pod_uid]
    starts = [s for s in segment_start if s.pod_uid == pod_uid]
    ends = [sample.value for s in end_marker if s.pod_uid == pod_uid for sample in s.samples]
    end_seconds = max(ends) if ends else None
    tracks, unusable = tracks_of_pod(mine, starts)

    warnings: dict[EnergyWarning, None] = {}
    if unusable:
        warnings[EnergyWarning.UNUSABLE_SAMPLES] = None
    if not tracks:
        warnings[EnergyWarning.NO_SERIES] = None
    if end_seconds is None:
        warnings[EnergyWarning.NOT_FINAL] = None
    segments = {track.segment_start_seconds for track in tracks}
    if None in segments:
        warnings[EnergyWarning.SEGMENT_START_MISSING] = None
    if len(segments) > 1:
        warnings[EnergyWarning.EXPORTER_RESTARTED] = None

    sums: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    in_time: dict[tuple[datetime, datetime], list[float]] = defaultdict(list)
    for track in tracks:
        rising, fell = _never_falling(track.samples)
        if fell:
            warnings[EnergyWarning.FALL_INSIDE_SEGMENT] = None
        identity = track.identity
        key = (identity.component, identity.part, identity.method, identity.quality)
        sums[key].append(rising[-1].value)
        for first, last, joules in _steps(track, rising, run, end_seconds):
            span, outside = _clip(first, last, run)
            if outside and joules == 0:
                continue  # the frozen series is still scraped for minutes after the end
            if outside:
                warnings[EnergyWarning.OUTSIDE_RUN] = None
            in_time[span.start, span.end].append(joules)

    parts = tuple(
        EnergyPart(
            component=component, part=part, method=method, quality=quality, energy_joules=fsum(all_)
        )
        for (component, part, method, quality), all_ in sorted(sums.items())
    )
    return PodEnergy(
        pod_uid=pod_uid,
        total_joules=fsum(part.energy_joules for part in parts) if parts else None,
        parts=parts,
        profile=EnergyProfile(
            tuple(EnergyInterval(a, b, fsum(all_)) for (a, b), all_ in in_time.items())
        ),
        run=run,
        segments=len(segments),
        final=end_seconds is not None,
        energy_coverage_ratio=_energy_coverage(tracks, run),
        time_coverage_ratio=_time_coverage(
            tracks, run, MOST_SCRAPES_APART * scrape_interval_seconds
        ),
        warnings=tuple(warnings),
    )


def _never_falling(samples: Sequence[StoredSample]) -> tuple[tuple[StoredSample, ...], bool]:
    """Return the samples with each value raised to the largest so far, and whether any fell."""
    highest = tuple(accumulate((s.value for s in samples), max))
    fell = any(top > s.value for top, s in zip(highest, samples, strict=True))
    raised = (StoredSample(s.time_seconds, v) for s, v in zip(samples, highest, strict=True))
    return tuple(raised), fell


def _steps(
    track: Track, rising: Sequence[StoredSample], run: Span, end_seconds: float | None
) -> list[tuple[float, float, float]]:
    """Return (start, end, joules) in Unix seconds for every step of one counter."""
    begin = track.segment_start_seconds
    first = rising[0]
    if begin is None:
        begin = min(run.start.timestamp(), first.time_seconds)
    pairs = [(StoredSample(begin, 0.0), first), *pairwise(rising)]
    steps = []
    for earlier, later in pairs:
        end = later.time_seconds if end_seconds is None else min(later.time_seconds, end_seconds)
        steps.append((earlier.time_seconds, end, later.value - earlier.value))
    return steps


def _clip(first_seconds: float, last_seconds: float, run: Span) -> tuple[Span, bool]:
    """Return the span inside the run, and whether it had to be moved to the nearest second."""
    start = max(_moment(first_seconds), run.start)
    end = min(_moment(last_seconds), run.end)
    if end > start:
        return Span(start, end), False
    second = min(timedelta(seconds=1), run.end - run.start)
    if end <= run.start:
        return Span(run.start, run.start + second), True
    return Span(run.end - second, run.end), True


def _energy_coverage(tracks: Iterable[Track], run: Span) -> float:
    """Return the share of the run that lies between a segment's start and its last sample."""
    known: dict[float | None, tuple[float, float]] = {}
    for track in tracks:
        start = track.segment_start_seconds
        begin = run.start.timestamp() if start is None else start
        last = track.samples[-1].time_seconds
        known[start] = (begin, max(last, known.get(start, (begin, last))[1]))
    return _share(known.values(), run)


def _time_coverage(tracks: Iterable[Track], run: Span, longest_seconds: float) -> float:
    """Return the share of the run with samples at most `longest_seconds` apart."""
    moments: dict[float | None, set[float]] = defaultdict(set)
    for track in tracks:
        start = track.segment_start_seconds
        moments[start].add(run.start.timestamp() if start is None else start)
        moments[start].update(sample.time_seconds for sample in track.samples)
    close = [
        (a, b)
        for times in moments.values()
        for a, b in pairwise(sorted(times))
        if b - a <= longest_seconds
    ]
    return _share(close, run)


def _share(stretches: Iterable[tuple[float, float]], run: Span) -> float:
    clipped = ((max(_moment(a), run.start), min(_moment(b), run.end)) for a, b in stretches)
    covered = union(Span(start, end) for start, end in clipped if end > start)
    return fsum(span.duration_seconds for span in covered) / run.duration_seconds


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
