"""From raw values to points: how long a slot lasts where steps change and values are missing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.grid.raw_values import RawValue, points_of, slot_lengths

START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def spans(*quarters):
    """Return (start, length) in quarter-hours of points at the given quarter-hours."""
    values = [RawValue(START + q * QUARTER, 100) for q in quarters]
    points = points_of(values, source="test")
    return [((p.start - START) // QUARTER, (p.end - p.start) // QUARTER) for p in points]


def test_hours_that_become_quarter_hours_keep_their_hours():
    """Twelve hours and then eight quarters: no hour shrinks to a quarter."""
    hours, quarters = [4 * h for h in range(12)], list(range(48, 56))

    assert spans(*hours, *quarters) == [(h, 4) for h in hours] + [(q, 1) for q in quarters]


def test_quarter_hours_that_become_hours_keep_their_quarters():
    """The other way round, with the mean step the same."""
    quarters, hours = list(range(8)), [8 + 4 * h for h in range(12)]

    assert spans(*quarters, *hours) == [(q, 1) for q in quarters] + [(h, 4) for h in hours]


def test_a_missing_slot_stays_a_gap():
    """The slot before a gap does not grow into it, whatever the step there."""
    assert spans(0, 4, 8, 16, 20, 24) == [(0, 4), (4, 4), (8, 4), (16, 4), (20, 4), (24, 4)]
    assert spans(0, 1, 2, 3, 7, 8, 9)[3] == (3, 1)


def test_a_value_alone_between_two_gaps_lasts_a_usual_slot():
    """Two gaps of the same length are not a step."""
    assert spans(0, 4, 8, 16, 24, 28, 32)[3] == (16, 4)


@given(
    st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=4),
    st.lists(st.integers(5, 30), min_size=4, max_size=4),
)
def test_any_succession_of_steps_leaves_no_gap_and_no_overlap(steps, counts):
    """Every slot ends where the next one begins, in whatever order the steps come."""
    starts, at = [], START
    for step, count in zip(steps, counts, strict=False):
        for _ in range(count):
            starts.append(at)
            at += step * QUARTER
    points = points_of([RawValue(start, 100) for start in starts], source="test")

    assert all(a.end == b.start for a, b in pairwise(points))


@pytest.mark.parametrize("starts", [[], [START], [START, START]])
def test_less_than_two_times_have_no_length(starts):
    """One time does not tell how long it lasts."""
    assert slot_lengths(starts) is None
