"""Running times from the declared duration and from earlier runs."""

import pytest

from lowtide.planning import DurationSource, PastRun, estimate_duration, learn

HOUR = 3600.0


def series(*seconds: float) -> list[PastRun]:
    """Return finished runs, the first one ended first."""
    return [PastRun(one, ended=number) for number, one in enumerate(seconds)]


def estimate(declared: float | None, *seconds: float):
    """Return the estimate with a default of one hour."""
    return estimate_duration(learn(series(*seconds)), declared, default_seconds=HOUR)


def test_five_runs_give_their_quantiles():
    """Of 10, 20, 30, 40, 50 the median is 30, the 90th percentile 46 (linear between runs)."""
    found = estimate(None, 50, 10, 40, 20, 30)

    assert (found.usual_seconds, found.high_seconds) == (30, 46)
    assert found.source is DurationSource.LEARNT


def test_five_runs_count_more_than_a_declared_duration_and_the_plan_says_so():
    """Six runs of 100 s against 500 s declared: 500 lies beyond 1.2 times 100."""
    found = estimate(500, *[100.0] * 6)

    assert (found.usual_seconds, found.source) == (100, DurationSource.LEARNT)
    assert found.note == (
        "8 min 20 s are declared, but the latest 6 runs of the series took 1 min 40 s, "
        "at most 1 min 40 s: the series counts"
    )


def test_a_declaration_that_agrees_with_the_series_keeps_its_guard():
    """Five runs of 100 s and 110 s declared: 1.2 times 110 is kept free, 100 planned with."""
    found = estimate(110, *[100.0] * 5)

    assert (found.usual_seconds, found.high_seconds) == (100, pytest.approx(132))


def test_a_declared_duration_counts_until_there_are_five_runs():
    """Times 1 and 1.2."""
    found = estimate(600, 500, 610)

    assert (found.usual_seconds, found.high_seconds) == (600, 732)
    assert (found.source, found.note) == (DurationSource.DECLARED, "")


@pytest.mark.parametrize("declared", [600.0, None])
def test_a_few_short_runs_teach_nothing(declared):
    """A trial of ten seconds does not make the next job short."""
    found = estimate(declared, 10, 10)

    assert found.usual_seconds == (declared or HOUR)
    assert found.high_seconds == pytest.approx(1.2 * (declared or HOUR))
    assert found.source is not DurationSource.LEARNT


def test_one_long_run_is_reckoned_with():
    """Two hours against one declared: the guard keeps 1.2 times two hours free."""
    found = estimate(HOUR, 2 * HOUR)

    assert (found.usual_seconds, found.high_seconds) == (2 * HOUR, 2.4 * HOUR)
    assert found.source is DurationSource.LEARNT
    assert "1 h are declared, but a finished run of the series took 2 h" in found.note


def test_only_the_latest_ten_runs_count():
    """Twenty runs of one hour, then ten of two: two hours."""
    found = estimate(None, *[HOUR] * 20, *[2 * HOUR] * 10)

    assert found.usual_seconds == 2 * HOUR


@pytest.mark.parametrize("declared", [100.0, 119.0, 90.0])
def test_a_disagreement_that_the_guard_covers_is_not_mentioned(declared):
    """Five runs of 100 s: up to a fifth more or less is what the guard is for."""
    assert estimate(declared, *[100.0] * 5).note == ""


def test_nothing_known_is_the_default():
    """One hour, and a fifth more for the guard."""
    found = estimate(None)

    assert (found.usual_seconds, found.high_seconds) == (HOUR, 1.2 * HOUR)
    assert found.source is DurationSource.DEFAULT


def test_energy_is_the_median_of_the_measured_runs():
    """Of 10, none and 30 joules it is 20."""
    runs = [PastRun(60, 10), PastRun(60), PastRun(60, 30)]

    assert learn(runs).energy_joules == 20


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_running_time_that_cannot_be_is_refused(seconds):
    """The message shows the value."""
    with pytest.raises(ValueError, match=str(seconds)):
        estimate(None, seconds)
