"""What was seen: bounded, of one source, final before estimated, and kept over restarts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.grid.history import HistoryStore, observed
from lowtide.grid.series import (
    AverageSeries,
    MixedSignalsError,
    Point,
    SeriesError,
    Signal,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = START + timedelta(days=90)


def values(series):
    return [point.grams_per_kwh for point in series.points]


def test_only_finished_slots_are_seen(hourly):
    """The running hour's value is not final and not history."""
    whole = observed(None, hourly(START, [300, 310, 320]), START + 2.5 * HOUR)

    assert values(whole) == [300, 310]


def test_final_values_replace_estimates_and_not_the_other_way(hourly):
    """An estimate that arrives late does not spoil what is final."""
    estimate = observed(None, hourly(START, [1, 2], estimated=True), LATER)
    final = observed(estimate, hourly(START, [300]), LATER)
    late = observed(final, hourly(START, [5, 6], estimated=True), LATER)

    assert values(final) == [300, 2]
    assert values(late) == [300, 6]


def test_a_missing_value_replaces_nothing(hourly):
    """A null in a later answer does not erase what was known."""
    known = observed(None, hourly(START, [300, 310]), LATER)

    assert values(observed(known, hourly(START, [None, None]), LATER)) == [300, 310]


def test_a_finer_step_takes_the_place_of_a_coarser_one(hourly):
    """After a change to quarter-hours an hour is not counted twice."""
    known = observed(None, hourly(START, [300, 310]), LATER)
    quarters = hourly(START + HOUR, [1, 2, 3, 4], step=HOUR / 4)

    assert values(observed(known, quarters, LATER)) == [300, 1, 2, 3, 4]


def test_only_the_newest_slots_are_kept(hourly):
    """Memory and disk stay flat."""
    known = observed(None, hourly(START, [1, 2, 3]), LATER, slots_max=4)

    whole = observed(known, hourly(START + 3 * HOUR, [4, 5, 6]), LATER, slots_max=4)

    assert values(whole) == [3, 4, 5, 6]


def test_another_source_or_zone_is_refused(hourly):
    """A step between two methods would look like a change of the grid."""
    known = observed(None, hourly(START, [300]), LATER)

    with pytest.raises(SeriesError, match="cannot take values of other"):
        observed(known, hourly(START, [300], source="other"), LATER)
    with pytest.raises(SeriesError, match="zone FR"):
        observed(known, hourly(START, [300], zone="FR"), LATER)


def test_average_and_marginal_are_kept_apart(hourly):
    """They never enter one history, and a store keeps both."""
    average, marginal = hourly(START, [300]), hourly(START, [700], signal=Signal.MARGINAL)
    store = HistoryStore()
    store.add(average, LATER)
    store.add(marginal, LATER)

    with pytest.raises(MixedSignalsError):
        observed(average, marginal, LATER)
    assert values(store.of("DE", Signal.AVERAGE)) == [300]
    assert values(store.of("DE", Signal.MARGINAL)) == [700]


@settings(max_examples=50, deadline=None)
@given(
    parts=st.lists(
        st.tuples(
            st.integers(0, 40), st.lists(st.integers(1, 900), min_size=1, max_size=8), st.booleans()
        ),
        max_size=6,
    )
)
def test_any_sequence_of_answers_gives_an_ordered_history(parts):
    """Every final value that was ever the last one for its hour is in the history."""
    whole, expected = None, {}
    for begin, numbers, estimated in parts:
        points = tuple(
            Point(START + (begin + i) * HOUR, START + (begin + i + 1) * HOUR, float(n), estimated)
            for i, n in enumerate(numbers)
        )
        whole = observed(whole, AverageSeries(zone="DE", source="s", points=points), LATER)
        for point in points:
            old = expected.get(point.start)
            if old is None or old.estimated or not point.estimated:
                expected[point.start] = point

    assert {p.start: p for p in whole.points} == expected if whole else not expected


def test_a_restart_finds_the_history(hourly, tmp_path):
    """The profile improves with age, so age must survive."""
    HistoryStore(tmp_path).add(hourly(START, [300, 310], source="a (stand-in)"), LATER)

    again = HistoryStore(tmp_path)
    again.add(hourly(START + 2 * HOUR, [320], source="a (stand-in)"), LATER)

    assert values(HistoryStore(tmp_path).of("DE", Signal.AVERAGE)) == [300, 310, 320]


def test_a_damaged_file_is_set_aside(hourly, tmp_path):
    """It is kept for inspection and its zone begins anew."""
    HistoryStore(tmp_path).add(hourly(START, [300]), LATER)
    (file,) = tmp_path.glob("*.json")
    file.write_text("{")

    store = HistoryStore(tmp_path)

    assert store.of("DE", Signal.AVERAGE) is None
    assert [p.suffix for p in tmp_path.iterdir()] == [".damaged"]
    store.add(hourly(START, [310]), LATER)
    assert values(HistoryStore(tmp_path).of("DE", Signal.AVERAGE)) == [310]


def test_the_furthest_reaching_source_is_the_zones_history(hourly):
    """After a change of provider the living one is used."""
    store = HistoryStore()
    store.add(hourly(START, [1, 2, 3], source="old"), LATER)
    store.add(hourly(START + HOUR, [7, 8, 9], source="new"), LATER)

    assert values(store.of("DE", Signal.AVERAGE)) == [7, 8, 9]
    assert values(store.of("DE", Signal.AVERAGE, "old")) == [1, 2, 3]


def test_a_config_map_carries_all_histories(hourly):
    """The texts of one store fill another; a broken one is left out."""
    store = HistoryStore()
    store.add(hourly(START, [300]), LATER)
    store.add(hourly(START, [50], zone="FR"), LATER)

    other = HistoryStore()
    other.restore({**store.texts(), "broken": "{"})

    assert values(other.of("DE", Signal.AVERAGE)) == [300]
    assert values(other.of("FR", Signal.AVERAGE)) == [50]
