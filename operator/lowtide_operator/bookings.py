"""Who means to use how many GPUs when: the reservations of all jobs that have not ended.

Kept in step with decisions at once, before anything is awaited, so that two jobs that are decided
one after the other never want the same hour by accident. After a restart it fills from the plans
in the statuses. It matters only where the settings name a capacity.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from lowtide.planning import Calendar, Segment
from lowtide.planning.calendar import Reservation
from lowtide.trainingjob.status import PlanStatus
from lowtide_operator.workqueue import Key

OVERRUN: Final = timedelta(minutes=15)
"""A job that runs longer than planned keeps its GPUs for this long beyond now."""


class Bookings:
    """Reservations by job."""

    def __init__(self) -> None:
        self._reservations: dict[Key, Reservation] = {}

    def note(self, key: Key, uid: str, gpus: int, plan: PlanStatus | None) -> None:
        """Keep what a job's plan reserves; without a plan it reserves nothing."""
        if plan is None or not plan.segments or gpus == 0:
            self._reservations.pop(key, None)
            return
        segments = tuple(Segment(s.start, s.end) for s in plan.segments)
        self._reservations[key] = Reservation(uid, gpus, segments)

    def release(self, key: Key) -> None:
        """Forget a job that has ended or is gone."""
        self._reservations.pop(key, None)

    def calendar(self, capacity_gpus: int, now: datetime, running: Iterable[Key] = ()) -> Calendar:
        """Return the calendar of a pool at `now`.

        Jobs that are `running` hold their GPUs although their plan has run out.
        """
        reservations = dict(self._reservations)
        for key in running:
            held = reservations.get(key)
            if held is not None and held.segments[-1].end <= now:
                more = Segment(held.segments[-1].end, now + OVERRUN)
                extended = Reservation(held.key, held.gpus, (*held.segments, more))
                reservations[key] = extended
        return Calendar(capacity_gpus, tuple(reservations.values()))
