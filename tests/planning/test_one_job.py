"""Plans of one job: the promises that hold whatever a forecast says."""

import math
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.planning import (
    ForecastError,
    Objective,
    ObjectiveKind,
    PlanReason,
    RequestError,
    forecast_for,
    plan,
)

HOUR = timedelta(hours=1)
intensities = st.lists(st.floats(0, 900), min_size=2, max_size=30)


def running_time(answer) -> timedelta:
    return sum((s.end - s.start for s in answer.segments), timedelta())


def test_waits_for_the_cheapest_hour(now, forecast, job):
    """The third of six hours is the cleanest, so the job waits until it begins."""
    answer = plan(now, job(), forecast([300, 200, 100, 200, 300, 400]))

    assert not answer.run
    assert answer.segments[0].start == now + 2 * HOUR
    assert answer.saving_ratio == pytest.approx(1 - 100 / 300)
    assert (answer.planned_grams_per_kwh, answer.run_now_grams_per_kwh) == (100, 300)


def test_starts_inside_a_slot_where_that_is_cheapest(now, forecast, job):
    """1.5 h in hours of 200, 100, 150: half of the third hour beats half of the first."""
    answer = plan(now, job(work_hours=1.5, window_hours=4), forecast([300, 200, 100, 150]))

    assert answer.segments[0].start == now + 2 * HOUR
    # Mirrored, the cheaper half lies before the clean hour, so the start is inside a slot.
    mirrored = plan(now, job(work_hours=1.5, window_hours=4), forecast([300, 150, 100, 200]))
    assert mirrored.segments[0].start == now + 1.5 * HOUR


def test_runs_at_once_when_nothing_is_known(now, job):
    """No forecast never makes a job wait."""
    answer = plan(now, job(), None)

    assert answer.run
    assert answer.reason is PlanReason.NO_FORECAST
    assert answer.saving_ratio is None


def test_runs_at_once_when_the_forecast_ends_before_the_job_would(now, forecast, job):
    """Two hours of forecast say nothing about a job of three."""
    answer = plan(now, job(work_hours=3), forecast([300, 1]))

    assert answer.run
    assert answer.reason is PlanReason.NO_FORECAST


def test_runs_at_the_latest_start_whatever_the_forecast_says(now, forecast, job):
    """At the latest start the clean hour that comes too late no longer counts."""
    answer = plan(now + 5 * HOUR, job(), forecast([300] * 6 + [1]))

    assert answer.run
    assert answer.reason is PlanReason.LATEST_START


def test_a_wake_up_within_the_margin_raises_no_alarm(now, job):
    """One minute after the latest start the margin of five still covers the run."""
    late = job(margin_seconds=300)

    answer = plan(now + 5 * HOUR - timedelta(minutes=4), late, None)

    assert answer.reason is PlanReason.LATEST_START


def test_says_that_the_deadline_is_at_risk(now, forecast, job):
    """A job longer than its window runs now and says why."""
    answer = plan(now, job(work_hours=8), forecast([300] * 12))

    assert answer.run
    assert answer.reason is PlanReason.DEADLINE_AT_RISK


def test_the_latest_start_counts_quantile_latency_margin_and_resume(now, job):
    """10 h window less 3 h (90th percentile), 15 min resume, 2 min latency, 5 min margin."""
    request = job(
        work_hours=2,
        window_hours=10,
        remaining_high_seconds=3 * 3600,
        latency_seconds=120,
        margin_seconds=300,
        started=True,
        interruptible=True,
        restart_cost_seconds=900,
    )

    answer = plan(now, request, None)

    assert answer.latest_start == now + timedelta(hours=6, minutes=38)


def test_a_running_job_that_cannot_pause_goes_on(now, forecast, job):
    """A contiguous job is never stopped for a cleaner hour."""
    answer = plan(now, job(started=True, running=True), forecast([900, 1, 1, 1, 1, 1]))

    assert answer.run


def test_a_running_job_pauses_for_clean_hours_and_pays_its_resume(now, forecast, job):
    """900 now against 1.25 h at 10 later: pausing pays, and the last stretch is 15 min longer."""
    request = job(
        started=True, running=True, interruptible=True, restart_cost_seconds=900, window_hours=6
    )

    answer = plan(now, request, forecast([900, 500, 10, 10, 500, 500]))

    assert not answer.run
    assert answer.segments[0].start == now + 2 * HOUR
    assert running_time(answer) == 1.25 * HOUR


def test_a_small_gain_does_not_pay_a_resume(now, forecast, job):
    """Ten grams less for one hour cost less than 15 min at 290."""
    request = job(started=True, running=True, interruptible=True, restart_cost_seconds=900)

    assert plan(now, request, forecast([300, 290, 290, 290, 300, 300])).run


