"""Backtests: settlement by hand, no look ahead, and what a replay must never do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lowtide.backtest import rivals, rolling
from lowtide.backtest.files import read_trace
from lowtide.backtest.policies import BEST_WINDOW, CLAIRVOYANT, LOWTIDE, RUN_NOW
from lowtide.backtest.trace import BacktestTrace, Case, fused_views
from lowtide.backtest.trial import (
    JobClass,
    run_backtest,
    schedule_emissions,
)
from lowtide.planning import BacktestError

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"


@pytest.fixture(scope="module")
def germany() -> BacktestTrace:
    """Eight weeks of Germany, 24 jobs or more."""
    return read_trace(SHIPPED).trace


def test_emissions_are_settled_by_hand():
    """100 + 50 for two hours, 0.25 x 50 for the resume; the first start is free."""
    actual = np.array([100.0, 400.0, 50.0])
    ran = np.array([[True, False, True]])

    assert schedule_emissions(actual, np.array([0]), ran, 0.25) == 100 + 50 + 0.25 * 50


def test_every_policy_runs_every_job_fully_inside_its_window(germany):
    """Hours run equal the length, for all policies and both kinds of job."""
    for pauses in (True, False):
        job_class = JobClass(length_hours=4, slack_hours=24, interruptible=pauses)

        result = run_backtest(germany, job_class, Case.STRICT)

        assert {score.missed_deadlines for score in result.policies.values()} == {0}
        assert result.policies[RUN_NOW].saving_percent == 0
        best = result.policies[CLAIRVOYANT].saving_percent
        assert all(score.saving_percent <= best + 1e-9 for score in result.policies.values())


@pytest.mark.parametrize("week", [False, True])
def test_decisions_use_nothing_of_the_future(germany, week):
    """Other actuals after the decision leave the views before it as they were."""
    cut = 24 * 40
    changed = germany.actual.copy()
    changed[cut:] = 1.0
    other = replace(germany, actual=changed)

    span = (cut - 30, cut + 1, 100)
    before = fused_views(germany, Case.STRICT, *span, week=week)
    after = fused_views(other, Case.STRICT, *span, week=week)

    np.testing.assert_array_equal(before.expected, after.expected)
    np.testing.assert_array_equal(before.spread, after.spread)


@pytest.mark.parametrize(
    ("case", "visible"), [(Case.NONE, 0), (Case.STRICT, 14), (Case.ROLLING, 60)]
)
def test_a_case_shows_as_much_of_the_column_as_it_says(germany, case, visible):
    """At 10:00 the strict case sees 14 hours; what it does not see changes nothing."""
    t = 24 * 40 + 10
    hidden = germany.provider.copy()
    hidden[t + visible : t + 60] = 999.0
    seen = fused_views(germany, case, t, t + 1, 60)

    assert np.array_equal(
        seen.expected, fused_views(replace(germany, provider=hidden), case, t, t + 1, 60).expected
    )
    if visible:
        shown = germany.provider.copy()
        shown[t + visible - 1] = 999.0
        other = fused_views(replace(germany, provider=shown), case, t, t + 1, 60)
        assert other.expected[0, visible - 1] != seen.expected[0, visible - 1]


def test_jobs_are_submitted_as_often_as_is_asked(germany):
    """Every 11 hours after 30 days, and every hour of the same time."""
    usual, hourly = (
        replace(germany, hours_between_submissions=hours).submissions(28) for hours in (11, 1)
    )

    assert usual.tolist() == germany.submissions(28).tolist()
    assert usual.tolist() == hourly[::11].tolist()
    assert set(np.diff(hourly)) == {1}


def test_replanning_without_a_provider_does_not_procrastinate(germany):
    """4 h with a week of slack: re-planning keeps what one plan would save, less a point.

    "Like yesterday", planned anew every hour, keeps finding a cleaner hour ahead and does worse
    (docs/explanation/planning.md#how-policies-are-compared: 11.1 to 3.7 % on this grid).
    """
    job_class = JobClass(length_hours=4, slack_hours=168, interruptible=True)
    submissions = germany.submissions(172)
    yesterday = naive_views(germany, int(submissions[0]), int(submissions[-1]) + 172, 172)

    result = run_backtest(germany, job_class, Case.NONE)
    naive = rolling.contiguous(yesterday, submissions, 4, 168, 1.0)

    once = result.policies[BEST_WINDOW].saving_percent
    ours = result.policies[LOWTIDE].saving_percent
    at_once = rivals.run_now(submissions, 4, 168)
    total, base = (
        schedule_emissions(germany.actual, submissions, ran, 0.25) for ran in (naive, at_once)
    )
    assert ours >= once - 1
    assert ours > 100 * (1 - total / base)


def naive_views(trace: BacktestTrace, first: int, last: int, slots: int):
    """Return views in which every day to come is like the one that just passed."""
    views = fused_views(trace, Case.NONE, first, last, slots)
    expected = np.array([np.resize(trace.actual[t - 24 : t], slots) for t in range(first, last)])
    return replace(views, expected=expected, spread=np.zeros_like(expected))


def test_half_hours_are_replayed_as_half_hours(germany):
    """The same trace in half-hours saves about the same, and no job is lost."""
    fine = BacktestTrace(
        name="fine",
        actual=np.repeat(germany.actual, 2),
        provider=np.repeat(germany.provider, 2),
        slots_per_hour=2,
    )
    job_class = JobClass(length_hours=2, slack_hours=6, interruptible=False)

    coarse_result = run_backtest(germany, job_class, Case.ROLLING)
    fine_result = run_backtest(fine, job_class, Case.ROLLING)

    assert fine_result.jobs == coarse_result.jobs
    assert fine_result.policies[LOWTIDE].saving_percent == pytest.approx(
        coarse_result.policies[LOWTIDE].saving_percent, abs=1.5
    )


def test_a_trace_that_is_too_short_is_refused():
    """The message says how long it would have to be."""
    short = BacktestTrace(name="short", actual=np.full(800, 300.0), provider=np.full(800, np.nan))

    with pytest.raises(BacktestError, match=r"800 h are too few.*914 h"):
        run_backtest(
            short, JobClass(length_hours=4, slack_hours=24, interruptible=False), Case.NONE
        )


def test_a_missing_actual_is_refused():
    """A hole in the truth cannot be settled."""
    with pytest.raises(BacktestError, match="row 3"):
        BacktestTrace(name="hole", actual=np.array([1.0, 2.0, np.nan]), provider=np.zeros(3))
