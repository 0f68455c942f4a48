"""Points of any length on equal slots: means are kept, missing values stay missing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.grid.series import AverageSeries, Point
from lowtide.grid.slots import native_slot_seconds, slot_index, slot_start, values_on_slots

START = datetime(2026, 12, 1, tzinfo=UTC)


def series(values, minutes, start=START):
    step = timedelta(minutes=minutes)
    points = (Point(start + n * step, start + (n + 1) * step, v) for n, v in enumerate(values))
    return AverageSeries("DE", "test", tuple(points))


def on_hours(one, count):
    return values_on_slots(one, slot_index(START, 3600), count, 3600)


def test_finer_points_are_averaged():
    """Four quarters of 100, 200, 300 and 400 make an hour of 250."""
    assert on_hours(series([100, 200, 300, 400], 15), 1).tolist() == [250.0]


def test_coarser_points_are_repeated():
    """An hour of 100 makes two half-hours of 100."""
    first = slot_index(START, 1800)

    assert values_on_slots(series([100], 60), first, 2, 1800).tolist() == [100.0, 100.0]


def test_what_is_missing_stays_missing():
    """Nulls, gaps and slots outside the series are NaN, never zero."""
    found = on_hours(series([100, None], 60), 3)

    assert found[0] == 100
    assert np.isnan(found[1:]).all()


def test_half_a_slot_must_be_known():
    """Two of four quarters suffice, one does not."""
    assert on_hours(series([100, 300, None, None], 15), 1).tolist() == [200.0]
    assert np.isnan(on_hours(series([100, None, None, None], 15), 1)).all()


def test_nothing_known_is_all_missing():
    """No series at all does not mean zero either."""
    assert np.isnan(values_on_slots(None, 0, 3, 3600)).all()


def test_slots_are_multiples_of_their_length_in_utc():
    """The slot of 10:37 in +02:00 begins at 08:00 UTC."""
    moment = datetime.fromisoformat("2026-12-01T10:37:00+02:00")

    assert slot_start(slot_index(moment, 3600), 3600) == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_the_native_slot_is_the_finest_usual_step():
    """Half-hours beside hours make half-hours; no points make none."""
    assert native_slot_seconds(series([1, 2], 60), series([1, 2, 3], 30)) == 1800
    assert native_slot_seconds(None, series([], 60)) is None


@given(
    values=st.lists(st.floats(0, 1000), min_size=24, max_size=24),
    minutes=st.sampled_from([5, 10, 15, 30]),
)
def test_resampling_keeps_the_mean(values, minutes):
    """The mean of whole hours is the mean of the points inside them."""
    count = 24 * minutes // 60

    found = on_hours(series(values, minutes), count)

    assert found.mean() == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
