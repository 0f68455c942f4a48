"""The CSV file as a provider: layouts, refusals, reloading and replay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lowtide.grid.errors import BadAnswer, NoData, NotOffered, Unavailable
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.file import FileProvider
from lowtide.grid.series import MarginalSeries, Signal
from lowtide.grid.trace import Replay
from lowtide.grid.trace_columns import IntensityUnit

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def from_file(path, *, zone, signal=Signal.AVERAGE, zero_possible=False, **more) -> FileProvider:
    """A file's provider, with the origin that the factory would give it."""
    origin = Origin(name="file", signal=signal, zero_possible=zero_possible)
    return FileProvider(path, zone=zone, origin=origin, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "de.csv"


def values(series):
    return [point.grams_per_kwh for point in series.points]


def test_reads_measured_and_expected_values(path):
    """Past values are the first column, expected ones the forecast column."""
    path.write_text(
        "time,g_per_kwh,forecast\n"
        "2026-03-01T00:00Z,300,290\n2026-03-01T01:00Z,310,320\n2026-03-01T02:00Z,,330\n"
    )
    provider = from_file(path, zone="DE")

    assert values(provider.actuals("DE", START, START + 2 * HOUR)) == [300, 310]
    assert values(provider.forecast("DE", START + 1.5 * HOUR)) == [320, 330]
    assert values(provider.forecast_column("DE", START, START + HOUR)) == [290]


def test_reads_the_public_day_ahead_layout(path):
    """The DACF columns are read as they are, once the file is declared to be in UTC."""
    path.write_text(
        "time,actual_g_per_kwh,day_ahead_forecast_g_per_kwh\n"
        "2021-07-01T00:00:00,162.35,176.11\n2021-07-01T01:00:00,183.72,204.07\n"
    )
    provider = from_file(path, zone="CISO", times_are_utc=True)
    start = datetime(2021, 7, 1, tzinfo=UTC)

    assert values(provider.actuals("CISO", start, start + 2 * HOUR)) == [162.35, 183.72]
    assert values(provider.forecast("CISO", start)) == [176.11, 204.07]


def test_without_a_forecast_column_later_values_are_what_is_expected(path):
    """A plain schedule of the coming hours is a forecast by itself."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")

    assert values(from_file(path, zone="DE").forecast("DE", START + HOUR)) == [310]


def test_a_replay_without_a_forecast_column_does_not_tell_the_future(path):
    """Replayed actual values are not a forecast."""
    path.write_text("time,g_per_kwh\n2021-03-01T00:00Z,300\n2021-03-01T01:00Z,310\n")
    replay = Replay(datetime(2021, 3, 1, tzinfo=UTC), START)

    with pytest.raises(NotOffered, match="no forecast column"):
        from_file(path, zone="DE", replay=replay).forecast("DE", START)


def test_replays_faster_than_time(path):
    """At 360 times the speed an hour lasts 10 s, counted from the chosen moment."""
    path.write_text(
        "time,g_per_kwh,forecast\n"
        "2021-07-20T05:00Z,500,0.5\n2021-07-20T06:00Z,600,0.6\n2021-07-20T07:00Z,700,0.7\n"
    )
    replay = Replay(datetime(2021, 7, 20, 6, tzinfo=UTC), START, 360)
    provider = from_file(path, zone="DE", replay=replay)

    points = provider.actuals("DE", START - timedelta(seconds=10), START + HOUR).points

    assert [(p.start - START).total_seconds() for p in points] == [-10, 0, 10]
    assert {p.end - p.start for p in points} == {timedelta(seconds=10)}
    assert values(provider.forecast("DE", START + timedelta(seconds=12))) == [0.7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "has no column 'time'", id="empty file"),
        pytest.param("time,price\n", "none of the columns", id="no value column"),
        pytest.param("time,g_per_kwh\n", "no rows", id="only a header"),
        pytest.param("time,g_per_kwh\n2026-03-01T00:00,3\n", "no offset", id="naive time"),
        pytest.param("time,g_per_kwh\nyesterday,3\n", "not an ISO 8601 time", id="no time"),
        pytest.param("time,g_per_kwh\n2026-03-01T00:00Z,much\n", "not a number", id="no number"),
        pytest.param("time,g_per_kwh\n2026-03-01T00:00Z\n", "line 2 has 1 cells", id="short line"),
        pytest.param(
            "time,g_per_kwh\n2026-03-01T01:00Z,3\n2026-03-01T00:00Z,4\n",
            "line 3: .* earlier than the line before",
            id="backwards",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_line(path, text, message):
    """The message tells what to repair."""
    path.write_text(text)

    with pytest.raises(BadAnswer, match=message):
        from_file(path, zone="DE").forecast("DE", START)


def test_a_local_clock_with_a_missing_and_a_doubled_hour(path):
    """With offsets both hours of the autumn night are known; the spring gap stays unknown."""
    path.write_text(
        "time,g_per_kwh\n"
        "2026-10-25T01:00+02:00,1\n2026-10-25T02:00+02:00,2\n"
        "2026-10-25T02:00+01:00,3\n2026-10-25T03:00+01:00,4\n"
    )
    start = datetime(2026, 10, 24, 23, tzinfo=UTC)

    series = from_file(path, zone="DE").actuals("DE", start, start + 4 * HOUR)

    assert values(series) == [1, 2, 3, 4]
    assert [p.start.hour for p in series.points] == [23, 0, 1, 2]


def test_a_doubled_hour_declared_as_utc_is_unknown(path):
    """A local feed passed off as UTC loses the ambiguous hour and no other."""
    path.write_text(
        "time,g_per_kwh\n2026-10-25T01:00,1\n2026-10-25T02:00,2\n2026-10-25T02:00,3\n"
        "2026-10-25T03:00,4\n"
    )
    provider = from_file(path, zone="DE", times_are_utc=True)
    start = datetime(2026, 10, 25, 1, tzinfo=UTC)

    assert values(provider.actuals("DE", start, start + 3 * HOUR)) == [1, None, 4]


def test_zero_and_negative_values_are_missing(path):
    """A file of zeros does not describe a clean grid."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,0\n2026-03-01T01:00Z,-1\n")

    with pytest.raises(NoData):
        from_file(path, zone="DE").actuals("DE", START, START + 2 * HOUR)