def test_keeps_running_for_a_minimum_stretch(now, forecast, job):
    """A job that resumed a minute ago is not paused again at once."""
    request = job(
        started=True,
        running=True,
        interruptible=True,
        restart_cost_seconds=900,
        since=now - timedelta(minutes=1),
    )

    answer = plan(now, request, forecast([900, 1, 1, 1, 1, 1]))

    assert answer.run
    assert answer.reason is PlanReason.MINIMUM_STRETCH


def test_keeps_resting_for_a_minimum_stretch(now, forecast, job):
    """A job that paused a minute ago rests for a slot, and is looked at again when it may run."""
    request = job(
        started=True,
        interruptible=True,
        restart_cost_seconds=900,
        window_hours=8,
        since=now - timedelta(minutes=1),
    )

    answer = plan(now, request, forecast([1, 900, 900, 900, 900, 900, 900, 900]))

    assert not answer.run
    assert answer.reason is PlanReason.MINIMUM_STRETCH
    assert answer.look_again_at == now + timedelta(minutes=59)


def test_a_saving_below_the_minimum_is_not_waited_for(now, forecast, job):
    """One percent is less than the two that are asked, at submission and not later."""
    values = forecast([300, 297, 300, 300, 300, 300])
    asked = job(minimum_saving_ratio=0.02)
    asked_before = job(minimum_saving_ratio=0.02, waited=True)

    assert plan(now, asked, values).reason is PlanReason.SAVING_TOO_SMALL
    assert not plan(now, asked_before, values).run


def test_the_freedom_to_change_the_plan_counts_towards_the_minimum(now, forecast, job):
    """One percent on paper is less than 1.1, but a forecast that may be 100 off is worth more."""
    sure, unsure = (forecast([300, 297, 300, 300, 300, 300], spread) for spread in (0.0, 100.0))
    request = job(minimum_saving_ratio=0.011)

    assert plan(now, request, sure).reason is PlanReason.SAVING_TOO_SMALL
    assert not plan(now, request, unsure).run


@pytest.mark.parametrize(
    ("window_hours", "work_hours", "interruptible", "sees"),
    [
        pytest.param(96, 4, False, False, id="four days"),
        pytest.param(97, 4, False, True, id="more than four days"),
        pytest.param(97, 24, False, False, id="a day in one piece"),
        pytest.param(97, 24, True, True, id="a day in pieces"),
    ],
)
def test_jobs_that_may_choose_among_days_see_the_course_of_the_week(
    now, forecast, job, window_hours, work_hours, interruptible, sees
):
    """Others are planned without it."""
    both = replace(forecast([300.0] * 100), with_week=forecast([200.0] * 100))
    request = job(window_hours=window_hours, work_hours=work_hours, interruptible=interruptible)

    assert plan(now, request, both).run_now_grams_per_kwh == (200 if sees else 300)


def test_a_day_in_one_piece_planned_by_money_sees_the_course_of_the_week(forecast, job):
    """Prices follow the days of the week; by carbon alone the same job is planned without it."""
    both = replace(forecast([300.0] * 100), with_week=forecast([200.0] * 100))
    day = job(window_hours=97, work_hours=24)
    by_money = replace(day, objective=Objective(ObjectiveKind.BOTH, 100.0))

    assert forecast_for(day, both) is both
    assert forecast_for(by_money, both) is both.with_week
    short = replace(by_money, deadline=by_money.earliest + 96 * HOUR)
    assert forecast_for(short, both) is both


def test_a_job_keeps_its_forecast_while_its_window_shrinks(now, forecast, job):
    """The whole window counts and not what is left of it."""
    week = forecast([300.0] * 90 + [100.0] * 10)
    both = replace(forecast([300.0] * 10 + [100.0] * 90), with_week=week)

    later = plan(now + 40 * HOUR, job(window_hours=100), both)

    assert later.segments[0].start == now + 90 * HOUR


def test_the_length_of_a_window_is_counted_in_hours_of_the_data(now, forecast, job):
    """A replay whose slots of 10 s stand for hours: 1,000 s are 100 h."""
    week = forecast([300.0] * 90 + [100.0] * 12, slot_seconds=10)
    quick = replace(
        forecast([300.0] * 10 + [100.0] * 92, slot_seconds=10), hours_per_slot=1.0, with_week=week
    )

    answer = plan(now, job(work_hours=10 / 3600, window_hours=1000 / 3600), quick)

    assert answer.segments[0].start == now + timedelta(seconds=900)


def test_does_not_run_before_it_is_permitted(now, forecast, job):
    """A job that may start in two hours waits through a clean hour now."""
    answer = plan(now, job(earliest=now + 2 * HOUR), forecast([1, 1, 300, 200, 300, 300]))

    assert not answer.run
    assert answer.segments[0].start == now + 3 * HOUR


