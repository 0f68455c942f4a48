"""`lowtide plan` on a trace whose cleanest hours are known beforehand."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main

START = datetime(2026, 3, 1, tzinfo=UTC)
NOON = ["--at", "2026-03-18T12:00Z"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests and the tests out of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """20 days at 300 g/kWh, but 100 from 02 to 06 UTC every day."""
    lines = ["time,g_per_kwh"]
    for hour in range(20 * 24):
        moment = START + timedelta(hours=hour)
        lines.append(f"{moment:%Y-%m-%dT%H:%MZ},{100 if 2 <= moment.hour < 6 else 300}")
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(lines))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["plan", "--zone", "DE", *map(str, arguments)])


def test_shows_the_cleanest_window_with_its_reason(trace):
    """Four hours from noon on wait for the night: 100 instead of 300 is a saving of two thirds."""
    result = run("--duration", "4h", "--trace", trace, *NOON)

    assert result.exit_code == 0, result.output
    assert "waits until 2026-03-19 02:00Z because" in result.output
    assert "save 67 %: 100 instead of 300 g/kWh" in result.output
    assert "Average intensity: own profile" in result.output


def test_draws_the_segment_under_its_hours(trace):
    """The mark is as wide as the run and stands under the low bars."""
    result = run("--duration", "4h", "--trace", trace, *NOON)

    rows = result.output.splitlines()
    marked = next(row for row in rows if row.startswith(" planned"))
    top = next(row for row in rows if "g/kWh" in row and "┤" in row)
    first, last = marked.index("█"), marked.rindex("█")
    assert set(top[first : last + 1]) == {" "}
    assert top[first - 1] == "█"
    assert top[last + 1] == "█"


@pytest.mark.parametrize("columns", ["40", "100", "300"])
def test_the_chart_fits_the_terminal(trace, monkeypatch, columns):
    """No line of the chart is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", columns)

    result = run("--duration", "4h", "--trace", trace, *NOON)

    chart = [row for row in result.output.splitlines() if "┤" in row or "planned " in row]
    assert max(len(row) for row in chart) <= int(columns)


def test_json_has_base_units_and_utc(trace):
    """The same plan for programs: ratio, seconds, g/kWh, RFC 3339, and nothing else on stdout."""
    result = run("--duration", "4h", "--trace", trace, *NOON, "--output", "json")

    document = json.loads(result.stdout)
    assert document["run"] is False
    assert document["segments"] == [
        {"start": "2026-03-19T02:00:00Z", "end": "2026-03-19T06:00:00Z", "replicas": None}
    ]
    assert document["planned_grams_per_kwh"] == pytest.approx(100)
    assert document["run_now_grams_per_kwh"] == pytest.approx(300)
    assert document["saving_ratio"] == pytest.approx(2 / 3)
    assert document["forecast"]["slot_seconds"] == 3600
    assert document["forecast"]["generated_at"] is None
    assert document["failures"] == []


def test_a_long_job_that_may_pause_takes_two_nights(trace):
    """Eight hours with three days of slack: two nights of four hours, one resume."""
    result = run(
        "--duration", "8h", "--slack", "72h", "--interruptible", "--restart-cost", "0s",
        "--trace", trace, *NOON, "-o", "json",
    )  # fmt: skip

    document = json.loads(result.stdout)
    assert [one["start"] for one in document["segments"]] == [
        "2026-03-19T02:00:00Z",
        "2026-03-20T02:00:00Z",
    ]
    assert document["planned_grams_per_kwh"] == pytest.approx(100)


def test_the_rest_of_the_trace_is_not_looked_at(trace):
    """A surprise after the planning time changes nothing: the plan is the same."""
    before = run("--duration", "4h", "--trace", trace, *NOON, "-o", "json").stdout
    cut = trace.read_text().replace("2026-03-18T15:00Z,300", "2026-03-18T15:00Z,1")
    trace.write_text(cut)

    assert run("--duration", "4h", "--trace", trace, *NOON, "-o", "json").stdout == before


