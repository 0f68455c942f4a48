"""Reservations of GPUs over time, so that many jobs do not want the same hour.

First come, first served: a reservation is never moved for another job. A `Calendar` is a value;
`Occupancy` is its working copy on equal ticks while one planning pass fills it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import numpy as np

from lowtide.planning.errors import PlanningError
from lowtide.planning.horizon import Horizon
from lowtide.planning.search import Room
from lowtide.planning.types import Segment

_ROUNDING = 1e-6

MOST_CAPACITY: Final = 2**40
MOST_TICKS: Final = 100_000
"""Bound on the ticks of an occupancy, almost three years at 15 min; beyond it all is free."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The GPUs that one job holds, or means to hold, in some stretches of time."""

    key: str
    gpus: int
    segments: tuple[Segment, ...]
    gpu_resource: str = ""
    """Resource name of these GPUs."""
    gpus_each: tuple[int, ...] = ()
    """GPUs in each of the segments, where they differ."""

    def parts(self) -> tuple[tuple[Segment, int], ...]:
        """Return the segments, each with its GPUs; those beyond `gpus_each` hold `gpus`."""
        rest = (self.gpus,) * (len(self.segments) - len(self.gpus_each))
        return tuple(zip(self.segments, (*self.gpus_each, *rest), strict=True))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The GPUs of one pool and the reservations on them.

    `capacity_gpus` is how many the pool has; `None` means that the number is not known and
    nothing is limited.

    Raises:
        PlanningError: the capacity is negative.
    """

    capacity_gpus: int | None = None
    reservations: tuple[Reservation, ...] = ()

    def __post_init__(self) -> None:
        if self.capacity_gpus is not None and self.capacity_gpus < 0:
            raise PlanningError(f"capacity is {self.capacity_gpus} GPUs, it must be >= 0")

    def without(self, keys: Iterable[str]) -> Self:
        """Return the calendar with the reservations of these jobs released."""
        released = set(keys)
        kept = tuple(entry for entry in self.reservations if entry.key not in released)
        return replace(self, reservations=kept)


def tick_start(moment: datetime, tick_seconds: float) -> datetime:
    """Return the UTC multiple of the tick at or before `moment`."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    passed = (moment - epoch).total_seconds() // tick_seconds
    return epoch + timedelta(seconds=passed * tick_seconds)


class Occupancy:
    """Used GPUs per tick from `begin` on; past its end everything is free."""

    def __init__(self, calendar: Calendar, begin: datetime, end: datetime, tick_seconds: float):
        self.begin, self.tick = begin, tick_seconds
        capacity = calendar.capacity_gpus
        self.capacity = None if capacity is None else min(capacity, MOST_CAPACITY)
        count = int(np.ceil((end - begin).total_seconds() / tick_seconds)) + 1
        self.used = np.zeros(min(max(1, count), MOST_TICKS), dtype=np.int64)
        for entry in calendar.reservations:
            self.enter(entry)

    def _ticks(self, start: datetime, end: datetime) -> slice:
        """Return the ticks that an interval touches."""
        first = (start - self.begin).total_seconds() / self.tick
        last = (end - self.begin).total_seconds() / self.tick
        low, high = int(np.floor(first + _ROUNDING)), int(np.ceil(last - _ROUNDING))
        return slice(max(0, low), max(0, high))

    def enter(self, reservation: Reservation) -> None:
        """Enter a reservation, as far as the ticks may reach; they grow with it up to a bound."""
        if self.capacity is None:
            return
        for segment, held in reservation.parts():
            # More than everything is as much as everything and one.
            gpus = min(held, self.capacity + 1)
            ticks = self._ticks(segment.start, segment.end)
            reach = min(ticks.stop, MOST_TICKS)
            if ticks.start < reach > len(self.used):
                more = np.zeros(reach - len(self.used), dtype=np.int64)
                self.used = np.concatenate((self.used, more))
            self.used[ticks] += gpus

    def spans(self, segments: Iterable[Segment]) -> tuple[slice, ...]:
        """Return the ticks that segments touch, to be asked for room again and again."""
        return tuple(self._ticks(segment.start, segment.end) for segment in segments)

    def has_room(self, spans: Iterable[slice], gpus: int) -> bool:
        """Return whether every tick of the spans has room for the whole demand."""
        if self.capacity is None:
            return True
        room = self.capacity - gpus
        return room >= 0 and all(self.used[span].max(initial=0) <= room for span in spans)

    def room(self, horizon: Horizon, gpus: int) -> Room | None:
        """Return where `gpus` find no room, seen from the horizon; `None` if they always do."""
        if self.capacity is None:
            return None
        offset = (self.begin - horizon.begin).total_seconds()
        if gpus > self.capacity:
            return Room(np.array([0.0, horizon.end_seconds]), np.array([0.0, horizon.end_seconds]))
        full = self.used > self.capacity - gpus
        if not full.any():
            return None
        # Ticks at which the room changes suffice as edges.
        changes = np.flatnonzero(np.diff(full)) + 1
        ticks = np.concatenate(([0], changes, [len(full)]))
        barred = np.diff(ticks) * full[ticks[:-1]] * self.tick
        return Room(ticks * self.tick + offset, np.concatenate(([0.0], np.cumsum(barred))))

    def earliest_room(self, begin: datetime, length_seconds: float, gpus: int) -> datetime | None:
        """Return the earliest start with room for an uninterrupted run; `None` if none ever is."""
        if self.capacity is None:
            return begin
        if gpus > self.capacity:
            return None
        window = self._ticks(begin, begin + timedelta(seconds=length_seconds))
        full = np.flatnonzero(self.used[window.start :] > self.capacity - gpus) + window.start
        if len(full) == 0 or full[0] >= window.stop:
            return begin
        needed = np.ceil(length_seconds / self.tick - _ROUNDING)
        free = np.append(np.diff(full) - 1, np.inf)
        first = int(full[np.argmax(free >= needed)]) + 1
        return self.begin + timedelta(seconds=first * self.tick)
