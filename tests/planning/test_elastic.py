"""Jobs that change their size: values against exhaustive search, and what a plan promises."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from math import log2

import pytest
from exhaustive import TWO, cost_of, elastic_job, planned_and_least_cost, planned_cost
from hypothesis import example, given
from hypothesis import strategies as st

from lowtide.planning import (
    Calendar,
    Objective,
    ObjectiveKind,
    PlanReason,
    RequestError,
    Reservation,
    Segment,
    plan,
    plan_all,
)
from lowtide.planning.elastic import Elastic, sizes_between
from lowtide.prices.forecast import PriceBasis, PriceForecast

HOUR = timedelta(hours=1)
intensities = st.lists(st.integers(1, 60), min_size=3, max_size=6)
efficiencies = st.sampled_from([0.5, 0.75, 1.0])


def published(now, values):
    """Return published prices, one an hour."""
    return PriceForecast(
        zone="DE",
        currency="EUR",
        start=now,
        slot_seconds=3600,
        price_per_kwh=tuple(values),
        spread_per_kwh=(0.0,) * len(values),
        bases=(PriceBasis.PUBLISHED,) * len(values),
    )


def sizes_of(answer, now):
    """Return start in hours from now, hours and size of each stretch."""
    return [((s.start - now) / HOUR, (s.end - s.start) / HOUR, s.replicas) for s in answer.segments]


@given(
    values=intensities,
    work=st.integers(1, 4),
    most=st.integers(2, 3),
    resume=st.sampled_from([0.0, 0.5]),
    resize=st.sampled_from([0.0, 0.5]),
)
def test_a_plan_costs_what_the_best_of_all_sizes_hour_by_hour_costs(
    now, forecast, job, values, work, most, resume, resize
):
    """Speeds of whole half hours an hour are read from the grid without rounding."""
    curve = {1: 1.0, 2: 1.5, 3: 2.0}
    elastic = Elastic.from_curve(1, most, curve, resize_cost_seconds=resize * 3600)

    costs = planned_and_least_cost(now, forecast, job, values, work, elastic, most, resume, resize)

    if costs is not None:
        planned, least = costs
        assert planned == pytest.approx(least, rel=1e-9)


@given(
    hours=st.lists(
        st.tuples(st.integers(1, 900), st.integers(-150, 300), st.integers(0, 3)),
        min_size=3,
        max_size=6,
    ),
    work=st.integers(1, 4),
    resume=st.sampled_from([0.0, 0.5]),
    resize=st.sampled_from([0.0, 0.5]),
    per_tonne=st.sampled_from([0.0, 100.0, 400.0]),
)
def test_by_money_and_carbon_with_restarts_and_little_room_no_sizes_cost_less(
    now, forecast, job, hours, work, resume, resize, per_tonne
):
    """Hours of g/kWh, thousandths a kWh (which may be paid for) and free GPUs; one a replica.

    Work that is left at the end has a price in the values, where the deadline allows none: a plan
    may take a change of size at the dearest hour more than the best, and no more.
    """
    grams, thousandths, free = zip(*hours, strict=True)
    values = [per_tonne * g / 1e6 + t / 1e3 for g, t in zip(grams, thousandths, strict=True)]
    curve = {1: 1.0, 2: 1.5, 3: 2.0}
    elastic = Elastic.from_curve(1, 3, curve, resize_cost_seconds=resize * 3600)
    all_sizes = product(*(range(1 + room) for room in free))
    costs = [cost_of(sizes, values, work, elastic, resume, resize) for sizes in all_sizes]
    possible = [one for one in costs if one is not None]
    if not possible:
        return
    held = tuple(
        Reservation(str(hour), 3 - room, (Segment(now + hour * HOUR, now + (hour + 1) * HOUR),))
        for hour, room in enumerate(free)
        if room < 3
    )
    request = elastic_job(
        job,
        elastic,
        work_hours=work,
        window_hours=len(values),
        restart_cost_seconds=resume * 3600,
        gpus=1,
        objective=Objective(ObjectiveKind.BOTH, per_tonne),
    )

    answer = plan_all(
        now,
        [request],
        {"a": forecast(grams)},
        Calendar(3, held),
        {"a": published(now, [one / 1e3 for one in thousandths])},
    )["a"]

    if answer.reason in (
        PlanReason.DEADLINE_AT_RISK,
        PlanReason.LATEST_START,
        PlanReason.CAPACITY_SHORT,
    ):
        return
    change = max(resume, resize) * 3 * max(map(abs, values))
    more = planned_cost(answer, values, now) - min(possible)
    assert -1e-12 <= more <= change + 1e-12


def test_no_time_is_burnt_by_a_change_to_the_same_size_because_it_is_paid_for(now, forecast, job):
    """A change of size burns half an hour.

    Three replicas for an hour and a half are paid for 1.5 kWh in the second hour, two for 2 kWh.
    """
    elastic = Elastic.from_curve(1, 3, {1: 1.0, 2: 1.5, 3: 2.0}, resize_cost_seconds=1800)
    request = elastic_job(
        job, elastic, work_hours=3, window_hours=3, gpus=1, objective=Objective(ObjectiveKind.COST)
    )
    full = Reservation("other", 3, (Segment(now, now + HOUR),))
    prices = published(now, [0.0, 0.0, -0.001])

    answer = plan_all(
        now, [request], {"a": forecast([1, 1, 1])}, Calendar(3, (full,)), {"a": prices}
    )["a"]

    assert sizes_of(answer, now) == [(1.0, 2.0, 2)]


@given(values=intensities, work=st.floats(0.3, 5.0), efficiency=st.floats(0.5, 1.0))
@example(values=[30, 1, 30], work=2.9, efficiency=0.9)
def test_between_the_ticks_a_plan_costs_little_more_than_the_best(
    now, forecast, job, values, work, efficiency
):
    """Values between the ticks are read linearly, which may mistake the order of near equals.

    The bound is a tick (half an hour) at the dearest hour.
    """
    elastic = Elastic.per_doubling(1, 2, efficiency)
    costs = [
        cost_of(sizes, values, work, elastic, 0.0, 0.0)
        for sizes in product(range(3), repeat=len(values))
    ]
    possible = [one for one in costs if one is not None]
    request = elastic_job(job, elastic, work_hours=work, window_hours=len(values))

    answer = plan(now, request, forecast(values))

    if answer.reason in (PlanReason.DEADLINE_AT_RISK, PlanReason.LATEST_START):
        return
    cost = planned_cost(answer, values, now)
    assert min(possible) * (1 - 1e-9) <= cost <= min(possible) + max(values)


@pytest.mark.slow
@given(
    values=st.lists(st.integers(1, 900), min_size=30, max_size=30),
    later=st.lists(st.integers(1, 900), min_size=30, max_size=30),
    work=st.floats(1.0, 14.0),
    window=st.integers(8, 24),
    efficiency=st.floats(0.5, 1.0),
    most=st.integers(1, 6),
    guard=st.sampled_from(["least", "most"]),
    restart=st.sampled_from([0.0, 900.0, 2400.0]),
)
def test_following_the_plan_hour_by_hour_always_meets_the_deadline(
    now, forecast, job, values, later, work, window, efficiency, most, guard, restart
):
    """The forecast turns out wrong every hour, and yet all work is done inside the window."""
    elastic = Elastic.per_doubling(
        1, most, efficiency, guard=1 if guard == "least" else most, resize_cost_seconds=restart
    )
    request = elastic_job(
        job, elastic, work_hours=work, window_hours=window, restart_cost_seconds=restart
    )
    if work / elastic.guard_speed > window:
        return
    moment, end, left, size, started = now, request.deadline, work, 0, False
    while left > 1e-6:
        assert moment < end, f"{left} h of work are left at the deadline"
        seen = forecast(values if (moment - now) // HOUR % 2 else later)
        asked = replace(
            request,
            remaining_seconds=left * 3600,
            remaining_high_seconds=left * 3600,
            started=started,
            running=size > 0,
            replicas=size,
        )
        answer = plan(moment, asked, seen)
        until = min(answer.look_again_at, end)
        chosen = answer.replicas
        if chosen:
            lost = 0.0 if not started or chosen == size else restart / 3600
            passed = (until - moment) / HOUR
            left -= elastic.speed(chosen) * (passed - lost)
            started = True
        moment, size = until, chosen
    assert moment <= end + timedelta(seconds=1)


def test_twice_the_replicas_run_in_the_clean_hour(now, forecast, job):
    """Two hours of work, hours of 300, 100 and 300: both are done at twice the size in the second.

    By hand: 2 * 100 instead of 300 + 100, so half is saved.
    """
    answer = plan(now, elastic_job(job, window_hours=3, work_hours=2), forecast([300, 100, 300]))

    assert (answer.run, answer.replicas) == (False, 0)
    assert sizes_of(answer, now) == [(1.0, 1.0, 2)]
    assert answer.saving_ratio == pytest.approx(0.5)
    assert answer.planned_grams_per_kwh == 100


def test_a_poor_efficiency_makes_running_wide_too_dear(now, forecast, job):
    """At 60 % a doubling costs 1 / 0.6 of the energy: 100 / 0.6 > 150, so it runs one wide."""
    wide = Elastic.per_doubling(1, 2, 0.6)

    answer = plan(
        now, elastic_job(job, wide, window_hours=3, work_hours=2), forecast([150, 100, 900])
    )

    assert sizes_of(answer, now) == [(0.0, 2.0, 1)]


def test_a_change_of_size_is_not_made_where_its_cost_exceeds_its_gain(now, forecast, job):
    """Three hours of work; by hand 80 + 2 * 60 = 200 without a cost of the change.

    Where it burns half an hour, 80 + 60 + 99 = 239 at one size is less than 2 * (80 + 60) = 280.
    """
    state = {"window_hours": 4, "work_hours": 3, "started": True, "running": True, "replicas": 1}
    costly = Elastic.per_doubling(1, 2, 1.0, resize_cost_seconds=1800)
    seen = forecast([80, 60, 99, 100])

    free = plan(now, elastic_job(job, **state), seen)
    kept = plan(now, elastic_job(job, costly, restart_cost_seconds=1800, **state), seen)

    assert [s.replicas for s in free.segments] == [1, 2]
    assert [s.replicas for s in kept.segments] == [1]


def test_the_deadline_counts_on_the_guard_and_not_on_the_widest_size(now, job):
    """Two hours of work take one at two replicas and two at one."""
    wide = elastic_job(job, Elastic.per_doubling(1, 2, 1.0), work_hours=2, window_hours=5)
    narrow = elastic_job(
        job, Elastic.per_doubling(1, 2, 1.0, guard=1), work_hours=2, window_hours=5
    )

    assert plan(now, wide, None).latest_start == now + 4 * HOUR
    assert plan(now, narrow, None).latest_start == now + 3 * HOUR


def test_a_job_whose_deadline_is_at_risk_runs_at_its_widest(now, forecast, job):
    """Five hours of work in two: even two replicas take longer, and one would take longest."""
    answer = plan(now, elastic_job(job, work_hours=5, window_hours=2), forecast([300] * 9))

    assert (answer.reason, answer.replicas) == (PlanReason.DEADLINE_AT_RISK, 2)


def test_a_job_widens_only_where_the_calendar_has_room_for_it(now, forecast, job):
    """Of three GPUs another job holds two in the clean hour, so that one is left."""
    held = Reservation("other", 2, (Segment(now + HOUR, now + 2 * HOUR),))
    request = elastic_job(job, window_hours=3, work_hours=2, gpus=1)
    values = [300, 100, 200]

    alone = plan(now, request, forecast(values), Calendar(3))
    beside = plan(now, request, forecast(values), Calendar(3, (held,)))

    assert sizes_of(alone, now) == [(1.0, 1.0, 2)]
    assert sizes_of(beside, now) == [(1.0, 2.0, 1)]


def test_two_elastic_jobs_share_a_pool_without_exceeding_it(now, forecast, job):
    """Three GPUs: the first job takes two in the clean hour, the second what is left."""
    first, second = (
        elastic_job(job, key=key, window_hours=4, work_hours=2, gpus=1) for key in ("a", "b")
    )
    seen = forecast([300, 100, 200, 300])

    plans = plan_all(now, [first, second], {"a": seen, "b": seen}, Calendar(3))

    held = [
        sum(s.replicas for one in plans.values() for s in one.segments if s.start <= at < s.end)
        for at in (now + hour * HOUR for hour in range(4))
    ]
    assert max(held) <= 3
    assert held[1] == 3


def test_an_elastic_job_must_be_able_to_pause(now, job):
    """A change of size is a restart from a checkpoint."""
    with pytest.raises(RequestError, match="must be interruptible"):
        plan(now, job(elastic=TWO), None)


@pytest.mark.parametrize("efficiency", [0.49, 1.01, float("nan")])
def test_an_efficiency_outside_one_half_to_one_is_refused(efficiency):
    with pytest.raises(RequestError, match="efficiency is"):
        Elastic.per_doubling(1, 2, efficiency)


def test_the_efficiency_of_a_doubling_holds_for_every_doubling():
    """90 %: 1.8 times as fast at two, 3.24 at four; relative to four, one is 1 / 3.24."""
    assert Elastic.per_doubling(1, 4, 0.9).speeds == pytest.approx((1, 1.8, 1.8 ** log2(3), 3.24))
    assert Elastic.per_doubling(1, 4, 0.9, base=4).speed(1) == pytest.approx(1 / 3.24)


def test_a_curve_is_read_by_constant_efficiency_between_its_points():
    """200 samples a second at one and 512 at four: 1.6 a doubling, in any unit."""
    found = Elastic.from_curve(1, 4, {1: 200.0, 4: 512.0})

    assert found.speed(2) == pytest.approx(1.6)
    with pytest.raises(RequestError, match="2 to 8"):
        Elastic.from_curve(2, 8, {1: 1.0, 4: 3.0})


def test_of_many_sizes_a_few_are_chosen_among():
    """A plan's time does not grow with the number of replicas."""
    assert sizes_between(1, 8) == (1, 2, 3, 4, 5, 6, 7, 8)
    many = sizes_between(2, 1000, 17)
    assert (many[0], many[-1]) == (2, 1000)
    assert 17 in many
    assert len(many) <= 9