def test_settings_name_the_source(trace, tmp_path):
    """The operator's file is read as it is; its other sections do not matter here."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"intervalSeconds: 30\nzones:\n  DE:\n    providers:\n"
        f"      - {{kind: file, path: {tmp_path / 'missing.csv'}}}\n"
    )

    result = run("--duration", "4h", "--settings", settings)

    assert result.exit_code == 0
    assert "because no forecast covers a whole run" in result.output
    assert "missing.csv cannot be read" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["--duration", "4"], 2, "is not a duration", id="no unit"),
        pytest.param(["--duration", "0h"], 2, "not between", id="zero"),
        pytest.param(
            ["--duration", "4h", "--deadline", "2026-03-19T00:00"], 2, "offset", id="naive deadline"
        ),
        pytest.param(
            ["--duration", "4h", "--deadline", "2026-03-19T00:00Z", "--slack", "1h"],
            2,
            "not both",
            id="deadline and slack",
        ),
        pytest.param(["--duration", "4h", *NOON], 2, "describe a --trace", id="time without trace"),
        pytest.param(["--duration", "4h", "--minimum-saving", "200%"], 2, "100%", id="percent"),
    ],
)
def test_wrong_use_ends_with_code_2_and_says_what_would_be_right(arguments, code, message):
    """Nothing is guessed about what was meant."""
    result = run(*arguments)

    assert result.exit_code == code
    assert message in result.stderr


def test_a_trace_of_the_past_asks_for_its_time(trace):
    """Without --at the trace has nothing to say about today."""
    result = run("--duration", "4h", "--trace", trace)

    assert result.exit_code == 2
    assert "give --at with a time inside trace.csv" in result.stderr


def test_a_trace_without_offsets_is_taken_as_utc_and_says_so(trace):
    """As by the backtest: half of the published traces do not mark their times."""
    naive = trace.with_name("naive.csv")
    naive.write_text(trace.read_text().replace("Z,", ","))

    result = run("--duration", "4h", "--trace", naive, *NOON)

    assert result.exit_code == 0
    assert "note: naive: times have no offset and are taken as UTC" in result.stderr
    assert result.stdout.splitlines()[0].startswith("The job ")


def test_an_unreadable_trace_fails_with_its_line(tmp_path):
    """The message tells what to repair; the use was right, so the code is 1."""
    path = tmp_path / "bad.csv"
    path.write_text("time,g_per_kwh\nyesterday,300\n")

    result = run("--duration", "4h", "--trace", path, *NOON)

    assert result.exit_code == 1
    assert "line 2: 'yesterday' is not an ISO 8601 time" in result.stderr


def test_a_zone_without_any_source_says_how_to_give_one():
    """No zone is taken for another."""
    result = CliRunner().invoke(main, ["plan", "--zone", "XX", "--duration", "4h"])

    assert result.exit_code == 1
    assert "no source of intensity is known for zone XX" in result.stderr


def test_a_zone_that_the_settings_do_not_have_is_named(tmp_path):
    """The zones that exist are listed."""
    settings = tmp_path / "settings.yaml"
    settings.write_text("zones: {FR: {}, GB: {}}")

    result = run("--duration", "4h", "--settings", settings)

    assert result.exit_code == 1
    assert "has no zone DE (zones: FR, GB)" in result.stderr


def test_a_trace_may_come_from_a_pipe(trace, tmp_path):
    """It is read once, so what a program writes is a trace too."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(trace.read_text()))
    writer.start()
    result = CliRunner().invoke(
        main, ["plan", "--zone", "DE", "--duration", "4h", "--trace", str(pipe), *NOON]
    )
    writer.join(timeout=240)

    assert result.exit_code == 0, result.output
    assert "waits until 2026-03-19 02:00Z because" in result.output


@pytest.mark.parametrize(
    ("at", "option"), [("12:00", "--begin=now+50400"), ("02:00", "--begin=now")]
)
def test_slurm_gets_the_start_as_an_option_and_a_person_the_reason(trace, at, option):
    """From noon to 02:00 of the next day are 14 hours of 3600 s; at 02:00 it is clean already."""
    moment = ["--at", f"2026-03-18T{at}Z"]
    result = run("--duration", "4h", "--trace", trace, *moment, "--output", "slurm")

    assert result.exit_code == 0, result.output
    assert result.stdout == f"{option}\n"
    assert "because" in result.stderr


def test_slurm_is_not_told_one_start_of_a_plan_that_may_have_several(trace):
    result = run("--duration", "4h", "--trace", trace, *NOON, "--interruptible", "-o", "slurm")

    assert result.exit_code == 2
    assert "--output slurm gives one start" in result.stderr