def test_overruns_keep_running(now, forecast, job):
    """A job whose estimate is used up is not suspended."""
    request = job(work_hours=0, started=True, running=True, interruptible=True)

    assert plan(now, request, forecast([900, 1, 1, 1, 1, 1])).run


def test_looks_again_when_the_next_slot_begins(now, forecast, job):
    """At 10:20 on hourly data the next look is at 11:00."""
    early = now + timedelta(minutes=20)

    answer = plan(early, job(now=early), forecast([300, 290, 100, 300, 300, 300, 300]))

    assert answer.look_again_at == now + HOUR


def test_a_replay_faster_than_the_clock_is_looked_at_every_slot(now, forecast, job):
    """Slots of ten seconds that stand for hours: the plan and the next look follow the slots."""
    fast = replace(forecast([300, 200, 100, 300, 300, 300], slot_seconds=10), hours_per_slot=1.0)
    request = job(work_hours=10 / 3600, window_hours=60 / 3600)

    answer = plan(now, request, fast)

    assert answer.segments[0].start == now + timedelta(seconds=20)
    assert answer.look_again_at == now + timedelta(seconds=10)


@given(
    values=intensities,
    work=st.floats(0.1, 20),
    margin=st.floats(0, 900),
    tail=st.floats(0, 2),
    spread=st.floats(0, 200),
    interruptible=st.booleans(),
    offset=st.integers(0, 3599),
)
def test_a_plan_never_passes_the_deadline_when_it_is_feasible(
    now, forecast, job, values, work, margin, tail, spread, interruptible, offset
):
    """Whatever the forecast, every stretch ends before the deadline less margin and tail."""
    window = work + tail + margin / 3600 + 5
    begin = now + timedelta(seconds=offset)
    request = job(
        now=begin,
        work_hours=work,
        window_hours=window,
        margin_seconds=margin,
        remaining_high_seconds=(work + tail) * 3600,
        interruptible=interruptible,
        restart_cost_seconds=600,
    )

    answer = plan(begin, request, forecast(values, spread))

    last = request.deadline - timedelta(seconds=margin + tail * 3600)
    assert answer.segments[-1].end <= last + timedelta(milliseconds=1)
    assert answer.segments[0].start >= begin
    assert all(a.end < b.start for a, b in pairwise(answer.segments))


@given(
    values=st.lists(st.floats(1, 900), min_size=24, max_size=24),
    work=st.floats(0.1, 12),
    spread=st.floats(0, 200),
    interruptible=st.booleans(),
    offset=st.integers(0, 3599),
)
def test_a_plan_holds_the_work_and_its_resumes_exactly(
    now, forecast, job, values, work, spread, interruptible, offset
):
    """Stretches add up to the work plus one restart cost for every stretch but the first."""
    begin = now + timedelta(seconds=offset)
    request = job(
        now=begin,
        work_hours=work,
        window_hours=20,
        interruptible=interruptible,
        restart_cost_seconds=700,
    )

    answer = plan(begin, request, forecast(values, spread))

    expected = work * 3600 + 700 * (len(answer.segments) - 1)
    assert running_time(answer).total_seconds() == pytest.approx(expected, abs=0.01)


@given(
    values=st.lists(st.floats(1, 900), min_size=24, max_size=24),
    work=st.floats(0.1, 12),
    interruptible=st.booleans(),
    offset=st.integers(0, 3599),
)
def test_a_plan_costs_no_more_than_running_now(
    now, forecast, job, values, work, interruptible, offset
):
    """Under the same forecast, a plan that waits is never dirtier than not waiting."""
    begin = now + timedelta(seconds=offset)
    request = job(now=begin, work_hours=work, window_hours=20, interruptible=interruptible)

    answer = plan(begin, request, forecast(values))

    # Work is planned in ticks of 15 min, so less than one of them may be placed badly.
    slack = 0.25 * max(values) / (work * answer.run_now_grams_per_kwh) if interruptible else 1e-9
    assert answer.saving_ratio >= -slack


@given(
    values=st.lists(st.integers(1, 900), min_size=10, max_size=10),
    factor=st.sampled_from([0.25, 0.5, 2.0, 64.0]),
    spread=st.integers(0, 100),
    interruptible=st.booleans(),
)
def test_scaling_the_forecast_changes_nothing(
    now, forecast, job, values, factor, spread, interruptible
):
    """The unit of intensity does not matter."""
    request = job(
        work_hours=3, window_hours=10, interruptible=interruptible, restart_cost_seconds=900
    )

    plain = plan(now, request, forecast(values, spread))
    scaled = plan(now, request, forecast([factor * v for v in values], factor * spread))

    assert (plain.run, plain.segments) == (scaled.run, scaled.segments)


