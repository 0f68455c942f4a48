"""Analysis of the past: profile, bias, head error, spread, and the fit of the filter."""

from dataclasses import replace

import numpy as np
import pytest

from lowtide.grid.analysis import (
    analyse,
    filter_head_error,
    fit_decay,
    same_slot_mean,
    trailing_mean,
    week_ahead,
    with_weekly_course,
)


def whole_days(per_day, days=40):
    return np.repeat(np.arange(float(days)), per_day)


def test_the_profile_is_the_mean_of_fourteen_days_at_the_same_hour():
    """On day 20 the days 7 to 20 count: their mean is 13.5; on day 2 only 0, 1 and 2."""
    profile = same_slot_mean(whole_days(4), 4, 14)

    assert profile[20 * 4] == 13.5
    assert profile[2 * 4 + 1] == 1.0


def test_missing_values_stay_out_of_the_profile():
    """Days 0 and 2 without day 1."""
    values = whole_days(4)
    values[4:8] = np.nan

    assert same_slot_mean(values, 4, 14)[8] == 1.0


def test_too_few_values_are_no_mean():
    """Seven days are asked, six are there."""
    found = same_slot_mean(whole_days(4), 4, 28, minimum=7)

    assert np.isnan(found[5 * 4])
    assert found[6 * 4] == 3.0


def test_the_trailing_mean_leaves_missing_values_out():
    """Of 1, -, 3 the last two have the mean 3."""
    assert trailing_mean(np.array([1.0, np.nan, 3.0]), 2).tolist() == [1.0, 1.0, 3.0]


def test_a_constant_bias_is_removed_completely():
    """A provider that always says ten more leaves no head error and no spread."""
    rng = np.random.default_rng(1)
    actual = 300 + 50 * rng.random(40 * 24)

    found = analyse(actual, actual + 10, 24)

    late = slice(30 * 24, None)
    assert found.bias_mean[late] == pytest.approx(10)
    assert found.head_error[late] == pytest.approx(0, abs=1e-9)
    assert found.spread_provider[late] == pytest.approx(0, abs=1e-9)


def test_a_bias_of_one_hour_of_day_is_removed_to_sixty_percent():
    """24 g at 06:00 alone: daily mean 1, so 1 + 0.6 (24 - 1) = 14.8 is taken off, 9.2 remains."""
    actual = np.full(40 * 24, 300.0)
    provider = actual.copy()
    provider[6::24] += 24

    found = analyse(actual, provider, 24)

    # The actual lies 24 below the forecast, of which 14.8 were expected.
    assert found.head_error[30 * 24 + 6] == pytest.approx(300 - (324 - 14.8))


def test_errors_wait_for_full_days():
    """With fourteen days asked, the first anomaly is that of the last slot of day 14."""
    found = analyse(whole_days(24), np.full(40 * 24, np.nan), 24)

    assert np.isnan(found.anomaly[: 14 * 24 - 1]).all()
    # Day 13 against the mean of days 0 to 13.
    assert found.anomaly[14 * 24 - 1] == 13 - 6.5


def test_the_spread_is_the_error_at_that_hour_of_day():
    """An error of plus or minus 8 at noon and none elsewhere."""
    actual = np.full(40 * 24, 300.0)
    provider = actual.copy()
    provider[12::24] += np.where(np.arange(40) % 2, 8.0, -8.0)

    found = analyse(actual, provider, 24)

    assert found.spread_provider[39 * 24 + 12] == pytest.approx(8, rel=0.01)
    assert found.spread_provider[39 * 24 + 3] == pytest.approx(0, abs=0.1)


def test_a_constant_grid_has_no_spread():
    """Nothing to be wrong about."""
    found = analyse(np.full(40 * 24, 300.0), np.full(40 * 24, np.nan), 24)

    assert not found.spread_profile.any()
    assert not found.spread_provider.any()


def test_the_fit_finds_how_slowly_errors_fade():
    """An autoregressive error of 0.9 an hour without noise."""
    rng = np.random.default_rng(7)
    errors = np.zeros(60_000)
    for index in range(1, len(errors)):
        errors[index] = 0.9 * errors[index - 1] + rng.normal()

    decay, share = fit_decay(errors, 24)

    assert decay == pytest.approx(0.9, abs=0.01)
    assert share == pytest.approx(1.0, abs=0.02)