def test_zero_can_be_true_for_marginal_intensity(path):
    """Where wind is curtailed the next kilowatt-hour costs nothing."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,0\n2026-03-01T01:00Z,400\n")
    provider = from_file(path, zone="DE", signal=Signal.MARGINAL, zero_possible=True)

    series = provider.actuals("DE", START, START + 2 * HOUR)

    assert isinstance(series, MarginalSeries)
    assert values(series) == [0, 400]


def test_pounds_are_converted(path):
    """1000 lb/MWh are 453.59237 g/kWh (one pound is 453.59237 g)."""
    path.write_text("time,value\n2026-03-01T00:00Z,1000\n2026-03-01T01:00Z,500\n")
    provider = from_file(path, zone="DE", unit=IntensityUnit.POUNDS_PER_MWH)

    found = values(provider.actuals("DE", START, START + 2 * HOUR))

    assert found == pytest.approx([453.59237, 226.796185])


def test_a_unit_that_contradicts_the_column_is_refused(path):
    """g_per_kwh is not in pounds, whatever the settings say."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,1000\n")
    provider = from_file(path, zone="DE", unit=IntensityUnit.POUNDS_PER_MWH)

    with pytest.raises(BadAnswer, match="contradicts"):
        provider.forecast("DE", START)


def replace_file(path: Path, text: str) -> None:
    """Swap the file's content the way a mounted ConfigMap does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_a_changed_file_is_read_again(path):
    """No restart is needed."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")
    provider = from_file(path, zone="DE")
    assert values(provider.forecast("DE", START)) == [300, 310]

    replace_file(path, "time,g_per_kwh\n2026-03-01T00:00Z,30\n2026-03-01T01:00Z,31\n")

    assert values(provider.forecast("DE", START)) == [30, 31]


def test_the_last_good_version_stays_in_use(path, caplog):
    """A broken new version is reported once and does not take the old values away."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")
    provider = from_file(path, zone="DE")
    provider.forecast("DE", START)

    replace_file(path, "time,g_per_kwh\nbroken\n")

    assert values(provider.forecast("DE", START)) == [300, 310]
    assert values(provider.forecast("DE", START)) == [300, 310]
    assert "line 2" in str(provider.problem)
    assert len(caplog.records) == 1


def test_a_file_may_come_later(path):
    """A missing file is an outage and not a fault of the settings."""
    provider = from_file(path, zone="DE")
    with pytest.raises(Unavailable, match=r"de\.csv cannot be read"):
        provider.forecast("DE", START)

    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")

    assert values(provider.forecast("DE", START)) == [300, 310]


def test_a_file_speaks_for_one_zone(path):
    """Germany's file says nothing about France."""
    with pytest.raises(NotOffered, match="holds zone DE, not FR"):
        from_file(path, zone="DE").forecast("FR", START)


def test_a_series_names_its_file_and_that_it_is_replayed(path):
    """A trace of another year is not taken for the present grid."""
    path.write_text("time,g_per_kwh\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")
    moved = Replay(START, START + timedelta(days=365))
    in_place = Replay(START, START)

    def source(replay, moment):
        provider = from_file(path, zone="DE", replay=replay)
        return provider.actuals("DE", moment, moment + HOUR).source

    assert source(None, START) == "file (de.csv)"
    assert source(in_place, START) == "file (de.csv)"
    assert source(moved, START + timedelta(days=365)) == "file (de.csv, replayed)"