def test_without_a_forecast_a_slow_size_is_left_at_the_latest_start(job, now):
    """Five hours of work at two replicas, six left: one replica, half as fast, would need ten."""
    elastic = Elastic.per_doubling(1, 2, 1.0, base=2, guard=2)
    narrow = elastic_job(
        job, elastic, work_hours=5, started=True, running=True, replicas=1, waited=True
    )

    before = plan(now, narrow, None)
    due = plan(now + HOUR, narrow, None)

    assert (before.reason, before.replicas) == (PlanReason.NO_FORECAST, 1)
    assert (due.reason, due.replicas) == (PlanReason.LATEST_START, 2)


def test_an_elastic_job_without_room_starts_at_its_latest_start(now, forecast, job):
    """Three hours of work with four left, and a margin of one: it is the very second.

    At two replicas the clean hour would still be in time, but the only GPU is another's for half
    an hour, and nothing promises it then.
    """
    elastic = Elastic.per_doubling(1, 2, 1.0, base=1, guard=1)
    asked = elastic_job(
        job, elastic, work_hours=3.0, window_hours=4.0, margin_seconds=3600.0, gpus=1
    )
    other = Reservation("other", 1, (Segment(now, now + HOUR / 2),))
    answer = plan(now, asked, forecast([50, 1, 50, 50, 50, 50]), Calendar(1, (other,)))
    assert (answer.run, answer.reason) == (True, PlanReason.LATEST_START)
    assert answer.segments[0].replicas == 1
