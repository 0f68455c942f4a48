"""With the future known, deciding slot by slot reaches the offline optimum exactly."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.backtest import rolling
from lowtide.backtest.trace import Views
from lowtide.backtest.trial import schedule_emissions
from lowtide.planning import plan

values = st.lists(st.floats(1, 900), min_size=30, max_size=30)


def perfect_views(actual: np.ndarray, slots: int) -> Views:
    """Return views in which every slot sees the actual values, without any error."""
    padded = np.concatenate((actual, np.full(slots, np.nan)))
    expected = np.array([padded[t : t + slots] for t in range(len(actual))])
    return Views(first=0, expected=expected, spread=np.zeros_like(expected))


@given(values=values, length=st.integers(1, 5), resume=st.sampled_from([0.0, 0.25, 2.0]))
def test_perfect_forecast_makes_the_replayed_planner_optimal(values, length, resume):
    """Energy-only restarts, all jobs of a trace at once: equal to 1e-12."""
    actual, slack = np.array(values), 8
    submissions = np.arange(0, len(actual) - length - slack, 3)

    ours = rolling.interruptible(
        perfect_views(actual, length + slack),
        submissions,
        length,
        slack,
        1.0,
        resume_slots=resume,
    )
    best = rolling.optimum(actual, submissions, length, slack, resume_slots=resume)

    assert schedule_emissions(actual, submissions, ours, resume) == pytest.approx(
        schedule_emissions(actual, submissions, best, resume), rel=1e-12
    )


@given(values=values, length=st.integers(1, 5))
def test_perfect_forecast_makes_contiguous_jobs_optimal(values, length):
    """Optimal stopping on a certain future is the cheapest window."""
    actual, slack = np.array(values), 8
    submissions = np.arange(0, len(actual) - length - slack, 3)

    ours = rolling.contiguous(
        perfect_views(actual, length + slack), submissions, length, slack, 1.0
    )

    windows = np.convolve(actual, np.ones(length), "valid")
    best = sum(windows[s : s + slack + 1].min() for s in submissions)
    assert schedule_emissions(actual, submissions, ours, 0.0) == pytest.approx(best, rel=1e-12)


@settings(max_examples=15)
@given(
    values=st.lists(st.integers(1, 900), min_size=14, max_size=14),
    hours=st.sampled_from([0.5, 1.0, 2.0, 2.25, 4.0]),
    restart=st.sampled_from([0.0, 900.0, 3600.0]),
    interruptible=st.booleans(),
)
def test_following_the_plan_costs_what_was_planned_or_less(
    now, forecast, job, values, hours, restart, interruptible
):
    """The product's own decision, asked whenever it says, never loses what its first plan promised.

    Jobs in one piece, and jobs and restarts of whole hours, find nothing better on the way.
    """
    known = forecast(values)
    work, started, running, spent = hours * 3600.0, False, False, 0.0
    planned, moment = None, now

    while work > 1e-6:
        request = job(
            work_hours=work / 3600,
            deadline=now + timedelta(hours=12),
            interruptible=interruptible,
            restart_cost_seconds=restart,
            started=started,
            running=running,
        )
        answer = plan(moment, request, known)
        planned = planned or answer
        work += restart if answer.run and started and not running else 0.0
        wake = answer.look_again_at
        if answer.run:
            wake = min(wake, moment + timedelta(seconds=work))
            spent += exposure(values, moment - now, wake - now)
            work -= (wake - moment).total_seconds()
        running, started, moment = answer.run, started or answer.run, wake

    expected = sum(exposure(values, s.start - now, s.end - now) for s in planned.segments)
    assert moment <= now + timedelta(hours=12)
    assert spent <= expected * (1 + 1e-12)
    if not interruptible or (hours % 1 == 0 and restart % 3600 == 0):
        assert spent == pytest.approx(expected, rel=1e-12)


@given(
    values=st.lists(st.integers(1, 900), min_size=24, max_size=24),
    minutes_past=st.integers(0, 59),
    work_seconds=st.integers(1, 18_000),
    spare_seconds=st.integers(0, 20_000),
    slot_seconds=st.sampled_from([1800, 3600]),
)
def test_a_job_of_any_length_starts_where_the_whole_future_is_cheapest(
    now, forecast, job, values, minutes_past, work_seconds, spare_seconds, slot_seconds
):
    """Asked again whenever it says, a job in one piece pays the offline optimum to 1e-12.

    A window's cost is piecewise linear in its start, so the optimum starts or ends on a slot
    boundary, at once, or at the latest start.
    """
    submitted = now + timedelta(minutes=minutes_past)
    latest = 60 * minutes_past + spare_seconds
    known = forecast(values, slot_seconds=slot_seconds)
    request = job(
        now=submitted,
        work_hours=work_seconds / 3600,
        deadline=submitted + timedelta(seconds=spare_seconds + work_seconds),
    )

    moment, answer = submitted, plan(submitted, request, known)
    announced = answer.segments[0].start
    while not answer.run:
        moment = answer.look_again_at
        answer = plan(moment, request, known)

    def cost(start: float) -> float:
        return exposure(
            values, *(timedelta(seconds=x) for x in (start, start + work_seconds)), slot_seconds
        )

    boundaries = [slot * slot_seconds for slot in range(len(values) + 1)]
    starts = [60 * minutes_past, latest, *boundaries, *(b - work_seconds for b in boundaries)]
    best = min(cost(start) for start in starts if 60 * minutes_past <= start <= latest)
    assert cost((moment - now).total_seconds()) == pytest.approx(best, rel=1e-12)
    assert moment == announced


def exposure(
    values: list[int], start: timedelta, end: timedelta, slot_seconds: int = 3600
) -> float:
    """Return the integral of a step function over an interval, in g/kWh times seconds."""
    first, last = start.total_seconds(), end.total_seconds()
    return sum(
        value * max(0.0, min(last, slot_seconds * (slot + 1)) - max(first, slot_seconds * slot))
        for slot, value in enumerate(values)
    )
