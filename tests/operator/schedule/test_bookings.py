"""Bookings hold the GPUs of a job until it has ended."""

from datetime import UTC, datetime, timedelta

from lowtide.trainingjob.status import PlanSegment, PlanStatus
from lowtide_operator.objects.key import Key
from lowtide_operator.schedule.bookings import Bookings

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

HOUR = timedelta(hours=1)


def test_a_running_job_keeps_its_gpus_although_its_plan_has_run_out() -> None:
    """No job is planned onto the GPUs of a job that takes longer."""
    bookings = Bookings()
    key = Key("ml", "net")
    plan = PlanStatus(segments=(PlanSegment(start=NOON, end=NOON + HOUR),))
    bookings.note(key, "uid-1", 2, plan)
    now = NOON + 2 * HOUR
    (held,) = bookings.calendar(4, now, [key]).reservations
    assert held.gpus == 2
    assert held.segments[-1].end > now
    bookings.note(key, "uid-1", 2, None)
    assert bookings.calendar(4, now).reservations == ()
