"""Requests that mean harm: no value makes a pass fail, grow or slow down for others."""

import math
import random
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lowtide.planning import (
    Calendar,
    Plan,
    PlanningError,
    PlanReason,
    Reservation,
    Segment,
    plan,
    plan_each,
)
from lowtide.planning import planner as planner_module
from lowtide.planning.bounds import LATEST_MOMENT
from lowtide.planning.calendar import MOST_TICKS, Occupancy

DAY = [300, 280, 150, 140, 200, 320, 400, 380, 120, 100, 110, 260, 300, 310, 200, 180] * 6
WEST, EAST = timezone(-timedelta(hours=14)), timezone(timedelta(hours=14))
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=EAST),
    datetime(1969, 12, 31, tzinfo=UTC),
    datetime(2026, 12, 1, 9, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 12, 1, 12, 0, 0, 1, tzinfo=EAST),
    datetime(2026, 12, 4, tzinfo=WEST),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=WEST),
    datetime(2026, 12, 2),
]
SECONDS = [0, 1e-9, 1, 59.9, 3600, 86400, 31_536_000, 1e12, 1e300, math.inf, math.nan, -1, 2**70]
GPUS = [-1, 0, 1, 8, 9, 2**31, 2**63 - 1, 2**63, 2**80, 10**300]


def hostile(job, chance: random.Random, number: int):
    """Return a request in which every field may be absurd."""

    def pick(ordinary: object, strange: list):
        return chance.choice(strange) if chance.random() < 0.08 else ordinary

    usual = pick(chance.uniform(60, 90_000), SECONDS)
    return job(
        key=f"job-{number}",
        earliest=pick(datetime(2026, 12, 1, 10, tzinfo=UTC), MOMENTS),
        deadline=pick(datetime(2026, 12, 3, tzinfo=UTC), MOMENTS),
        remaining_seconds=usual,
        remaining_high_seconds=pick(usual, [*SECONDS, usual * 1.2]),
        interruptible=chance.random() < 0.5,
        restart_cost_seconds=pick(900, SECONDS),
        started=chance.random() < 0.3,
        running=chance.random() < 0.2,
        minimum_saving_ratio=pick(0.02, SECONDS),
        gpus=pick(1, GPUS),
        latency_seconds=pick(120.0, SECONDS),
        margin_seconds=pick(300.0, SECONDS),
        waited=chance.random() < 0.5,
        since=pick(None, MOMENTS),
        created=pick(None, MOMENTS),
    )


@pytest.mark.parametrize(
    "count",
    [
        600,
        pytest.param(
            100_000, marks=[pytest.mark.slow, pytest.mark.beside_cluster], id="hundred thousand"
        ),
    ],
)
def test_every_hostile_request_is_planned_or_refused_and_the_others_get_their_plans(
    now, forecast, job, count
):
    """In passes of 200 jobs, every second one with a capacity; one honest job is in each."""
    known = forecast(DAY, 20.0)
    honest = job(key="honest", work_hours=2, window_hours=24)
    for seed in range(count // 200):
        chance = random.Random(seed)
        requests = [hostile(job, chance, number) for number in range(200)]
        calendar = Calendar(8) if seed % 2 else None

        found = plan_each(
            now, [*requests, honest], {r.key: known for r in [*requests, honest]}, calendar
        )

        assert len(found.plans) + len(found.failures) == 201, f"seed {seed}"
        assert "honest" in found.plans, f"seed {seed}"
        failed = [
            (key, error)
            for key, error in found.failures.items()
            if not isinstance(error, PlanningError)
        ]
        assert failed == [], f"seed {seed}"


@pytest.mark.parametrize("slot_seconds", [300, 900, 3600])
def test_a_resume_that_takes_a_year_costs_no_more_than_any_other(now, forecast, job, slot_seconds):
    """A table knows only what fits into the window: at most 48 MiB at any slot for eight days."""
    count = 8 * 86400 // slot_seconds
    known = forecast([300 - n % 7 for n in range(count)], 10.0, slot_seconds=slot_seconds)
    for started in (False, True):
        request = job(
            window_hours=365 * 24,
            interruptible=True,
            restart_cost_seconds=31_536_000,
            started=started,
            running=started,
        )
        tracemalloc.start()
        plan(now, request, known)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 48 * 2**20


def test_a_resume_longer_than_the_slack_is_never_planned(now, forecast, job):
    """Three hours of work in six: a resume of four does not fit, one of a year neither."""
    values = [500, 1, 500, 500, 1, 1]
    plans = [
        plan(
            now,
            job(work_hours=3, interruptible=True, restart_cost_seconds=cost),
            forecast(values),
        )
        for cost in (4 * 3600, 31_536_000)
    ]

    assert plans[0].segments == plans[1].segments
    assert len(plans[0].segments) == 1


def test_a_job_that_may_start_in_the_year_9999_is_told_so(now, forecast, job):
    """With a capacity its reservation lies beyond the ticks that are kept."""
    far = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    request = job(earliest=far, deadline=far)

    answer = plan(now, request, forecast(DAY), Calendar(8))

    assert not answer.run
    assert answer.segments[0].start == LATEST_MOMENT


def test_a_job_without_work_that_may_not_start_yet_gets_a_plan(now, forecast, job):
    """There is nothing to run, and a sentence all the same."""
    request = job(work_hours=0, earliest=now + timedelta(hours=9))

    answer = plan(now, request, forecast(DAY))

    assert (answer.run, answer.segments) == (False, ())
    assert "2026-12-01 19:00Z" in answer.explanation


def test_a_deadline_in_the_year_9999_is_a_deadline(now, forecast, job):
    """The cleanest hour of the forecast is taken."""
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=WEST)

    answer = plan(now, job(deadline=last), forecast([300, 100, 200, 300]), Calendar(8))

    assert answer.segments[0].start == now + timedelta(hours=1)


