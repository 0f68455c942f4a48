"""With the future known, deciding slot by slot reaches the offline optimum exactly."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lowtide.planning import plan, rolling
from lowtide.planning.backtest import schedule_emissions
from lowtide.planning.trace import Views

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

    Jobs and restarts of whole hours find nothing better on the way. Known limit: a contiguous job
    of part hours may start a quarter of an hour beside the start inside a slot that it announced,
    so nothing is claimed for those.
    """
    assume(interruptible or hours % 1 == 0)
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
    if hours % 1 == 0 and restart % 3600 == 0:
        assert spent == pytest.approx(expected, rel=1e-12)


def exposure(values: list[int], start: timedelta, end: timedelta) -> float:
    """Return the integral of hourly values over an interval, in g/kWh times seconds."""
    first, last = start.total_seconds(), end.total_seconds()
    return sum(
        value * max(0.0, min(last, 3600.0 * (hour + 1)) - max(first, 3600.0 * hour))
        for hour, value in enumerate(values)
    )
