"""One forecast out of what is known: seams, gaps, cold starts, and honest labels."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lowtide.grid.fusion import fuse
from lowtide.grid.series import AverageSeries, MarginalSeries, MixedSignalsError, Point
from lowtide.planning import Source

NOW = datetime(2026, 12, 1, 10, 20, tzinfo=UTC)
SLOT = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(values, start, kind=AverageSeries, step=HOUR):
    points = (Point(start + n * step, start + (n + 1) * step, v) for n, v in enumerate(values))
    return kind("DE", "test", tuple(points))


def past(days, shape=None):
    """Return actuals up to 10:00: `shape` by hour of day, or 300 everywhere."""
    start = SLOT - days * 24 * HOUR
    shape = [300.0] * 24 if shape is None else shape
    return hourly([shape[(start + n * HOUR).hour] for n in range(days * 24)], start)


NIGHT_AND_DAY = [200.0] * 8 + [400.0] * 12 + [200.0] * 4


def test_without_a_provider_the_profile_goes_on():
    """Twenty equal days say exactly what the next will be, and that it is certain."""
    found = fuse(NOW, past(20, NIGHT_AND_DAY), horizon_slots=30)

    assert found.start == SLOT
    assert list(found.grams_per_kwh[:24]) == NIGHT_AND_DAY[10:] + NIGHT_AND_DAY[:10]
    assert set(found.sources) == {Source.PROFILE}
    assert not any(found.spread_grams_per_kwh)
    assert found.provider is None


def test_the_last_anomaly_fades_by_the_hour():
    """60 g above the mean of 14 days, which then holds 60/14 of it: the rest times 0.97^h."""
    actual = past(20)
    lifted = hourly([*(p.grams_per_kwh for p in actual.points[:-1]), 360.0], actual.points[0].start)

    found = fuse(NOW, lifted, horizon_slots=24)

    anomaly = 60 - 60 / 14
    assert found.grams_per_kwh[0] == pytest.approx(300 + anomaly * 0.97)
    assert found.grams_per_kwh[9] == pytest.approx(300 + anomaly * 0.97**10)
    # The same hour tomorrow also remembers the lifted hour of today.
    assert found.grams_per_kwh[23] == pytest.approx(300 + 60 / 14 + anomaly * 0.97**24)


def test_the_seam_carries_the_providers_anomaly_on():
    """Three covered hours 40 above the profile: beyond them 40 fades by 0.97 an hour.

    The provider was exact so far, so nothing is corrected.
    """
    actual = past(20)
    provider = hourly([300.0] * 480 + [340.0] * 3, actual.points[0].start)

    found = fuse(NOW, actual, provider, horizon_slots=10)

    assert found.grams_per_kwh[:3] == pytest.approx([340] * 3)
    assert found.grams_per_kwh[3] == pytest.approx(300 + 40 * 0.97)
    assert found.grams_per_kwh[9] == pytest.approx(300 + 40 * 0.97**7)
    assert found.sources[2:4] == (Source.PROVIDER, Source.PROFILE)
    assert found.provider == "test"


def test_a_hole_in_the_provider_is_filled_and_labelled():
    """The hour between two covered ones comes from the profile with the anomaly before it."""
    actual = past(20)
    provider = hourly([300.0] * 480 + [340.0, None, 340.0], actual.points[0].start)

    found = fuse(NOW, actual, provider, horizon_slots=3)

    assert found.sources == (Source.PROVIDER, Source.PROFILE, Source.PROVIDER)
    assert found.grams_per_kwh == pytest.approx([340, 300 + 40 * 0.97, 340])


def test_a_constant_bias_is_taken_off():
    """A provider that always said 25 too much is corrected by 25."""
    actual = past(20)
    provider = hourly([325.0] * 484, actual.points[0].start)

    found = fuse(NOW, actual, provider, horizon_slots=4)

    assert found.grams_per_kwh == pytest.approx([300] * 4, abs=0.01)


def test_actuals_that_lag_make_no_hole():
    """The last three hours are not known yet: the anomaly is that of the hour before them."""
    actual = past(20)
    lagging = hourly(
        [*(p.grams_per_kwh for p in actual.points[:-4]), 360.0], actual.points[0].start
    )

    found = fuse(NOW, lagging, horizon_slots=2)

    anomaly = 60 - 60 / 14
    assert found.grams_per_kwh[0] == pytest.approx(300 + anomaly * 0.97**4)


def test_a_forecast_older_than_a_day_is_dropped():
    """Its points are still ahead, but too old to be trusted."""
    actual = past(20)
    provider = hourly([300.0] * 480 + [1.0] * 10, actual.points[0].start)

    stale = fuse(NOW, actual, provider, generated_at=NOW - 25 * HOUR, horizon_slots=5)
    aging = fuse(NOW, actual, provider, generated_at=NOW - 13 * HOUR, horizon_slots=5)

    assert stale.provider is None
    assert stale.grams_per_kwh == pytest.approx([300] * 5)
    assert aging.sources == (Source.PROVIDER,) * 5
    assert aging.generated_at == NOW - 13 * HOUR


def test_nothing_known_gives_no_forecast():
    """No series, or series without a value."""
    assert fuse(NOW, None) is None
    assert fuse(NOW, hourly([None] * 5, SLOT - 5 * HOUR)) is None


def test_too_little_history_is_a_flat_line():
    """Two days do not make a profile; a flat line makes every job run at once."""
    found = fuse(NOW, past(2, NIGHT_AND_DAY), horizon_slots=24)

    assert set(found.sources) == {Source.FLAT}
    assert len(set(found.grams_per_kwh)) == 1


def test_climatology_comes_before_a_flat_line():
    """With two days of history the zone's climatology is used and said."""
    climate = hourly([250.0] * 24, SLOT)

    found = fuse(NOW, past(2), climatology=climate, horizon_slots=24)

    assert set(found.sources) == {Source.CLIMATOLOGY}
    assert set(found.grams_per_kwh) == {250.0}


