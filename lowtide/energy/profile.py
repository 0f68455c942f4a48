"""Energy in time: how many joules a run used between which moments.

A profile is what carbon arithmetic multiplies with intensity. It keeps one invariant: moving,
merging or compressing a profile never changes its total, except where a caller names stretches
to leave out. It knows no counters (see `integration`) and no carbon (see `carbon`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import fsum, isfinite


class EnergyError(ValueError):
    """Energy data cannot be used; the message says which value is wrong and what would be right.

    EnergyError
    ├── ProfileError     an interval or a span is impossible
    ├── SamplesError     samples or counters are impossible
    └── CarbonError      grams cannot be computed from these inputs
    """


class ProfileError(EnergyError):
    """An interval ends before it starts, has no offset, or a negative or non-finite energy."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time `[start, end)`, never empty; times are kept in UTC.

    Raises:
        ProfileError: it is empty or reversed, or a time has no offset.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        _keep_utc_in_order(self)

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class EnergyInterval:
    """Joules used evenly between two moments, which are kept in UTC.

    Raises:
        ProfileError: the interval is empty or reversed, a time has no offset, or the energy is
            negative or not finite.
    """

    start: datetime
    end: datetime
    energy_joules: float

    def __post_init__(self) -> None:
        _keep_utc_in_order(self)
        if not (isfinite(self.energy_joules) and self.energy_joules >= 0):
            raise ProfileError(
                f"energy {self.energy_joules} J from {self.start.isoformat()} to "
                f"{self.end.isoformat()} is not a finite number >= 0"
            )

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()

    def cut(self, start: datetime, end: datetime) -> "EnergyInterval | None":
        """Return the part inside `[start, end)` with its share of the energy by time."""
        first, last = max(self.start, start), min(self.end, end)
        if last <= first:
            return None
        if first == self.start and last == self.end:
            return self
        share = (last - first) / (self.end - self.start)
        return EnergyInterval(first, last, self.energy_joules * share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A stretch of a run whose work takes other seconds and joules at the size of reference."""

    start: datetime
    end: datetime | None
    """`None`: until the end of the run."""
    seconds_ratio: float
    joules_ratio: float


@dataclass(frozen=True, slots=True)
class EnergyProfile:
    """Intervals in order of their start; they may overlap (two pods running side by side)."""

    intervals: tuple[EnergyInterval, ...] = ()

    def __post_init__(self) -> None:
        ordered = sorted(self.intervals, key=lambda i: (i.start, i.end))
        object.__setattr__(self, "intervals", tuple(ordered))

    @property
    def total_joules(self) -> float:
        """Energy of all intervals, in joules."""
        return fsum(interval.energy_joules for interval in self.intervals)

    def running_spans(self) -> tuple[Span, ...]:
        """Return when anything ran: the union of the intervals, in order, without overlap."""
        return union(Span(i.start, i.end) for i in self.intervals)

    def within(self, span: Span) -> "EnergyProfile":
        """Return the part of the profile inside `span`."""
        parts = (interval.cut(span.start, span.end) for interval in self.intervals)
        return EnergyProfile(tuple(part for part in parts if part is not None))

    def uninterrupted(
        self,
        start: datetime,
        *,
        leaving_out: Sequence[Span] = (),
        paces: Sequence[Pace] = (),
    ) -> "EnergyProfile":
        """Return the same run placed without pauses at `start`.

        Pauses between running stretches vanish, and so do the stretches in `leaving_out` with their
        energy (checkpoint reloads, repeated steps). Power at each moment of running time stays as
        it was, but in the stretches of `paces`, which do not overlap: their time and energy are
        multiplied. Source: docs/explanation/what-the-numbers-do-not-say.md#what-waiting-avoided.
        """
        start = start.astimezone(UTC)
        kept = subtract(self.running_spans(), leaving_out)
        moved: list[EnergyInterval] = []
        elapsed = timedelta(0)
        for span, seconds_ratio, joules_ratio in _paced(kept, paces):
            for part in self.within(span).intervals:
                first = start + elapsed + seconds_ratio * (part.start - span.start)
                last = start + elapsed + seconds_ratio * (part.end - span.start)
                # An interval of a microsecond keeps its energy also at a faster pace.
                last = max(last, first + timedelta.resolution)
                moved.append(EnergyInterval(first, last, joules_ratio * part.energy_joules))
            elapsed += seconds_ratio * (span.end - span.start)
        return EnergyProfile(tuple(moved))


def merge_profiles(profiles: Iterable[EnergyProfile]) -> EnergyProfile:
    """Return one profile that holds the intervals of all, for example of all pods of a job."""
    return EnergyProfile(tuple(i for profile in profiles for i in profile.intervals))


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the time covered by any of `spans`, in order, without overlap."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: s.start):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def subtract(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """Return the time in `spans` that is in none of `holes`."""
    cuts = union(holes)
    return tuple(rest for span in union(spans) for rest in _without(span, cuts))


def _without(span: Span, cuts: Sequence[Span]) -> Iterator[Span]:
    edges = [span.start]
    for cut in cuts:
        if cut.end > span.start and cut.start < span.end:
            edges += [max(cut.start, span.start), min(cut.end, span.end)]
    edges.append(span.end)
    for index, (first, last) in enumerate(pairwise(edges)):
        if index % 2 == 0 and last > first:
            yield Span(first, last)


def _paced(spans: Sequence[Span], paces: Sequence[Pace]) -> Iterator[tuple[Span, float, float]]:
    """Yield `spans` cut where the pace changes, each with its ratios of seconds and of joules."""
    for span in spans:
        edges = {span.start, span.end}
        for pace in paces:
            edges |= {edge for edge in (pace.start, pace.end) if edge is not None}
        inside = sorted(edge for edge in edges if span.start <= edge <= span.end)
        for first, last in pairwise(inside):
            at = next(
                (p for p in paces if p.start <= first and (p.end is None or last <= p.end)), None
            )
            yield Span(first, last), at.seconds_ratio if at else 1.0, at.joules_ratio if at else 1.0


def _keep_utc_in_order(stretch: Span | EnergyInterval) -> None:
    """Move both times to UTC, because local clock faces lie about order and length near DST."""
    for name in ("start", "end"):
        moment: datetime = getattr(stretch, name)
        if moment.tzinfo is UTC:
            continue
        if moment.tzinfo is None:
            raise ProfileError(f"time {moment.isoformat()} has no UTC offset")
        object.__setattr__(stretch, name, moment.astimezone(UTC))
    if stretch.end <= stretch.start:
        raise ProfileError(
            f"an interval must end after it starts: {stretch.start.isoformat()} to "
            f"{stretch.end.isoformat()}"
        )
