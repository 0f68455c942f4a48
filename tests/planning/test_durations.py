"""Running times learnt from earlier runs."""

import pytest

from lowtide.planning import DurationEstimate, learn_duration


def test_five_runs_give_their_quantiles():
    """Of 10, 20, 30, 40, 50 the median is 30, the 90th percentile 46 (linear between runs)."""
    assert learn_duration([50, 10, 40, 20, 30]) == DurationEstimate(30.0, 46.0, 5)


def test_a_declared_duration_counts_until_there_are_five_runs():
    """Times 1 and 1.2."""
    assert learn_duration([100, 110], 600) == DurationEstimate(600, 720, 0)


def test_a_few_runs_are_better_than_nothing():
    """The median, and at least a fifth more."""
    assert learn_duration([100.0]) == DurationEstimate(100.0, 120.0, 1)
    assert learn_duration([100.0, 300.0]) == DurationEstimate(200.0, 300.0, 2)


def test_nothing_known_is_nothing():
    """No guess."""
    assert learn_duration([]) is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_running_time_that_cannot_be_is_refused(seconds):
    """The message shows the value."""
    with pytest.raises(ValueError, match=str(seconds)):
        learn_duration([seconds])