def test_reservations_far_ahead_keep_the_ticks_bounded(now):
    """A reservation of a thousand years ends with the ticks, and its room is taken there."""
    century = Segment(now, now + timedelta(days=365_000))
    occupancy = Occupancy(
        Calendar(4, (Reservation("a", 10**30, (century,)),)), now, now + timedelta(hours=1), 10.0
    )

    assert len(occupancy.used) == MOST_TICKS
    assert not occupancy.has_room([slice(0, 1)], 1)


@pytest.mark.parametrize("capacity", [None, 4])
def test_an_error_of_the_planner_costs_only_the_job_that_it_strikes(
    now, forecast, job, monkeypatch, capacity
):
    """Whatever one job raises, the others get the plans that they would have had without it."""
    requests = [job(key=f"job-{n:02}", work_hours=2, window_hours=24, gpus=2) for n in range(20)]
    known = {r.key: forecast(DAY) for r in requests}
    calendar = Calendar(capacity)
    others = [r for r in requests if r.key != "job-07"]
    expected = plan_each(now, others, known, calendar).plans
    inner = planner_module.decide_without_search

    def failing(now, request, forecast):
        if request.key == "job-07":
            raise ZeroDivisionError("seven")
        return inner(now, request, forecast)

    monkeypatch.setattr(planner_module, "decide_without_search", failing)

    found = plan_each(now, requests, known, calendar)

    assert list(found.failures) == ["job-07"]
    assert isinstance(found.failures["job-07"], ZeroDivisionError)
    assert found.plans == expected


def test_a_bad_forecast_refuses_its_own_jobs_only(now, forecast, job):
    """The other zone is planned."""
    good = forecast(DAY)
    bad = replace(good, zone="FR", sources=())
    requests = [job(key="good"), job(key="bad")]

    found = plan_each(now, requests, {"good": good, "bad": bad})

    assert isinstance(found.plans["good"], Plan)
    assert "FR" in str(found.failures["bad"])


def test_more_gpus_than_fit_into_a_number_find_no_room(now, forecast, job):
    """2^80 GPUs in a pool of 8: the job waits for its latest start, others are not moved."""
    huge, small = job(key="huge", gpus=2**80), job(key="small")
    known = forecast([300, 100, 200, 300, 300, 300])

    found = plan_each(now, [huge, small], {"huge": known, "small": known}, Calendar(8))

    assert found.plans["huge"].reason is PlanReason.CAPACITY_SHORT
    assert found.plans["small"].segments[0].start == now + timedelta(hours=1)