@pytest.mark.parametrize("interruptible", [True, False])
@pytest.mark.parametrize("spread", [0.0, 50.0])
def test_a_constant_forecast_runs_now_unless_waiting_may_pay(
    now, forecast, job, interruptible, spread
):
    """Ties run at once; a known error makes waiting worth something only if it exists."""
    request = job(work_hours=2, window_hours=12, interruptible=interruptible)

    assert plan(now, request, forecast([300] * 12, spread)).run == (spread == 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"remaining_seconds": -1.0}, "remaining_seconds is -1.0", id="negative work"),
        pytest.param({"remaining_high_seconds": 10.0}, "is below", id="quantiles swapped"),
        pytest.param({"margin_seconds": float("nan")}, "margin_seconds is nan", id="nan"),
        pytest.param({"gpus": -1}, "gpus is -1", id="negative gpus"),
    ],
)
def test_refuses_constraints_that_make_no_sense(now, job, change, message):
    """The message names the field and the value."""
    with pytest.raises(RequestError, match=message):
        plan(now, job(**change), None)


@pytest.mark.parametrize("minutes", [1, 5, 9, 14])
def test_a_paused_job_resumes_when_no_whole_quarter_of_an_hour_is_left(now, forecast, job, minutes):
    """2 h 20 min are left to do, 10 to resume: between quarters it starts rather than not know."""
    paused = job(
        work_hours=2 + 20 / 60,
        window_hours=2.5 + minutes / 60,
        interruptible=True,
        restart_cost_seconds=600.0,
        started=True,
    )
    told = plan(now, paused, forecast([300, 300, 300, 300, 300]))

    assert told.run is True
    assert told.segments[0].start == now
    assert told.segments[-1].end <= paused.deadline


def test_refuses_a_forecast_that_contradicts_itself(now, forecast, job):
    """Two spreads for three values are an error of the caller."""
    broken = replace(forecast([1, 2, 3]), spread_grams_per_kwh=(0.0, 0.0))

    with pytest.raises(ForecastError, match="3 values, 2 spreads"):
        plan(now, job(), broken)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("field", ["grams_per_kwh", "spread_grams_per_kwh"])
def test_refuses_a_forecast_with_an_impossible_intensity(now, forecast, job, field, place, value):
    """Wherever it stands; comparing alone overlooks what is not a number behind another value."""
    values = [1.0, 2.0, 3.0]
    values[place] = value
    broken = replace(forecast([1, 2, 3]), **{field: tuple(values)})

    with pytest.raises(ForecastError, match="not a finite number"):
        plan(now, job(), broken)


def test_a_waiting_plan_says_what_it_compared_and_on_what_it_rests(now, forecast, job):
    """Until when, against what, by which forecast, and what would change it: all by the clock."""
    issued = replace(
        forecast([300, 200, 100, 200, 300, 400]), generated_at=now - timedelta(minutes=90)
    )

    answer = plan(now, job(), issued)

    assert answer.explanation == (
        "waits until 2026-12-01 12:00Z because that is expected to save 67 %: 100 instead of "
        "300 g/kWh from 2026-12-01 10:00Z on (forecast: test, issued at 2026-12-01 08:30Z; would "
        "change with a newer forecast, or the latest start at 2026-12-01 15:00Z)"
    )
    assert answer.would_change == "a newer forecast, or the latest start at 2026-12-01 15:00Z"


def test_a_running_plan_says_what_it_expects_and_how_long_it_could_have_waited(now, forecast, job):
    """An interruptible job may still be paused; one whose minimum was not reached is not."""
    runs = plan(now, job(interruptible=True, minimum_saving_ratio=0.0), forecast([100] + [200] * 5))
    too_little = plan(
        now, job(interruptible=True, minimum_saving_ratio=0.5), forecast([110] + [100] * 5)
    )

    assert runs.explanation == (
        "runs from 2026-12-01 10:00Z on because no later start is expected to be cleaner "
        "(100 g/kWh expected; forecast: test; latest start 2026-12-01 15:00Z; would change with a "
        "newer forecast with cleaner hours ahead)"
    )
    assert too_little.reason is PlanReason.SAVING_TOO_SMALL
    assert too_little.would_change == ""


def test_times_in_a_sentence_have_seconds_where_they_matter(now, forecast, job):
    """A replay in slots of 10 s turns within the minute."""
    quick = forecast([300, 300, 100, 300, 300, 300, 300], slot_seconds=10)
    request = job(work_hours=10 / 3600, window_hours=60 / 3600)

    assert "waits until 2026-12-01 10:00:20Z because" in plan(now, request, quick).explanation
