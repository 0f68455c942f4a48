"""Bookings hold the GPUs of a job until it has ended, by the resource name that it asks for."""

from datetime import UTC, datetime, timedelta

from lowtide.planning import Segment
from lowtide.planning.calendar import Reservation
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import PlanSegment, PlanStatus, TrainingJobStatus
from lowtide_operator.objects.gpus import CLAIMS
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.schedule.bookings import Bookings
from lowtide_operator.schedule.room import GpuRoom

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHOLE, SMALL, LARGE = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/mig-3g.40gb"
PLAN = PlanStatus(segments=(PlanSegment(start=NOON, end=NOON + HOUR),))


def job(name: str, gpus: int, resource: str = WHOLE, *, others: int = 0) -> JobView:
    """Return a job that holds GPUs of one resource name, and some of others."""
    return JobView(
        key=Key("ml", name),
        uid=f"uid-{name}",
        generation=1,
        resource_version="1",
        created=NOON,
        deleting=False,
        run_now=False,
        gpus=gpus + others,
        gpu_resource=resource,
        other_gpus=others,
        spec=parse_spec({"template": {}}),
        status=TrainingJobStatus(),
    )


def test_a_running_job_keeps_its_gpus_although_its_plan_has_run_out() -> None:
    """No job is planned onto the GPUs of a job that takes longer."""
    bookings, net = Bookings(), job("net", 2)
    bookings.note(net, PLAN)
    now = NOON + 2 * HOUR
    calendar = bookings.calendars(GpuRoom(together=4), now, [net.key]).of(WHOLE)
    assert calendar is not None
    (held,) = calendar.reservations
    assert held.gpus == 2
    assert held.segments[-1].end > now
    bookings.note(net, None)
    assert bookings.calendars(GpuRoom(together=4), now).reservations == ()


def test_slices_of_each_profile_have_a_calendar_of_their_own() -> None:
    """A node that is cut in slices offers no whole GPU, and a slice of one profile no other."""
    bookings = Bookings()
    for one in (job("whole", 2), job("small", 5, SMALL), job("large", 1, LARGE)):
        bookings.note(one, PLAN)
    calendars = bookings.calendars(GpuRoom(by_name={WHOLE: 4, SMALL: 7}), NOON)
    segments = (Segment(NOON, NOON + HOUR),)
    whole, small, large = (calendars.of(name) for name in (WHOLE, SMALL, LARGE))
    assert whole is not None
    assert small is not None
    assert large is not None
    assert whole.capacity_gpus == 4
    assert whole.reservations == (Reservation("uid-whole", 2, segments, WHOLE),)
    assert small.capacity_gpus == 7
    assert small.reservations == (Reservation("uid-small", 5, segments, SMALL),)
    # Of a name that no node offers there is none.
    assert large.capacity_gpus == 0


def test_a_number_in_the_settings_bounds_all_names_together() -> None:
    """`capacityGpus: 8` is what planned jobs may hold in all, slices among them."""
    bookings = Bookings()
    bookings.note(job("whole", 2), PLAN)
    bookings.note(job("small", 5, SMALL), PLAN)
    calendars = bookings.calendars(GpuRoom(together=8, by_name={WHOLE: 1}), NOON)
    whole = calendars.of(WHOLE)
    assert whole is not None
    assert whole.capacity_gpus == 8
    assert [held.gpus for held in whole.reservations] == [2, 5]
    assert calendars.of(SMALL) == whole


def test_a_job_without_gpus_waits_for_nobodys_gpus() -> None:
    """Where jobs at their deadlines hold more than there is, one that needs none still starts."""
    bookings = Bookings()
    bookings.note(job("late", 9), PLAN)
    for room in (GpuRoom(together=4), GpuRoom(by_name={WHOLE: 4})):
        assert bookings.calendars(room, NOON).of("") is None


def test_claims_of_devices_are_not_limited_by_what_nodes_offer() -> None:
    """How many devices a claim finds is not in a node's allocatable resources."""
    room = GpuRoom(by_name={WHOLE: 4})
    assert Bookings().calendars(room, NOON).of(CLAIMS) is None
    assert Bookings().calendars(GpuRoom(together=4), NOON).of(CLAIMS) is not None


def test_of_a_pod_that_mixes_names_the_larger_part_is_booked() -> None:
    """Four GPUs and a slice book four GPUs, not five."""
    bookings = Bookings()
    bookings.note(job("mixed", 4, others=1), PLAN)
    (held,) = bookings.calendars(GpuRoom(by_name={WHOLE: 4}), NOON).reservations
    assert (held.gpus, held.gpu_resource) == (4, WHOLE)
