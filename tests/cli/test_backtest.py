"""`lowtide backtest`: files in, a table or JSON out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.backtest.files import read_trace
from lowtide.cli.backtest import command
from lowtide.planning import BacktestError

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"


def run(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments), "--processes", "1"])


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_prints_one_object_per_trace_and_class():
    """The shape that other programs read."""
    result = run(SHIPPED, "--length", "4h", "--slack", "24h", "--forecast", "none", "-o", "json")

    assert result.exit_code == 0
    (entry,) = json.loads(result.stdout)
    assert {key: entry[key] for key in ("trace", "length_hours", "slack_hours", "forecast")} == {
        "trace": "DE",
        "length_hours": 4.0,
        "slack_hours": 24.0,
        "forecast": "none",
    }
    assert entry["interruptible"] is False
    # 1344 rows: 720, 731, ... below 1344 - 193.
    assert entry["jobs"] == len(range(720, 1344 - 193, 11))
    assert list(entry["policies"]) == [
        "run-now",
        "best-window",
        "threshold",
        "lowtide",
        "clairvoyant",
    ]
    for score in entry["policies"].values():
        assert set(score) == {
            "saving_percent",
            "reach_percent",
            "restarts_per_job",
            "mean_delay_hours",
            "missed_deadlines",
        }
    assert entry["policies"]["clairvoyant"]["reach_percent"] == pytest.approx(100)


def test_prints_a_table_for_people():
    """One line per class, with every policy."""
    result = run(SHIPPED, "--length", "2h", "--slack", "6h", "--interruptible")

    assert result.exit_code == 0
    assert "best-window" in result.stdout
    assert "2 h" in result.stdout
    assert "strict" in result.stdout


def test_a_wrong_duration_is_wrong_use():
    """Exit code 2, and what would be right."""
    result = run(SHIPPED, "--length", "4 hours")

    assert result.exit_code == 2
    assert "4 hours" in result.stderr


def test_a_short_trace_is_a_failure(tmp_path):
    """Exit code 1 and one sentence."""
    rows = [f"2021-07-01T{hour:02}:00Z,{300 + hour}" for hour in range(24)]
    path = write(tmp_path / "short.csv", "time,g_per_kwh", *rows)

    result = run(path)

    assert result.exit_code == 1
    assert "24 h are too few" in result.stderr
    assert "no forecast column" in result.stderr
    assert result.stdout == ""


def test_times_without_an_offset_need_a_word_for_utc(tmp_path):
    """The rule of `lowtide plan`: a local clock has a missing and a doubled hour each year."""
    marked = write(
        tmp_path / "a.csv", "time,actual", "2021-07-01T05:00:00Z,1", "2021-07-01T06:00:00Z,2"
    )
    naive = write(
        tmp_path / "b.csv", "time,actual", "2021-07-01T05:00:00,1", "2021-07-01T06:00:00,2"
    )

    assert read_trace(marked).trace.first_slot_of_day == 5
    assert read_trace(naive, times_are_utc=True).trace.actual.tolist() == [1, 2]
    result = run(naive)
    assert result.exit_code == 1
    assert "b.csv: line 2: time '2021-07-01T05:00:00' has no offset" in result.stderr
    assert "--utc" in result.stderr


def test_finer_traces_are_averaged_and_say_so(tmp_path):
    """Quarters become half-hours."""
    rows = [
        f"2021-07-01T00:{minute:02}Z,{value}"
        for minute, value in ((0, 1), (15, 3), (30, 5), (45, 7))
    ]
    path = write(tmp_path / "fine.csv", "time,actual", *rows)

    file = read_trace(path)

    assert file.trace.actual.tolist() == [2, 6]
    assert file.trace.slots_per_hour == 2
    assert any("averaged to 30 min" in note for note in file.notes)


def test_short_gaps_are_filled_and_counted(tmp_path):
    """A null between 1 and 3 becomes 2; a negative value is no value."""
    rows = [
        "2021-07-01T00:00Z,1",
        "2021-07-01T01:00Z,",
        "2021-07-01T02:00Z,3",
        "2021-07-01T03:00Z,-1",
        "2021-07-01T04:00Z,5",
    ]
    path = write(tmp_path / "gap.csv", "time,actual", *rows)

    file = read_trace(path)

    assert file.trace.actual.tolist() == [1, 2, 3, 4, 5]
    assert any("2 missing actuals" in note for note in file.notes)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            ["time,price", "2021-07-01T00:00Z,1", "2021-07-01T01:00Z,2"],
            "has none of the columns g_per_kwh, actual_g_per_kwh, value",
            id="no actuals",
        ),
        pytest.param(
            ["time,actual", "yesterday,1", "2021-07-01T01:00Z,2"],
            "line 2: 'yesterday' is not an ISO 8601 time",
            id="no time",
        ),
        pytest.param(
            ["time,actual", "2021-07-01T00:00Z,dirty", "2021-07-01T01:00Z,2"],
            "line 2: 'dirty' is not a number",
            id="no number",
        ),
        pytest.param(
            ["time,actual", "2021-07-01T01:00Z,1", "2021-07-01T00:00Z,2"],
            "line 3: .* is earlier than the line before",
            id="backwards",
        ),
        pytest.param(
            [
                "time,actual",
                "2021-07-01T00:00Z,1",
                "2021-07-01T01:00Z,1",
                "2021-07-01T02:00Z,1",
                "2021-07-03T05:00Z,1",
            ],
            "50 h in a row",
            id="long gap",
        ),
        pytest.param(["time,actual"], "no rows below the header", id="empty"),
        pytest.param(
            ["time,actual", "2021-07-01T00:00Z,1", "2021-07-02T00:00Z,1"],
            "an hour is the most",
            id="daily",
        ),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_its_row(tmp_path, rows, message):
    """What is wrong, where, and what would be right."""
    with pytest.raises(BacktestError, match=message):
        read_trace(write(tmp_path / "bad.csv", *rows))