def test_the_fit_finds_noise():
    """The same error under as much white noise: half of the variance is signal."""
    rng = np.random.default_rng(7)
    slow = np.zeros(60_000)
    for index in range(1, len(slow)):
        slow[index] = 0.9 * slow[index - 1] + rng.normal()
    errors = slow + rng.normal(scale=slow.std(), size=len(slow))

    assert fit_decay(errors, 24)[1] == pytest.approx(0.5, abs=0.05)


def test_half_hours_fade_by_the_same_amount_in_an_hour():
    """The decay is per hour whatever the slot: two steps of half an hour each."""
    errors = np.array([8.0, np.nan, np.nan])

    filtered, decay = filter_head_error(errors, 48)

    assert filtered[2] / filtered[0] == pytest.approx(decay[0])


def test_the_filter_forgets_what_it_does_not_see():
    """Missing errors only let the state fade, by 0.87 an hour before the first fit."""
    filtered, _ = filter_head_error(np.array([10.0, np.nan, np.nan]), 24)

    assert filtered[1] == pytest.approx(0.87 * filtered[0])
    assert filtered[2] == pytest.approx(0.87**2 * filtered[0])


@pytest.mark.parametrize("cut", [24 * 35, 24 * 36 + 7])
def test_nothing_later_is_used(cut):
    """An analysis of the past is the beginning of the analysis of everything."""
    rng = np.random.default_rng(3)
    actual, provider = 300 + 60 * rng.random((2, 24 * 40))

    past, all_of_it = analyse(actual[:cut], provider[:cut], 24), analyse(actual, provider, 24)

    for name in ("profile", "anomaly", "bias", "head_error", "filtered", "spread_provider"):
        np.testing.assert_allclose(getattr(past, name), getattr(all_of_it, name)[:cut])


def weeks_of_work(per_day, weeks, first_weekday=0):
    """Return 300 on five days of a week and 440 on the two after them."""
    days = (np.arange(7 * weeks) + first_weekday) % 7
    return np.repeat(np.where(days < 5, 300.0, 440.0), per_day)


@pytest.mark.parametrize("per_day", [4, 24, 48])
def test_the_course_of_the_week_is_half_of_what_eight_weeks_show(per_day):
    """By hand: 14 days hold four weekend days, so the profile is 340; 100 above it and 40 below.

    Eight of eight weeks beside three that say nothing, and half of that: 0.5 * 8 / 11 = 4 / 11. Its
    mean over a week is 0. In the middle of a day the smoothing over five hours changes nothing.
    """
    actual = weeks_of_work(per_day, 11)

    known = with_weekly_course(analyse(actual, np.full_like(actual, np.nan), per_day))
    ahead = week_ahead(known, len(actual), 9 * per_day)

    noons = ahead[per_day // 2 :: per_day]
    assert noons == pytest.approx([-160 / 11] * 5 + [400 / 11] * 2 + [-160 / 11] * 2)
    assert ahead[: 7 * per_day].sum() == pytest.approx(0, abs=1e-6)
    # What the course explains is not an anomaly: 7 / 11 of 100 above and of 40 below remain.
    assert known.anomaly[-per_day // 2] == pytest.approx(700 / 11)
    assert known.anomaly[-2 * per_day - per_day // 2] == pytest.approx(-280 / 11)


def test_there_is_no_course_of_a_week_that_was_not_seen():
    """Six days say nothing about a week."""
    actual = weeks_of_work(24, 1)[: 6 * 24]

    known = with_weekly_course(analyse(actual, np.full_like(actual, np.nan), 24, minimum_days=3))

    assert not week_ahead(known, len(actual), 48).any()
    assert np.array_equal(known.anomaly[72:], (actual - known.profile)[72:])


def test_missing_weeks_stay_out_of_the_course():
    """Two of eight weeks known: 2 / (2 + 3) of 100, and half of that."""
    actual = weeks_of_work(24, 11)
    known = analyse(actual, np.full_like(actual, np.nan), 24)
    anomaly = known.anomaly.copy()
    anomaly[: 9 * 168] = np.nan

    ahead = week_ahead(with_weekly_course(replace(known, anomaly=anomaly)), len(actual), 168)

    assert ahead[5 * 24 + 12] == pytest.approx(20)