def test_three_days_are_a_profile():
    """From three complete days on the zone speaks for itself."""
    found = fuse(NOW, past(3, NIGHT_AND_DAY), horizon_slots=24)

    assert set(found.sources) == {Source.PROFILE}
    assert list(found.grams_per_kwh) == NIGHT_AND_DAY[10:] + NIGHT_AND_DAY[:10]


def test_a_provider_alone_is_taken_as_it_is():
    """On the first day there is nothing to correct it with; beyond its end the line is flat."""
    found = fuse(NOW, None, hourly([300.0, 100.0], SLOT), horizon_slots=4)

    assert found.grams_per_kwh[:2] == (300.0, 100.0)
    assert found.sources == (Source.PROVIDER, Source.PROVIDER, Source.FLAT, Source.FLAT)


def test_missing_hours_of_the_past_are_not_clean_hours():
    """A night of nulls every day leaves the profile of the other hours, and no zero."""
    shape = [None] * 6 + [300.0] * 18

    found = fuse(NOW, past(20, shape), horizon_slots=48)

    assert min(found.grams_per_kwh) == pytest.approx(300)


def test_values_never_fall_below_zero():
    """A clean grid and a large correction."""
    actual = past(20, [5.0] * 24)
    provider = hourly([50.0] * 480 + [5.0] * 5, actual.points[0].start)

    assert min(fuse(NOW, actual, provider, horizon_slots=5).grams_per_kwh) == 0.0


def test_average_and_marginal_are_never_fused():
    """They answer different questions."""
    with pytest.raises(MixedSignalsError):
        fuse(NOW, past(5), hourly([1.0], SLOT, MarginalSeries))


def test_half_hours_and_hours_meet_on_half_hours():
    """The finer of the two steps is used, the coarser repeated."""
    actual = past(20)
    provider = hourly([320.0, 280.0], SLOT, step=timedelta(minutes=30))

    found = fuse(NOW, actual, provider, horizon_slots=2)

    assert found.slot_seconds == 1800
    assert found.start == SLOT
    assert found.grams_per_kwh == pytest.approx([320, 280])


def test_a_replay_keeps_the_hours_of_its_data():
    """A trace of hours replayed with slots of ten seconds: a day is 24 slots, not 8640."""
    step = timedelta(seconds=10)
    start = NOW - 20 * 24 * step
    values = [NIGHT_AND_DAY[n % 24] for n in range(480)]

    found = fuse(NOW, hourly(values, start, step=step), slots_per_day=24, horizon_slots=24)

    assert list(found.grams_per_kwh) == NIGHT_AND_DAY
    assert found.slot_hours == 1.0
    assert found.slot_seconds == 10


def test_spread_is_smaller_where_a_provider_has_proved_right():
    """An exact provider has no spread; the profile of a noisy grid has."""
    rng = np.random.default_rng(5)
    values = (300 + 80 * rng.random(40 * 24 + 5)).tolist()
    start = SLOT - 40 * 24 * HOUR

    found = fuse(NOW, hourly(values[:-5], start), hourly(values, start), horizon_slots=10)

    assert found.spread_grams_per_kwh[:5] == pytest.approx([0] * 5, abs=1e-6)
    assert min(found.spread_grams_per_kwh[5:]) > 5


def test_a_forecast_may_know_the_course_of_the_week():
    """SLOT is a Tuesday: the Saturday noon four days on lies below the profile by then.

    By hand: 300, and 160 at weekends, make a profile of 260; eight weekends 100 below it beside
    three weeks that say nothing, and half of it, are -400 / 11. The first of the eight is measured
    against a profile of nine days, hence the tolerance.
    """
    start = SLOT - 9 * 7 * 24 * HOUR
    moments = [start + n * HOUR for n in range(9 * 7 * 24)]
    actual = hourly([160.0 if m.weekday() >= 5 else 300.0 for m in moments], start)

    found = fuse(NOW, actual, horizon_slots=120)

    saturday_noon = 4 * 24 + 2
    long = found.with_week
    assert found.grams_per_kwh[saturday_noon] > 250
    assert long.sources == found.sources
    now_anomaly = (300 - 260) * (1 - 4 / 11)
    fading = now_anomaly * 0.97 ** (saturday_noon + 1)
    assert long.grams_per_kwh[saturday_noon] == pytest.approx(260 - 400 / 11 + fading, abs=1)


def test_a_zone_without_a_course_of_the_week_has_one_forecast():
    """Nothing to add: no second forecast is kept."""
    assert fuse(NOW, past(20), horizon_slots=30).with_week is None
