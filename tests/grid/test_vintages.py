"""Forecasts as they were made."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lowtide.grid.series import SeriesError, Signal
from lowtide.grid.vintages import Vintages, VintageStore

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def vintage(hourly):
    """Make a forecast fetched so many hours after START, from that hour on."""

    def make(hours, numbers, **more):
        moment = START + hours * HOUR
        return hourly(moment, numbers, fetched_at=moment, **more)

    return make


def test_what_was_last_expected_before_a_slot_began_counts(vintage):
    """Hour 2 was foretold at 0, 1 and 2: the one of hour 2 itself is the newest."""
    kept = Vintages()
    for one in (vintage(0, [10, 11, 12, 13]), vintage(1, [21, 22, 23]), vintage(2, [32, 33])):
        kept = kept.with_added(one)

    past = kept.past(START + 3 * HOUR)

    assert [p.grams_per_kwh for p in past] == [10, 21, 32]


def test_nothing_of_the_future_is_told(vintage):
    """At hour 1 the vintage of hour 2 does not exist, and hour 1 has not passed."""
    kept = Vintages().with_added(vintage(0, [10, 11])).with_added(vintage(2, [32]))

    assert [p.grams_per_kwh for p in kept.past(START + HOUR)] == [10]


def test_a_forecast_made_in_mid_slot_does_not_replace_an_earlier_one(hourly):
    """It may already know a part of the hour."""
    early = hourly(START, [10, 11], fetched_at=START)
    late = hourly(START + HOUR, [99], fetched_at=START + 1.5 * HOUR)
    kept = Vintages(spacing=timedelta(0)).with_added(early).with_added(late)

    assert [p.grams_per_kwh for p in kept.past(START + 2 * HOUR)] == [10, 11]


def test_the_same_issue_is_kept_once(vintage):
    """A cached answer and a second download of one issue are one vintage."""
    issued = START - HOUR
    kept = Vintages().with_added(vintage(0, [10, 11], generated_at=issued))

    again = kept.with_added(vintage(2, [10, 11], generated_at=issued))

    assert again is kept


def test_vintages_are_thinned_and_bounded(vintage):
    """Twelve per hour become one per hour and the newest; only so many are kept."""
    kept = Vintages(kept_max=5)
    for i in range(12 * 10):
        kept = kept.with_added(vintage(i / 12, [float(i + 1)]))

    hours = [(one.fetched_at - START) / HOUR for one in kept.items]
    assert len(hours) == 5
    assert hours[-1] == pytest.approx(119 / 12)
    assert all(b - a >= 0.99 for a, b in pairwise(hours[:-1]))


def test_a_forecast_must_say_when_it_came(hourly, vintage):
    """Without the time it is unknown which plans could have used it; zones stay apart."""
    with pytest.raises(SeriesError, match="when it was fetched"):
        Vintages().with_added(hourly(START, [1]))
    with pytest.raises(SeriesError, match="different zones"):
        Vintages().with_added(vintage(0, [1])).with_added(vintage(1, [1], zone="FR"))


def test_a_restart_finds_the_vintages(vintage, tmp_path):
    """Bias and scores need weeks, which no process lives."""
    VintageStore(tmp_path).add("maps", vintage(0, [10, 11]))

    store = VintageStore(tmp_path)
    store.add("maps", vintage(1, [21]))

    kept = VintageStore(tmp_path).of("DE", "maps", Signal.AVERAGE)
    assert [p.grams_per_kwh for p in kept.past(START + 2 * HOUR)] == [10, 21]
    assert VintageStore(tmp_path).of("DE", "other", Signal.AVERAGE).items == ()


def test_a_damaged_file_begins_anew(vintage, tmp_path, caplog):
    """It costs the memory of old forecasts and nothing else."""
    VintageStore(tmp_path).add("maps", vintage(0, [10]))
    (file,) = tmp_path.glob("*.json")
    file.write_text("{")

    assert VintageStore(tmp_path).of("DE", "maps", Signal.AVERAGE).items == ()
    assert "begin anew" in caplog.text
