"""Bookings of GPUs: the reservations of all jobs that have not ended.

Each decision is booked before anything is awaited, so that two jobs decided one after the other
never want the same hour by accident. After a restart the bookings fill from the plans in the
statuses. They matter only where there is a capacity.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from lowtide.planning import Calendar, Segment
from lowtide.planning.calendar import Reservation
from lowtide.trainingjob.status import PlanStatus
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.schedule.room import GpuRoom

ROUNDING: Final = timedelta(seconds=1)
"""A status holds whole seconds."""
OVERRUN: Final = timedelta(minutes=15)
"""A job that runs longer than planned keeps its GPUs for this long beyond now."""


@dataclass(frozen=True, slots=True)
class Calendars:
    """Reservations of all jobs, and the room that they are made in."""

    room: GpuRoom
    reservations: tuple[Reservation, ...]

    def pool_of(self, gpu_resource: str) -> str | None:
        """Return the pool of GPUs of a name; `None` where nothing limits them."""
        return self.room.pool_of(gpu_resource)

    def of(self, gpu_resource: str) -> Calendar | None:
        """Return the calendar of the GPUs of a name; `None` where nothing limits them."""
        pool = self.pool_of(gpu_resource)
        if pool is None:
            return None
        booked = tuple(r for r in self.reservations if self.pool_of(r.gpu_resource) == pool)
        return Calendar(self.room.gpus_of(pool), booked)


class Bookings:
    """Reservations by job."""

    def __init__(self) -> None:
        self._reservations: dict[Key, Reservation] = {}

    def note(self, job: JobView, plan: PlanStatus | None) -> None:
        """Keep the reservation of a job's plan; without a plan it reserves nothing."""
        gpus, resource = job.gpus - job.other_gpus, job.gpu_resource
        if plan is None or not plan.segments or gpus == 0:
            self._reservations.pop(job.key, None)
            return
        segments = tuple(Segment(s.start, s.end, s.replicas) for s in plan.segments)
        each = tuple(_gpus_at(job, gpus, part.replicas) for part in segments if part.replicas)
        held = self._reservations.get(job.key)
        if (
            held is None
            or (held.gpus, held.gpu_resource) != (gpus, resource)
            or not _covers(held.segments, segments)
        ):
            self._reservations[job.key] = Reservation(job.uid, gpus, segments, resource, each)

    def reserve(self, key: Key, reservation: Reservation) -> None:
        """Keep the planner's reservation for a job: its plan, with time to take longer."""
        if reservation.gpus and reservation.segments:
            self._reservations[key] = reservation
        else:
            self._reservations.pop(key, None)

    def release(self, key: Key) -> bool:
        """Forget a job that has ended or is gone; return whether it had reserved anything."""
        return self._reservations.pop(key, None) is not None

    def held_by(self) -> frozenset[Key]:
        """Return the jobs that have reserved something."""
        return frozenset(self._reservations)

    def calendars(self, room: GpuRoom, now: datetime, running: Iterable[Key] = ()) -> Calendars:
        """Return the calendars of all pools at `now`.

        Jobs that are `running` hold their GPUs although their plan has run out.
        """
        reservations = dict(self._reservations)
        for key in running:
            held = reservations.get(key)
            if held is not None and held.segments[-1].end <= now:
                more = Segment(held.segments[-1].end, now + OVERRUN)
                reservations[key] = replace(held, segments=(*held.segments, more))
        return Calendars(room, tuple(reservations.values()))


def _gpus_at(job: JobView, gpus: int, replicas: int) -> int:
    """Return the GPUs of a job at a size; those of its template are `gpus`."""
    return gpus if job.replicas < 1 else -(-gpus * replicas // job.replicas)


def _covers(held: Sequence[Segment], planned: Sequence[Segment]) -> bool:
    """Return whether stretches are those of a plan, the last one perhaps longer."""
    if len(held) != len(planned):
        return False
    pairs = list(zip(held, planned, strict=True))
    same = all(_near(a.start, b.start) and a.replicas == b.replicas for a, b in pairs)
    same = same and all(_near(a.end, b.end) for a, b in pairs[:-1])
    return same and held[-1].end >= planned[-1].end - ROUNDING


def _near(first: datetime, second: datetime) -> bool:
    return abs(first - second) <= ROUNDING
