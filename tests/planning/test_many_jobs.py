"""Many jobs on one cluster: room, order and the calendar."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.planning import (
    Calendar,
    PlanningError,
    PlanReason,
    RequestError,
    Reservation,
    Segment,
    plan,
    plan_all,
)
from lowtide.planning.booking import booking_order, reservation

HOUR = timedelta(hours=1)
DAY = [300, 280, 150, 140, 200, 320, 400, 380, 120, 100, 110, 260, 300, 310, 200, 180] * 3


def concurrent(now, requests, plans, hours=60):
    """Return how many GPUs run in each quarter of an hour."""
    used = Counter()
    gpus = {request.key: request.gpus for request in requests}
    for key, answer in plans.items():
        for segment in answer.segments:
            first = int((segment.start - now).total_seconds() // 900)
            last = -int(-(segment.end - now).total_seconds() // 900)
            used.update(dict.fromkeys(range(first, last), gpus[key]))
    return used


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_herd_of_equal_jobs_spreads_over_the_room_there_is(now, forecast, job, interruptible):
    """100 jobs of 2 h, 10 GPUs, 24 h: no deadline is missed, never more than 10 at once."""
    requests = [
        job(key=f"job-{n:03}", work_hours=2, window_hours=24, interruptible=interruptible)
        for n in range(100)
    ]
    known = forecast(DAY)

    plans = plan_all(now, requests, {r.key: known for r in requests}, Calendar(10))

    assert max(concurrent(now, requests, plans).values()) == 10
    assert all(answer.segments[-1].end <= now + 24 * HOUR for answer in plans.values())
    assert PlanReason.CAPACITY_SHORT not in {answer.reason for answer in plans.values()}


def mixed_jobs(job, seed, count):
    """Return jobs of several lengths, windows, sizes and kinds."""
    rnd = random.Random(seed)
    return [
        job(
            key=f"job-{n:03}",
            work_hours=rnd.choice([1, 2, 2.5, 4]),
            window_hours=rnd.choice([6, 12, 18, 24]),
            interruptible=rnd.random() < 0.5,
            restart_cost_seconds=rnd.choice([0, 900]),
            gpus=rnd.choice([1, 2, 4]),
        )
        for n in range(count)
    ]


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), capacity=st.sampled_from([4, 8, 16, None]))
def test_the_order_in_which_jobs_are_given_changes_nothing(now, forecast, job, seed, capacity):
    """Latest start, creation and key decide, not the list."""
    requests = mixed_jobs(job, seed, 15)
    shuffled = random.Random(seed + 1).sample(requests, len(requests))
    zones = {r.key: forecast(DAY) for r in requests}

    assert plan_all(now, requests, zones, Calendar(capacity)) == plan_all(
        now, shuffled, zones, Calendar(capacity)
    )


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), capacity=st.sampled_from([4, 6, 10]))
def test_planning_together_is_planning_one_after_another(now, forecast, job, seed, capacity):
    """Searching again only what lost its room gives what one by one gives."""
    requests = mixed_jobs(job, seed, 12)
    known = forecast(DAY)
    calendar, one_by_one = Calendar(capacity), {}
    for request in sorted(requests, key=booking_order):
        answer = plan(now, request, known, calendar)
        one_by_one[request.key] = answer
        taken = *calendar.reservations, reservation(request, answer.segments)
        calendar = Calendar(capacity, taken)

    together = plan_all(now, requests, {r.key: known for r in requests}, Calendar(capacity))

    assert together == one_by_one


@settings(max_examples=6)
@given(seed=st.integers(0, 1000))
def test_jobs_planned_together_without_limits_are_planned_as_if_alone(now, forecast, job, seed):
    """Sharing tables changes no plan."""
    requests = mixed_jobs(job, seed, 10)
    zones = [forecast(DAY, 20.0), forecast(DAY[5:], 5.0, zone="SE")]
    forecasts = {r.key: zones[n % 2] for n, r in enumerate(requests)}

    together = plan_all(now, requests, forecasts)

    for request in requests:
        alone = plan(now, request, forecasts[request.key])
        assert (together[request.key].run, together[request.key].segments) == (
            alone.run,
            alone.segments,
        )


def test_a_job_avoids_hours_that_others_hold(now, forecast, job):
    """The cleanest hour is taken, so the second cleanest is planned."""
    taken = Reservation("other", 4, (Segment(now + 2 * HOUR, now + 3 * HOUR),))

    answer = plan(now, job(gpus=1), forecast([300, 250, 100, 120, 300, 300]), Calendar(4, (taken,)))

    assert answer.segments == (Segment(now + 3 * HOUR, now + 4 * HOUR),)


def test_a_jobs_own_reservation_does_not_stand_in_its_way(now, forecast, job):
    """Re-planning releases what the job itself held."""
    own = Reservation("a", 4, (Segment(now + 2 * HOUR, now + 3 * HOUR),))

    answer = plan(now, job(gpus=4), forecast([300, 250, 100, 120, 300, 300]), Calendar(4, (own,)))

    assert answer.segments[0].start == now + 2 * HOUR


def test_a_job_that_finds_no_room_takes_the_earliest_there_is(now, forecast, job):
    """Everything is taken for nine hours and the deadline is in six."""
    taken = Reservation("other", 4, (Segment(now, now + 9 * HOUR),))

    answer = plan(now, job(), forecast([300] * 12), Calendar(4, (taken,)))

    assert not answer.run
    assert answer.reason is PlanReason.CAPACITY_SHORT
    assert answer.segments[0].start == now + 9 * HOUR


def test_capacity_never_keeps_a_job_past_its_latest_start(now, forecast, job):
    """At the latest start the job runs, and queues if it must."""
    taken = Reservation("other", 4, (Segment(now, now + 9 * HOUR),))

    answer = plan(now + 5 * HOUR, job(), forecast([300] * 12), Calendar(4, (taken,)))

    assert answer.run
    assert answer.reason is PlanReason.LATEST_START


def test_room_is_kept_until_the_run_is_likely_over(now, forecast, job):
    """One hour at the median, two at the 90th percentile: two are reserved."""
    request = job(remaining_high_seconds=7200)

    held = reservation(request, plan(now, request, forecast([100] + [300] * 5)).segments)

    assert held == Reservation("a", 1, (Segment(now, now + 2 * HOUR),))


def test_running_jobs_keep_their_room(now, forecast, job):
    """A running job is booked before a more urgent one that waits."""
    runs = job(key="runs", work_hours=3, window_hours=24, started=True, running=True, gpus=4)
    waits = job(key="waits", work_hours=1, window_hours=5, gpus=4)
    known = forecast([100, 100, 100, 300, 300, 300])

    plans = plan_all(now, [waits, runs], {"runs": known, "waits": known}, Calendar(4))

    assert plans["runs"].run
    assert plans["waits"].segments[0].start == now + 3 * HOUR


def test_two_jobs_of_one_key_are_refused(now, job):
    """Plans are returned by key."""
    with pytest.raises(RequestError, match="same key"):
        plan_all(now, [job(), job()], {"a": None})


def test_a_negative_capacity_is_refused():
    """It would bar every hour silently."""
    with pytest.raises(PlanningError, match="-1"):
        Calendar(-1)
